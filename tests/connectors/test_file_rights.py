"""Rights to files follow runs and events. A trace id, which a sender chooses, gives none."""

from __future__ import annotations

import re
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_connectors.adapters.base import ConnectorError
from automate_core import api as host_api
from automate_core.artifacts import list_names
from automate_core.files import uploads
from automate_core.files.store import FileAccess, FileOwner, store_file
from automate_core.models import ExecutionRun, StoredFile, Workflow
from automate_core.webhooks import endpoints
from tests.conftest import SECRET
from tests.support.people import make_person
from tests.support.walks import settle

pytestmark = pytest.mark.django_db(transaction=True)

PDF = b"%PDF-1.7 of the board"
#: (a workflow that stores a file and calls another, the one that is called)
CALLER = """
name: Board
slug: board
triggers: [{{endpoint: github}}]
steps:
  - {{key: fetch, action: http.request, inputs: {{url: '{url}/a', answer: file}}}}
  - {{key: call, kind: workflow, workflow: called, payload: {payload}}}
"""
CALLED = """
name: Called
slug: called
triggers: [{kind: manual}]
steps:
  - {key: look, action: data.set, inputs: {got: '{{ event.payload }}'}}
"""
ASKS = """
name: {slug}
slug: {slug}
triggers: [{{endpoint: {endpoint}}}]
steps:
  - {{key: ask, kind: approval, assignees: [owner], timeout: 1d}}
"""


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    options = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "files"}}
    settings.STORAGES = {**settings.STORAGES, "automate": options}


@pytest.fixture
def board(workflow, deliver, drain, server, api, owner):
    """Run the workflow that stores a file and calls another; give its run."""
    server.answer = lambda asked: (200, PDF, {"Content-Type": "application/pdf"})

    def go(payload="{}"):
        if not Workflow.objects.exists():
            workflow(CALLED)
        workflow(CALLER.format(url=server.url, payload=payload))
        assert deliver({}).status_code == 202
        settle(drain)
        run = ExecutionRun.objects.filter(workflow__slug="board").latest("pk")
        assert run.status == "succeeded", run.error
        return run

    return go


def own_workflow(text, author):
    workflows.publish(workflows.save_definition(yaml_files.read_workflow(text), owner=author), author=author)


def files_of(client, run):
    """The names that the API lists, and the statuses of its downloads."""
    found = client.get(f"runs/{run.pk}/files").json()["items"]
    return [each["name"] for each in found], [status(client.get(each["url"])) for each in found]


def status(answer):
    answer.close()
    return answer.status_code


def test_a_trace_id_that_a_sender_chose_opens_nothing(board, deliver, drain, sign_in, api):
    made = board()
    builder = make_person("curious", "Builders")
    scopes = ("workflow:view", "workflow:view_payload")
    endpoints.save_endpoint("mine", scheme="github", config={}, secret=SECRET, actor=builder)
    own_workflow(CALLED.replace("called", "mine").replace("{kind: manual}", "{endpoint: mine}"), builder)
    header = {"traceparent": f"00-{made.trace_id}-bbbbbbbbbbbbbbbb-01"}
    assert deliver({}, path="/hooks/mine/", headers=header).status_code == 202
    settle(drain)
    planted = ExecutionRun.objects.get(workflow__slug="mine")
    assert planted.trace_id == made.trace_id, "for telemetry, the run is in the sender's trace"
    stored = StoredFile.objects.get()
    with CaptureQueriesContext(connection) as queries:
        assert files_of(api(builder, *scopes), planted) == ([], [])
        assert api(builder, *scopes).get(f"runs/{planted.pk}/files/{stored.pk}").status_code == 404
        assert sign_in(builder).get(reverse("studio:file_download", args=[stored.pk])).status_code == 404
        with pytest.raises(ConnectorError, match="may not read it"):
            own = FileOwner(trace_id=planted.trace_id, workflow_id=planted.workflow_id, run_id=planted.pk)
            FileAccess(own, lambda: builder).open(
                {"$file": stored.pk, "name": "a.pdf", "type": "application/pdf", "size": 1}
            )
    decided = [each["sql"] for each in queries if re.search(r'trace_id"? (=|IN|>=)', each["sql"])]
    assert decided == []
    # nor does a file of the planted run appear beside those of the other
    store_file(b"x", name="board-v2.txt", owner=own)
    assert files_of(api(made.workflow.owner, *scopes), made) == (["a"], [200])


def test_who_is_called_sees_what_was_passed(board, api, sign_in):
    made, passing = board(), board("{file: '{{ steps.fetch.output.body }}'}")
    other = make_person("servant", "Builders")
    Workflow.objects.filter(slug="called").update(owner=other)
    client = api(other, "workflow:view", "workflow:view_payload")
    called, got = made.children.get(), passing.children.get()
    assert files_of(client, called) == ([], []) and files_of(client, got) == (["a"], [200])
    links = [reverse("studio:file_download", args=[StoredFile.objects.get(run=each).pk]) for each in (made, passing)]
    assert [status(sign_in(other).get(link)) for link in links] == [404, 200]
    # and the caller what comes back
    value = store_file(PDF, name="answer.pdf", owner=FileOwner(trace_id="1" * 32, run_id=called.pk))
    of_caller, alien = (FileOwner(trace_id="1" * 32, run_id=run_id) for run_id in (made.pk, uuid.uuid4()))
    nobody = make_person("nobody")
    with FileAccess(of_caller, lambda: nobody).open(value) as content:
        assert content.read() == PDF
    with pytest.raises(ConnectorError):
        FileAccess(alien, lambda: nobody).open(value)


def test_an_approval_by_trace_is_that_of_its_first_run(workflow, deliver, drain, owner):
    endpoints.save_endpoint("other", scheme="github", config={}, secret=SECRET, actor=owner)
    workflow(ASKS.format(slug="first", endpoint="github"))
    workflow(ASKS.format(slug="second", endpoint="other"))
    assert deliver({}).status_code == 202
    drain()
    first = ExecutionRun.objects.get(workflow__slug="first")
    header = {"traceparent": f"00-{first.trace_id}-bbbbbbbbbbbbbbbb-01"}
    assert deliver({}, path="/hooks/other/", headers=header).status_code == 202
    drain()
    planted = ExecutionRun.objects.get(workflow__slug="second")
    assert planted.trace_id == first.trace_id
    host_api.decide(first.trace_id, "ask", "approved", by=owner)
    drain()
    statuses = dict(ExecutionRun.objects.values_list("workflow__slug", "status"))
    assert statuses == {"first": "succeeded", "second": "waiting"}


FORM = """
name: Claim
slug: claim
triggers:
  - kind: form
    slug: claim-form
    title: Report
    inputs:
      - {name: mail, kind: email, required: true}
      - {name: photo, kind: file}
steps:
  - {key: note, action: data.set, inputs: {who: '{{ event.payload.mail }}'}}
"""


def test_files_of_refused_answers_have_little_room_and_little_time(workflow, client, settings):
    settings.AUTOMATE_FORM_SECONDS = 0
    settings.AUTOMATE_FORM_FILE_BYTES = 1_000
    workflow(FORM)

    def send(mail, size, token=""):
        token = (
            token or re.search(r'name="token" value="([^"]+)"', client.get("/forms/claim-form/").content.decode())[1]
        )
        photo = SimpleUploadedFile("a.txt", b"x" * size, "text/plain")
        return token, client.post("/forms/claim-form/", {"token": token, "form-mail": mail, "form-photo": photo})

    token, refused = send("no address", 500)
    assert refused.status_code == 422
    for _ in range(3):
        send("no address", 500, token)
    assert StoredFile.objects.count() == len(list(list_names())) == 1, "one file for a field of a page"
    assert send("a@b.example", 400, token)[1].status_code == 303
    [kept] = StoredFile.objects.all()
    assert (kept.page, kept.size, kept.event_id is not None) == (None, 400, True)
    assert send("a@b.example", 400, token)[1].status_code == 303, "the same page once more: known already"
    assert StoredFile.objects.filter(page=None).count() == 1
    for _ in range(uploads.FORM_ANSWERS + 3):
        last = send("no address", 900)[1]
    assert "Too many files of unfinished answers" in last.content.decode()
    waiting = StoredFile.objects.filter(page__isnull=False)
    assert 0 < waiting.count() <= uploads.FORM_ANSWERS + 3
    assert sum(waiting.values_list("size", flat=True)) <= uploads.FORM_ANSWERS * settings.AUTOMATE_FORM_FILE_BYTES
    waiting.update(created_at="2026-01-01T00:00Z")
    assert send("no address", 900)[1].status_code == 422
    assert waiting.count() == 1 and len(list(list_names())) == 2, "an hour is over: there is room again"
    waiting.update(created_at="2026-01-01T00:00Z")
    assert uploads.delete_expired_uploads() == 1 and StoredFile.objects.count() == len(list(list_names())) == 1
