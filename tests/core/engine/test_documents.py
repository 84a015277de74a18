"""Large inputs and outputs as files: kept, read by later steps, downloaded, survived, and removed."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core import artifacts
from automate_core.models import ExecutionRun, StepRun
from automate_core.runs import control
from automate_governance.models import AuditEntry
from automate_operations.retention import pinning
from tests.support.processes import wait_for
from tests.support.walks import output, settle, states

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 6_000
SECRET = "a-token-that-nobody-may-see-1234"
LARGE = [{"id": number, "text": f"row {number} " + "x" * 60} for number in range(ROWS)] + [{"token": SECRET, "id": -1}]

# An effect's output and what is computed of it, a later step that looks into it, one that does not, a loop, a call.
STEPS = """
  - {{key: fetch, action: http.request, inputs: {{method: GET, url: '{url}/rows'}}}}
  - {{key: all, action: data.set, inputs: {{rows: '{{{{ steps.fetch.output.body }}}}'}}}}
  - {{key: some, action: data.set, inputs: {{id: '{{{{ steps.all.output.rows[41].id }}}}', n: '{{{{ steps.fetch.output.body | length }}}}'}}}}
  - {{key: other, action: data.set, inputs: {{n: 1}}}}
  - kind: for_each
    key: each
    items: '{{{{ steps.all.output.rows[:3] }}}}'
    steps: [{{key: one, action: data.set, inputs: {{id: '{{{{ steps.all.output.rows[index].id }}}}'}}}}]
  - kind: branch
    key: route
    arms: [{{key: many, when: {{'==': [{{var: steps.all.output.rows.7.id}}, 7]}}, steps: [{{key: told, action: http.request, inputs: {{method: POST, url: '{url}/told', json: '{{{{ steps.all.output.rows }}}}'}}}}]}}]
"""


@pytest.fixture
def files(settings, tmp_path):
    """Where files are kept, for this process and those that it starts; gives those that there are."""
    options = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "files"}}
    settings.STORAGES = {**settings.STORAGES, "automate": options}

    def there():
        return sorted(path for path in (tmp_path / "files").rglob("*") if path.is_file())

    return there


@pytest.fixture
def answering(sink):
    sink.answer = lambda number, path: (200, LARGE if path == "/rows" else {"ok": True}, {})
    return sink


def _age(files, days=2):
    """As if those files had been written some days ago: their folders say when."""
    for path in files():
        name = path.relative_to(path.parents[4])
        day = Path(*name.parts[:1], "2020", "01", "01")
        target = path.parents[4] / day / name.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        old, new = str(name), str(day / name.name)
        StepRun.objects.filter(output_file=old).update(output_file=new)
        StepRun.objects.filter(input_file=old).update(input_file=new)


@pytest.mark.extended
def test_a_large_output_is_a_file_that_later_steps_look_into(
    publish, run, answering, files, owner, colleague, stranger, sign_in, settings, drain
):
    settings.AUTOMATE_EGRESS_ALLOW = (answering.host,)
    publish(STEPS.format(url=answering.url))
    made = run()
    assert made.status == "succeeded", made.error
    assert output(made, "some") == {"id": 41, "n": ROWS + 1} and output(made, "each[2]/one") == {"id": 2}
    assert len(answering.calls[-1][2]) == ROWS + 1, "the whole was handed on"
    kept = {
        (step.path, part) for step in made.steps.all() for part in ("input", "output") if getattr(step, f"{part}_file")
    }
    assert kept == {("fetch", "output"), ("all", "input"), ("all", "output"), ("route/told", "input")}
    assert len(files()) == 4 and all(SECRET not in path.read_text() for path in files())
    fetch = made.steps.get(path="fetch")
    assert len(json.dumps(fetch.output)) < 20_001 and len(fetch.output["body"]) == 20, "a preview"

    # on the page as little as of any value, and the whole by permission
    page = reverse("studio:run_step", args=[made.pk, "fetch"])
    shown = sign_in(owner).get(page).content.decode()
    assert f"{ROWS + 1:,}" in shown and "row 4000" not in shown
    looked = reverse("studio:run_value", args=[made.pk, "fetch"])
    found = sign_in(owner).get(looked, {"part": "output", "attempt": "1", "q": "row 4000 "})
    assert "row" in found.content.decode() and "4000" in found.content.decode()
    address, asked = reverse("studio:run_download", args=[made.pk, "fetch"]), {"part": "output", "attempt": "1"}
    assign_perm("view_workflow", colleague, made.workflow)
    assert [sign_in(each).post(address, asked).status_code for each in (colleague, stranger)] == [404, 404]
    answer = sign_in(owner).post(address, asked)
    assert answer.streaming and answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert json.loads(answer.getvalue())["body"][4_000]["text"].startswith("row 4000 ")
    assert AuditEntry.objects.filter(verb="run.payload_downloaded").count() == 1

    # a retry names the same files; they go with the last of both
    again = control.rerun(made, by=owner, start="some")
    settle(drain)
    assert ExecutionRun.objects.get(pk=again.pk).status == "succeeded" and len(files()) == 5
    _age(files)
    orphan = artifacts.storage().save(f"{artifacts.FOLDER}/2020/01/02/left.json", ContentFile(b"{}"))
    young, _ = artifacts.put(b'"' + b"y" * 10 + b'"')
    settings.AUTOMATE_RETENTION_DAYS = {"succeeded": 1}
    pinning.pin_run(again, by=owner)
    ExecutionRun.objects.update(finished_at="2020-01-01T00:00Z")
    old = {made.pk: "01700000-0000-7000-8000-000000000001", again.pk: "01700000-0000-7000-8000-000000000002"}
    for was, now in old.items():
        ExecutionRun.objects.filter(pk=was).update(id=now)
        StepRun.objects.filter(run=was).update(run=now)
    call_command("automate_prune", "--dry-run")
    call_command("automate_prune")
    assert list(ExecutionRun.objects.values_list("pk", flat=True).distinct()) == [uuid.UUID(old[again.pk])]
    names = set(StepRun.objects.exclude(output_file=None).values_list("output_file", flat=True))
    assert names and all(artifacts.storage().exists(name) for name in names) and not artifacts.storage().exists(orphan)
    assert len(files()) == 5, "four of the run that is kept, one that was written today"
    pinning.unpin_run(ExecutionRun.objects.get(), by=owner)
    call_command("automate_prune")
    assert not ExecutionRun.objects.exists() and len(files()) == 1, young


@pytest.mark.extended
def test_a_worker_that_is_killed_leaves_a_file_and_the_next_goes_on(
    publish, deliver, answering, files, tmp_path, worker_process, settings
):
    publish(STEPS.format(url=answering.url), slug="flow")
    own = {"AUTOMATE_DATA": str(tmp_path), "AUTOMATE_SECRETS_KEYS": ",".join(settings.AUTOMATE_SECRETS_KEYS)}
    deliver()
    variables = {"AUTOMATE_EGRESS_ALLOW": answering.host, **own}
    with worker_process(**variables, AUTOMATE_LEASE_SECONDS="4", AUTOMATE_FAULTS="effect.done(fetch)=kill") as first:
        assert first.wait(60) == -signal.SIGKILL, first.stderr.read()
    assert len(files()) == 1 and not StepRun.objects.exclude(output_file=None).exists()
    with worker_process(**variables):
        wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").exists())
    made = ExecutionRun.objects.get()
    assert states(made)["fetch"] == "succeeded" and output(made, "some")["id"] == 41
    [orphan] = [path for path in files() if not _is_named(path, tmp_path / "files")]
    _age(files)
    call_command("automate_prune")
    assert len(files()) == 4 and not orphan.exists()


def _is_named(path, root):
    name = str(path.relative_to(root))
    return StepRun.objects.filter(output_file=name).exists() or StepRun.objects.filter(input_file=name).exists()


def test_a_storage_that_is_away_or_has_lost_a_file(
    publish, run, answering, files, settings, tmp_path, monkeypatch, owner, drain, sign_in
):
    settings.AUTOMATE_EGRESS_ALLOW = (answering.host,)
    publish(STEPS.format(url=answering.url))
    monkeypatch.setattr(artifacts, "_away_until", 0.0)
    monkeypatch.setattr(type(artifacts.storage()), "save", _full)
    began = time.monotonic()
    made = run()
    assert artifacts._away_until > began
    monkeypatch.undo()
    assert made.status == "succeeded" and not files() and len(output(made, "fetch")["body"]) == ROWS + 1
    monkeypatch.setattr(artifacts, "_away_until", 0.0)
    made = run()
    assert made.status == "succeeded" and len(files()) == 4
    for path in files():
        os.unlink(path)
    monkeypatch.setattr(artifacts, "read_value", artifacts._ValueCache().value)
    again = control.rerun(made, by=owner, start="some")
    settle(drain)
    again.refresh_from_db()
    assert (again.status, again.error["code"]) == ("failed", "document_missing")
    address = reverse("studio:run_download", args=[made.pk, "fetch"])
    assert sign_in(owner).post(address, {"part": "output", "attempt": "1"}).status_code == 410


def _full(*arguments, **named):
    raise OSError(28, "No space left on device")


def test_previews_are_small_whatever_is_in_them():
    for value in (
        "x" * 300_000,
        ["y" * 300] * 10_000,
        {f"{'k' * 200}{number}": list(range(100)) for number in range(5_000)},
        [[[[[[[["z" * 400] * 50] * 50]]]]]],
    ):
        assert len(artifacts.preview(json.dumps(value).encode())) <= 20_000
