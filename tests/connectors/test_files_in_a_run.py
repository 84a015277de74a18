"""Files between steps: downloaded, sent on, shown, and read by those alone who may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.s3.signing import Signer
from automate_connectors.models import Connection
from automate_core import artifacts
from automate_core.files.content_types import check_content_type
from automate_core.files.store import FileOwner, clean_name, store_file
from automate_core.models import ExecutionRun, StoredFile
from automate_core.runs import control
from automate_governance.models import AuditEntry
from tests.support.s3 import Store
from tests.support.sftp import FileServer
from tests.support.walks import output, settle

pytestmark = pytest.mark.django_db(transaction=True)

PDF = b"%PDF-1.7 " + bytes(range(256)) * 20_000
STEPS = """
  - {{key: fetch, action: http.request, inputs: {{url: '{url}/a', answer: file}}}}
  - key: raw
    action: http.request
    inputs: {{method: PUT, url: '{url}/raw', file: '{{{{ steps.fetch.output.body }}}}'}}
  - key: form
    action: http.request
    inputs:
      method: POST
      url: '{url}/form'
      form: {{title: It}}
      files: ['{{{{ steps.fetch.output.body }}}}', {{name: second, filename: two.pdf, file: '{{{{ steps.fetch.output.body }}}}'}}]
"""


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    options = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "files"}}
    settings.STORAGES = {**settings.STORAGES, "automate": options}
    return tmp_path / "files"


@pytest.fixture
def files_server(server):
    disposition = "attachment; filename=\"bill.pdf\"; filename*=UTF-8''R%C3%A9sum%C3%A9.pdf"
    server.answer = lambda asked: (
        (200, PDF, {"Content-Type": "application/pdf", "Content-Disposition": disposition})
        if asked.path == "/a"
        else (200, {"ok": True}, {})
    )
    return server


@pytest.fixture
def run(workflow, deliver, drain):
    def go(steps, *, slug="flow", payload=None, **more):
        workflow(f"name: {slug}\nslug: {slug}\ntriggers: [{{endpoint: github}}]\nsteps:\n{steps}")
        assert deliver(payload or {}, **more).status_code == 202
        settle(drain)
        return ExecutionRun.objects.filter(workflow__slug=slug).latest("pk")

    return go


def test_a_file_goes_from_step_to_step_and_to_those_who_may_see_it(
    run, files_server, owner, colleague, stranger, sign_in, storage, drain, settings
):
    done = run(STEPS.format(url=files_server.url))
    assert done.status == "succeeded", done.error
    value = output(done, "fetch")["body"]
    assert value == {"$file": value["$file"], "name": "Résumé.pdf", "type": "application/pdf", "size": len(PDF)}
    assert len(json.dumps(output(done, "fetch"))) < 2_000, "the run's data hold the reference alone"
    raw, form = files_server.asked[1:]
    assert raw.body == PDF and raw.headers["content-type"] == "application/pdf"
    assert form.body.count(PDF) == 2 and b'name="second"; filename="two.pdf"' in form.body

    page = sign_in(owner).get(reverse("studio:run_step", args=[done.pk, "fetch"])).content.decode()
    address = reverse("studio:file_download", args=[value["$file"]])
    assert f'href="{address}"' in page and "Résumé.pdf (5.1 MB)" in page
    assign_perm("view_workflow", colleague, done.workflow)
    assert [sign_in(each).get(address).status_code for each in (colleague, stranger)] == [404, 404]
    answer = sign_in(owner).get(address)
    assert b"".join(answer.streaming_content) == PDF and answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff" and answer["Content-Security-Policy"].startswith("sandbox")
    assert AuditEntry.objects.filter(verb="run.payload_downloaded").count() == 1

    # a re-run reads the file of the first run; it goes with the last run of both
    again = control.rerun(done, by=owner, start="raw")
    settle(drain)
    assert files_server.asked[-2].body == PDF
    stored = StoredFile.objects.get()
    old = Path("documents/2020/01/01/old.bin")
    (storage / old).parent.mkdir(parents=True)
    (storage / stored.file).rename(storage / old)
    StoredFile.objects.update(file=str(old))
    call_command("automate_prune")
    assert (storage / old).exists(), "its runs are there"
    ExecutionRun.objects.filter(pk__in=[done.pk, again.pk]).delete()
    done.event.delete()
    call_command("automate_prune")
    assert not StoredFile.objects.exists() and not (storage / old).exists()


STORAGE_STEPS = """
  - {{key: fetch, action: http.request, inputs: {{url: '{url}/a', answer: file}}}}
  - {{key: put, action: s3.put_object, connection: store, inputs: {{key: 'in/a b.pdf', file: '{{{{ steps.fetch.output.body }}}}'}}}}
  - {{key: get, action: s3.get_object, connection: store, inputs: {{key: '{{{{ steps.put.output.key }}}}'}}}}
  - {{key: link, action: s3.create_link, connection: store, inputs: {{key: '{{{{ steps.put.output.key }}}}'}}}}
  - {{key: send, action: sftp.upload, connection: files, inputs: {{path: out/, make_folders: true, file: '{{{{ steps.get.output.file }}}}'}}}}
  - {{key: back, action: sftp.download, connection: files, inputs: {{path: '{{{{ steps.send.output.path }}}}'}}}}
"""


@pytest.mark.extended
def test_a_file_goes_through_a_bucket_and_a_file_server(
    run, server, files_server, owner, settings, tmp_path, monkeypatch
):
    store = Store(Signer(access_key="AKIAIOSFODNN7EXAMPLE", secret_key="of-the-store", region="us-east-1"))
    store.put("things", "start", b"")
    fetched = files_server.answer
    files_server.answer = lambda asked: fetched(asked) if asked.path == "/a" else store.answer(asked)
    (tmp_path / "served").mkdir()
    file_server = FileServer(tmp_path / "served")
    settings.AUTOMATE_EGRESS_ALLOW = [server.host, f"127.0.0.1:{file_server.port}"]
    monkeypatch.setenv("AUTOMATE_SECRET_STORE", "of-the-store")
    monkeypatch.setenv("AUTOMATE_SECRET_FILES", "right")
    configs = {
        ("store", "s3"): {
            "access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "env:STORE", "base_url": server.url,
            "bucket": "things",
        },
        ("files", "sftp"): {
            "host": "127.0.0.1", "port": file_server.port, "username": "shop", "password": "env:FILES",
            "fingerprint": file_server.fingerprint,
        },
    }  # fmt: skip
    for (slug, connector), config in configs.items():
        connection = Connection(name=slug, slug=slug, connector=connector, config=config, owner=owner)
        connection.full_clean()
        connection.save()
    done = run(STORAGE_STEPS.format(url=server.url))
    file_server.close()
    assert done.status == "succeeded", done.error
    assert store.objects["things", "in/a b.pdf"][0] == PDF == (tmp_path / "served" / "out" / "a b.pdf").read_bytes()
    back = output(done, "back")["file"]
    assert (back["name"], back["type"], back["size"]) == ("a b.pdf", "application/pdf", len(PDF))
    assert "X-Amz-Signature=" in output(done, "link")["url"] and "***" not in output(done, "link")["url"]


def test_a_reference_alone_opens_no_file_of_others(run, files_server, owner, stranger):
    theirs = store_file(PDF, name="theirs.pdf", owner=FileOwner(trace_id="f" * 32))
    send = f"""
  - key: send
    action: http.request
    inputs: {{method: PUT, url: '{files_server.url}/raw', file: '{{{{ event.payload.file }}}}'}}
"""
    done = run(send, slug="curious", payload={"file": theirs})
    assert done.status == "failed" and done.error["code"] == "file_missing" and not files_server.asked
    mine = run("  - {key: one, action: data.set, inputs: {a: 1}}", slug="mine")
    StoredFile.objects.update(workflow=mine.workflow)  # whose payload the run-as user may view
    assert run(send, slug="permitted", payload={"file": theirs}).status == "succeeded"


NAMES = {
    "../../etc/passwd": "passwd",
    "C:\\docs\\a.txt": "a.txt",
    'a"b\r\n.pdf': "ab.pdf",
    "": "file",
    "...": "file",
    "x" * 300 + ".pdf": "x" * 146 + ".pdf",
}
#: name, claimed, content -> type, or the code of the error
TYPES = {
    ("a.pdf", "", b"%PDF-1.4"): "application/pdf",
    ("a.csv", "text/csv; charset=utf-8", b"a,b"): "text/csv",
    ("a.xlsx", "", b"PK\x03\x04"): "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ("a.png", "image/png", b"<svg onload=alert(1)>"): "file_type_mismatch",
    ("a.pdf", "application/pdf", b"MZ\x90"): "file_type_mismatch",
    ("a.pdf", "application/pdf", b"  <!DOCTYPE html>"): "file_type_mismatch",
    ("a", "", b"hello"): "text/plain",
    ("a", "", b"\0\1"): "application/octet-stream",
    ("a.html", "text/html", b"<html>"): "text/html",
}


def test_names_types_and_sizes_are_checked(settings):
    assert {name: clean_name(name) for name in NAMES} == NAMES

    def found(name, claimed, head):
        try:
            return check_content_type(name, claimed, head)
        except ConnectorError as error:
            return error.code

    assert {key: found(*key) for key in TYPES} == TYPES
    settings.AUTOMATE_FILE_TYPES = ["application/pdf", "image/*"]
    assert found("a.csv", "text/csv", b"a") == "file_type_refused" and found("a.png", "image/png", b"") == "image/png"
    settings.AUTOMATE_FILE_BYTES = 10
    owner = FileOwner(trace_id="f" * 32)
    with pytest.raises(ConnectorError) as caught:
        store_file(iter([b"x" * 6, b"x" * 6]), name="a", owner=owner)
    assert caught.value.code == "file_too_large" and not list(artifacts.list_names())


def test_a_download_that_is_too_large_fails_without_a_file(run, files_server, settings):
    settings.AUTOMATE_FILE_BYTES = 1_000
    done = run(f"  - {{key: fetch, action: http.request, inputs: {{url: '{files_server.url}/a', answer: file}}}}")
    assert done.error["code"] == "response_too_large" and not StoredFile.objects.exists()
