"""Errors of steps and runs: stored in English, with what they are translated from, and shown in a person's language."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import translation

from automate_authoring.test_runs import start
from automate_authoring.test_runs.start import Request
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.registry import connectors
from automate_core.models import Event, ExecutionRun
from automate_governance.redaction.redactor import learn
from automate_operations.statistics.rollup import count_ended_runs
from automate_plugins import ntext, text
from tests.support.pages import Page, tidy

pytestmark = pytest.mark.django_db(transaction=True)

ENGLISH = "Server files.example answered 500 after 2 attempts."
SHOWN = "Der Server files.example antwortete nach 2 Versuchen mit 500."

WORKFLOW = """
name: Calls
slug: calls
triggers: [{endpoint: github}]
steps: [{key: call, name: Call, action: http.request, inputs: {url: 'https://files.example/'}}]
"""


@pytest.fixture
def failing(monkeypatch):
    """Have the HTTP connector fail with that error."""

    def fail_with(message, **more):
        def execute(self, action, params, context):
            raise ConnectorError(message() if callable(message) else message, code="http_500", **more)

        monkeypatch.setattr(type(connectors.get("http")), "execute", execute)

    return fail_with


@pytest.fixture
def german(monkeypatch):
    """A catalogue with the texts of this file."""
    catalogue = {
        "Server %(host)s answered %(status)s %(tries)s.": "Der Server %(host)s antwortete %(tries)s mit %(status)s.",
        "after %(count)s attempts": "nach %(count)s Versuchen",
        "Stop": "Halt",
    }
    monkeypatch.setattr("automate_governance.texts.gettext", lambda message: catalogue.get(message, message))
    monkeypatch.setattr(
        "automate_governance.texts.ngettext",
        lambda one, many, count: catalogue.get(one if count == 1 else many, one if count == 1 else many),
    )


def _answered(host="files.example"):
    tries = ntext("after %(count)s attempt", "after %(count)s attempts", 2)
    return text("Server %(host)s answered %(status)s %(tries)s.", host=host, status=500, tries=tries)


def _run(workflow, deliver, drain, document=WORKFLOW):
    workflow(document)
    deliver()
    drain()
    return ExecutionRun.objects.get()


def test_a_text_is_recorded_in_english_whatever_the_language_of_the_worker(failing, workflow, deliver, drain):
    failing(_answered)
    with translation.override("de"):
        run = _run(workflow, deliver, drain)
    assert run.error["message"] == ENGLISH == run.steps.get().error["message"]
    assert run.error["text"]["values"]["host"] == "files.example"


@pytest.mark.extended
def test_every_place_that_shows_a_failure_shows_it_translated(
    failing, german, workflow, deliver, drain, sign_in, owner
):
    failing(_answered)
    run = _run(workflow, deliver, drain)
    count_ended_runs()
    client = sign_in(owner)
    pages = {
        "run page": reverse("admin:automate_core_executionrun_change", args=[run.pk]),
        "inspector": reverse("studio:run_step", args=[run.pk, "call"]),
        "run list": reverse("admin:automate_core_executionrun_changelist"),
        "failure groups": reverse("admin:index"),
    }
    shown = {name: tidy(Page(client.get(url)).text) for name, url in pages.items()}
    assert [name for name, page in shown.items() if SHOWN not in page] == []
    assert [name for name, page in shown.items() if ENGLISH in page] == []


def test_a_secret_is_in_neither_the_message_nor_what_it_is_translated_from(failing, workflow, deliver, drain):
    def refused():
        learn("s3cret-of-a-connection")  # as a used connection does
        return _answered("s3cret-of-a-connection")

    failing(refused)
    run = _run(workflow, deliver, drain)
    assert run.error["message"] == "Server *** answered 500 after 2 attempts."
    assert run.error["text"]["values"]["host"] == "***"


def test_a_message_that_is_redacted_as_a_whole_is_kept_in_english_alone(failing, workflow, deliver, drain):
    failing(lambda: text("Sent Authorization: Bearer %(end)s", end="abcdefghijklmnop0123456789"))
    run = _run(workflow, deliver, drain)
    assert "abcdefghijklmnop" not in str(run.error)
    assert "text" not in run.error


def test_expressions_see_an_error_without_its_text(failing, workflow, deliver, drain):
    failing(_answered)
    document = """
name: Catches
slug: catches
triggers: [{endpoint: github}]
steps:
  - kind: try
    key: all
    steps: [{key: call, action: http.request, inputs: {url: 'https://files.example/'}}]
    on_error: [{key: kept, action: data.set, inputs: {it: '{{ error }}'}}]
"""
    run = _run(workflow, deliver, drain, document)
    assert run.steps.get(path="all/kept").output["it"].keys() == {"code", "message", "retryable", "step"}
    assert "text" not in run.steps.get(path="all").output["error"]


def test_the_event_of_a_failed_run_carries_its_error_without_its_text(failing, workflow, deliver, drain):
    failing(_answered)
    workflow(WORKFLOW)
    workflow("""
name: After
slug: after
triggers: [{kind: run, workflow: calls, "on": failed}]
steps: [{key: note, action: data.set, inputs: {a: 1}}]
""")
    deliver()
    drain()
    error = Event.objects.get(source="run:calls").payload["error"]
    assert error["message"] == ENGLISH and "text" not in error


def test_a_message_that_a_person_wrote_is_not_translated(german, workflow, deliver, drain, sign_in, owner):
    document = "{name: Ends, slug: ends, triggers: [{endpoint: github}], steps: [{kind: stop, key: end, outcome: failed, message: Stop}]}"
    run = _run(workflow, deliver, drain, document)
    page = Page(sign_in(owner).get(reverse("admin:automate_core_executionrun_change", args=[run.pk])))
    assert run.error["message"] == "Stop" and "Halt" not in page.text


def test_what_a_dry_run_would_do_is_stored_and_shown_translated(german, monkeypatch, workflow, drain, sign_in, owner):
    def describe(self, action, params, context):
        return {"summary": text("Server %(host)s answered %(status)s %(tries)s.", host="h", status=1, tries="x")}

    monkeypatch.setattr(type(connectors.get("http")), "describe", describe)
    made = workflow(WORKFLOW)
    run = start.start_test(made, Request(mode="dry", scope="whole", payload={}), by=owner)
    drain()
    [effect] = run.effects.get().effects
    assert effect["summary"] == "Server h answered 1 x."
    page = Page(sign_in(owner).get(reverse("studio:builder_test", args=[made.pk]), {"key": "call", "run": run.pk}))
    assert "Der Server h antwortete x mit 1." in tidy(page.text)
