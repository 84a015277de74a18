"""Many events that started nothing are replayed at once: counted, confirmed, each with its own permission, and once."""

from __future__ import annotations

import re

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from guardian.shortcuts import assign_perm, remove_perm

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_core.events import run_rights
from automate_core.models import BulkAction, Event, ExecutionRun
from automate_governance.models import AuditEntry
from automate_operations import bulk
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

REPLAY = reverse("studio:events_replay")
LIST = reverse("admin:automate_core_event_changelist")
FLOW = """
name: Theirs
slug: theirs
triggers: [{endpoint: github}]
steps: [{key: keep, action: data.set, inputs: {seen: '{{ event.payload }}'}}]
"""


@pytest.fixture
def lost(endpoint, colleague, deliver, drain, monkeypatch):
    """A workflow that was published after five deliveries."""
    monkeypatch.setattr(run_rights, "CACHE_SECONDS", 0.0)
    for verb in ("view", "view_payload"):
        assign_perm(f"{verb}_webhookendpoint", colleague, endpoint)
    made = workflows.save_definition(yaml_files.read_workflow(FLOW), owner=colleague)
    for _ in range(5):
        assert deliver().status_code == 202
    drain()
    assert Event.objects.count() == 5 and not ExecutionRun.objects.exists()
    workflows.publish(made, author=colleague)
    return made


def work(drain):
    while bulk.run_next_batch() is not None:
        pass
    drain()


def confirmed(client, **form):
    page = client.post(REPLAY, form)
    assert page.status_code == 200, page.content
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page.content.decode()))
    keys = form.get("id", [])
    return client.post(REPLAY, {**hidden, **({"id": keys} if keys else {})})


def test_all_that_match_are_replayed_once(lost, colleague, sign_in, drain, deliver):
    client = sign_in(colleague)
    page = Page(client.get(LIST, {"show": "nothing"}))
    assert "Replay all that match" in page.text and len(page.all(name="id")) == 5
    assert "Replay all that match" not in Page(client.get(LIST)).text
    dialog = client.post(REPLAY, {"all": "1"})
    assert "Replay 5 events" in dialog.content.decode() and not BulkAction.objects.exists()
    deliver()  # after the count: it is processed as usual, and not replayed
    drain()
    assert ExecutionRun.objects.count() == 1
    progress = confirmed(client, all="1")
    assert "Replaying 0 of 5 events" in " ".join(progress.content.decode().split())
    work(drain)
    action = BulkAction.objects.get()
    assert (action.done, action.refused, action.status) == (5, 0, "done")
    assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"succeeded"}
    assert ExecutionRun.objects.count() == 6
    assert AuditEntry.objects.get(verb="events.bulk_replay").changes == {"events": 5}
    assert AuditEntry.objects.filter(verb="event.replayed").count() == 5
    shown = client.get(reverse("studio:bulk_progress", args=[action.pk]))
    assert "Replayed 5 of 5 events." in " ".join(shown.content.decode().split())
    again = client.post(REPLAY, {"all": "1"})
    assert again.status_code == 422 and "already replayed" in again.content.decode()
    page = Page(client.get(LIST, {"show": "nothing"}))
    marks = {link["href"] for link in page.all(class_="da-status") if "href" in link}
    replays = Event.objects.exclude(replay_of=None).values_list("pk", flat=True)
    assert marks == {reverse("admin:automate_core_event_change", args=[key]) for key in replays} and len(marks) == 5
    assert not page.all(name="id") and "No run" not in page.text, "what was replayed is not offered again"


def test_selected_events_are_replayed_and_refusals_are_named(lost, colleague, sign_in, drain):
    client = sign_in(colleague)
    keys = [str(key) for key in Event.objects.order_by("pk").values_list("pk", flat=True)[:2]]
    confirmed(client, id=keys)
    lost.status = "archived"
    lost.save()
    work(drain)
    action = BulkAction.objects.get()
    assert (action.total, action.done, action.refused) == (2, 0, 2)
    shown = client.get(reverse("studio:bulk_progress", args=[action.pk])).content.decode()
    assert "No workflow matches this event." in shown
    assert reverse("admin:automate_core_event_change", args=[keys[0]]) in shown


def test_the_permissions_are_checked_for_each_event(lost, colleague, owner, stranger, endpoint, sign_in, drain):
    assert sign_in(stranger).post(REPLAY, {"all": "1"}).status_code in {403, 404, 409}
    client = sign_in(colleague)
    confirmed(client, all="1")
    remove_perm("view_payload_webhookendpoint", colleague, endpoint)
    work(drain)
    assert BulkAction.objects.get().refused == 5 and not ExecutionRun.objects.exists()
    refused = client.post(REPLAY, {"all": "1"})
    assert refused.status_code == 422 and "View payloads" in refused.content.decode()


@pytest.mark.parametrize("form", [{}, {"id": "no-key"}, {"all": "1", "upto": "x"}])
def test_bad_input_is_refused(lost, colleague, sign_in, form):
    assert sign_in(colleague).post(REPLAY, form).status_code in {200, 422}


def test_without_a_matching_filter_nothing_happens(lost, colleague, sign_in):
    answer = sign_in(colleague).post(f"{REPLAY}?type=other", {"all": "1"})
    assert answer.status_code == 409 and "No event that started no run matches." in answer.content.decode()


def test_the_api_counts_and_replays(lost, colleague, owner, stranger, endpoint, api, drain):
    client, wanted = api(colleague), {"filters": {"source": "webhook:github"}}
    counted = client.post("events/replay", {**wanted, "dry_run": True})
    assert counted.status_code == 200, counted.content
    assert (counted.json()["found"], counted.json()["applies_to"]) == (5, 5) and not BulkAction.objects.exists()
    made = client.post("events/replay", {**wanted, "upto": counted.json()["newest"]}, key="one")
    assert (made.status_code, made.json()["action"], made.json()["total"]) == (202, "replay", 5)
    assert client.post("events/replay", wanted, key="one").status_code == 422, "another request with the same key"
    remove_perm("view_payload_webhookendpoint", colleague, endpoint)
    work(drain)
    assert len(client.get(made.json()["url"]).json()["refusals"]) == 5 and not ExecutionRun.objects.exists()
    remove_perm("view_webhookendpoint", colleague, endpoint)
    assert client.get(made.json()["url"]).json()["refusals"] == [], "of events that may not be viewed any more"
    assert client.post("events/replay", wanted).status_code == 404
    for verb in ("view", "view_payload"):
        assign_perm(f"{verb}_webhookendpoint", colleague, endpoint)
    chosen = {"events": [str(key) for key in Event.objects.order_by("pk").values_list("pk", flat=True)[:2]]}
    assert client.post("events/replay", chosen).json()["total"] == 2
    work(drain)
    assert ExecutionRun.objects.count() == 2
    assert client.post("events/replay", chosen).status_code == 409, "they were replayed"
    assert api(stranger).post("events/replay", wanted).status_code in {403, 404}
    assert api(colleague, "workflow:view").post("events/replay", wanted).json()["missing_scope"] == "workflow:run"


@pytest.mark.parametrize(
    "body", [{}, {"filters": {"show": "started"}}, {"events": ["x"]}, {"filters": {"since": "1y"}}]
)
def test_the_api_refuses_bad_input(lost, colleague, api, body):
    assert api(colleague).post("events/replay", body).status_code == 422


def test_commands_count_and_replay(lost, colleague, stranger, capsys, drain):
    def run(*arguments, user="colleague"):
        try:
            call_command("automate_events", "replay", *arguments, "--as", user)
        except CommandError as error:
            return error.returncode, str(error)
        return 0, capsys.readouterr().out

    assert run("--source", "webhook:github", "--dry-run") == (0, "5 of 5 events that started no run can be replayed\n")
    assert not AuditEntry.objects.filter(verb="event.replayed").exists()
    assert run()[0] == 2 and run("--source", "webhook:other") == (2, "No event that started no run matches.")
    assert run("--source", "webhook:github", user="stranger")[0] == 2
    assert run("--source", "webhook:github", "--until", "never")[0] == 2
    assert run("--since", "1h")[1].endswith("5 replayed\n")
    drain()
    assert ExecutionRun.objects.filter(status="succeeded").count() == 5
    assert AuditEntry.objects.filter(verb="event.replayed", actor="colleague").count() == 5
    assert "already replayed" in run("--since", "1h")[1]
