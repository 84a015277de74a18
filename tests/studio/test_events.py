"""The event inbox: who sees what, why an event did or did not run, replaying, downloading, refusals, the palette."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm, remove_perm

from automate_authoring import pausing, workflows
from automate_authoring.definitions import yaml_files
from automate_core import database
from automate_core.events.access import EventAccess
from automate_core.models import Event, ExecutionRun, OutboxJob, RefusedDeliveries, Wait
from automate_core.triggers import host_events
from automate_core.webhooks.tally import tally
from automate_governance.models import AuditEntry
from automate_operations.queries import event_search, statement_timeout
from automate_studio.models import ChosenSample
from tests.support.event_pages import INBOX, EventPage, event_address
from tests.support.events import came_to
from tests.support.pages import Page as Nodes

pytestmark = pytest.mark.django_db(transaction=True)

PUSHES = """
name: Release notes
slug: release-notes
triggers:
  - endpoint: github
    event: push
    filter: {and: [{'==': [{var: event.payload.ref}, refs/heads/main]}, {'==': [{var: event.payload.deleted}, false]}]}
steps: [{key: note, action: data.log, inputs: {message: 'Pushed {{ event.payload.ref }}'}}]
"""
OTHER = "{{name: {0}, slug: {1}, triggers: [{2}], steps: [{{key: note, action: data.log, inputs: {{message: x}}}}]}}"
ISSUES = OTHER.format("Triage", "triage", "{endpoint: github, event: issues}")
HOSTILE = '</pre><script>window.hacked=1</script><img src=x onerror="window.hacked=1">\u202e{{ 7*7 }}'


def push(ref="refs/heads/main"):
    return {"ref": ref, "deleted": False, "repository": {"id": 987654321, "full_name": "acme/payments-api"}}


@pytest.fixture
def came(workflow, deliver, drain):
    """Release notes for pushes to main; a push to main, the push of a tag, and a ping."""
    made = workflow(PUSHES)
    for payload, kind in ((push(), "push"), (push("refs/tags/v1.2"), "push"), ({"zen": "Keep it"}, "ping")):
        assert deliver(payload, event=kind).status_code == 202
    drain()
    main, tag, ping = Event.objects.order_by("id")
    return made, main, tag, ping


@pytest.mark.extended
def test_an_event_says_why_it_did_or_did_not_run(came, workflow, deliver, sign_in, owner):
    made, main, tag, ping = came
    workflow(ISSUES)
    workflow(ISSUES.replace("riage", "raft"), publish=False)
    client = sign_in(owner)
    told = EventPage(client.get(event_address(tag.pk)))
    assert told.status == 200 and told.explanations == ["refused", "other type", "unpublished"]
    assert "No match Release notes v1" in told.text and "The condition is false." in told.text
    assert 'Ref is refs/heads/main was "refs/tags/v1.2"' in told.text and "Deleted is false was false" in told.text
    assert "The trigger accepts “issues”. This event is “push”." in told.text
    assert "The workflow was never published" in told.text
    ran = EventPage(client.get(event_address(main.pk)))
    run = ExecutionRun.objects.get()
    assert ran.explanations[0] == "started" and f"Run {str(run.pk)[-8:]}" in ran.text
    assert (
        event_address(main.pk)
        in client.get(reverse("admin:automate_core_executionrun_change", args=[run.pk])).content.decode()
    )
    assert EventPage(client.get(event_address(ping.pk))).explanations[:2] == ["other type", "other type"]

    check = reverse("studio:event_check", args=[made.pk])
    assert check in client.get(reverse("admin:automate_core_workflow_change", args=[made.pk])).content.decode()
    for asked in (str(tag.pk), tag.trace_id, tag.delivery_key):
        assert EventPage(client.get(check, {"event": asked})).explanations == ["refused"], asked
    assert "No event found for 12345678" in EventPage(client.get(check, {"event": "12345678"})).text
    assert str(tag.pk) in client.get(check).content.decode(), "its latest events are offered"


@pytest.mark.extended
def test_what_else_keeps_an_event_from_running(came, workflow, deliver, drain, sign_in, owner):
    made, _, tag, _ = came
    client = sign_in(owner)

    def told(event):
        return EventPage(client.get(event_address(event.pk))).text

    def latest():
        return Event.objects.latest("id")

    workflows.save_definition(_without_filter(made), owner=owner)
    workflows.publish(made, author=owner)
    assert "v2 was published after this event. v1 was live then and does not accept it." in told(tag)
    pausing.pause(made, owner)
    deliver(push("refs/tags/v2"), event="push")
    assert "No worker has processed this event yet" in told(latest()) and "The workflow is paused" in told(latest())
    drain()
    assert "The run waits until the paused workflow is resumed." in told(latest())
    pausing.resume(made, owner)
    drain()
    owner.is_active = False
    owner.save()
    deliver(push("refs/tags/v3"), event="push")
    drain()
    owner.is_active = True
    owner.save()
    assert "did not when it was received" not in told(latest()), "its run waits"

    workflow(OTHER.format("Any", "any", "{endpoint: github}"))
    deliver(push(), event="hello", headers={"X-GitHub-Event": "ping"})
    event = latest()
    event.headers = {host_events.TEST_HEADER: "1"}
    event.save()
    assert "This is a test delivery" in told(event) and "Test deliveries start only triggers that do" in told(event)

    limited = workflow(
        OTHER.format("One", "one", "{endpoint: github, event: one}").replace(
            "steps", "concurrency: {limit: 1, policy: skip}, steps"
        )
    )
    deliver({}, event="one")
    event = latest()
    run = ExecutionRun.objects.create(
        workflow=limited, version=limited.published, event=event, trace_id=event.trace_id, status="cancelled",
        error={"code": "skipped", "message": "Not run: the concurrency limit was reached."},
    )  # fmt: skip
    assert "the concurrency limit was reached" in told(event)
    run.status, run.error = "waiting", None
    run.save()
    Wait.objects.create(run=run, path="", kind="slot", data={"limit": 1})
    assert "The run is queued: the workflow allows 1 run at a time." in told(event)


def _without_filter(workflow):
    from automate_authoring.definitions import yaml_files

    text = "\n".join(line for line in PUSHES.splitlines() if "filter" not in line)
    return yaml_files.read_workflow(text)


def test_what_was_let_go_is_told_as_such(came, sign_in, admin):
    made, _, tag, _ = came
    Event.objects.filter(pk=tag.pk).update(payload=None, headers={}, emptied_at=timezone.now())
    client = sign_in(admin)
    told = EventPage(client.get(event_address(tag.pk)))
    assert told.explanations == ["unknown"] and "The payload was deleted by the retention policy" in told.text
    assert "View payloads" not in told.text and "The delivery key is still known." in told.text
    assert client.post(reverse("studio:event_download", args=[tag.pk])).status_code == 404
    assert client.get(reverse("studio:event_value", args=[tag.pk])).status_code == 404
    replay = client.post(reverse("studio:event_replay", args=[tag.pk]), {"workflow": made.pk}, follow=True)
    assert "was deleted by the retention policy" in EventPage(replay).text and Event.objects.count() == 3


def test_a_change_that_the_workflow_made_itself_is_told_as_such(workflow, sign_in, admin, owner, settings):
    from automate_core.models import ActiveTrigger

    settings.AUTOMATE_MODEL_TRIGGERS = {"auth.Group": {"fields": ["name"]}}
    made = workflow(OTHER.format("Loops", "loops", "{kind: manual}"))
    ActiveTrigger.objects.create(
        workflow=made, version=made.published, key="model", kind="model", source="model:auth.group", event_type="",
        config={"model": "auth.Group", "on": ["updated"], "fields": ["name"]},
    )  # fmt: skip
    change = {"operation": "updated", "changed": ["name"], "pk": 1, "before": {}, "after": {}}
    event = Event.objects.create(
        source="model:auth.group", type="updated", payload=change, trace_id="e" * 32,
        headers={host_events.ORIGIN_HEADER: "loops", host_events.DEPTH_HEADER: "11"},
    )  # fmt: skip
    told = EventPage(sign_in(admin).get(event_address(event.pk))).text
    assert "Its own changes do not start it again" in told and "a likely loop" in told
    Event.objects.filter(pk=event.pk).update(headers={}, payload={**change, "operation": "deleted", "changed": []})
    told = EventPage(sign_in(admin).get(event_address(event.pk))).text
    assert (
        "The trigger starts on: updated. This change: deleted." in told
        and "only if one of these fields changed" in told
    )


# --- who may ----------------------------------------------------------------------------------------------------------


def _everybody(owner, colleague, stranger, admin, django_user_model):
    nobody = django_user_model.objects.create_user("plain", is_staff=True)
    return {"owner": owner, "colleague": colleague, "stranger": stranger, "admin": admin, "plain": nobody}


@pytest.mark.extended
def test_an_event_that_came_while_a_right_was_missing_waits(endpoint, deliver, drain, sign_in, colleague):
    rights = "view_webhookendpoint", "view_payload_webhookendpoint"
    for right in rights:
        assign_perm(right, colleague, endpoint)
    workflows.publish(workflows.save_definition(yaml_files.read_workflow(PUSHES), owner=colleague), author=colleague)
    for right in rights:
        remove_perm(right, colleague, endpoint)
    deliver(push(), event="push")
    drain()
    for right in rights:
        assign_perm(right, colleague, endpoint)
    told = EventPage(sign_in(colleague).get(event_address(Event.objects.get().pk))).text
    assert "The event waits until the run-as user may read it" in told and "Replay the event." not in told


@pytest.mark.extended
def test_five_people_and_what_they_may(
    came, sign_in, owner, colleague, stranger, admin, django_user_model, endpoint, settings
):
    made, main, tag, _ = came
    people = _everybody(owner, colleague, stranger, admin, django_user_model)
    clients = {name: sign_in(person) for name, person in people.items()}
    detail, sample = event_address(tag.pk), reverse("studio:event_sample", args=[tag.pk])
    replay, download = (reverse(f"studio:event_{what}", args=[tag.pk]) for what in ("replay", "download"))
    value = reverse("studio:event_value", args=[tag.pk])
    check, palette = reverse("studio:event_check", args=[made.pk]), reverse("admin:search")

    def answers(name):
        client = clients[name]
        inbox, shown = client.get(INBOX, headers={"HX-Request": "true"}), client.get(detail)
        return {
            "inbox": inbox.status_code if inbox.status_code != 200 else len(EventPage(inbox).events),
            "held": len(EventPage(client.get(INBOX, {"held": "refs/tags"}, headers={"HX-Request": "true"})).events),
            "detail": shown.status_code,
            "payload": "refs/tags/v1.2" in shown.content.decode(),
            "replay": client.post(replay, {"workflow": made.pk}).status_code,
            "download": client.post(download).status_code,
            "value": client.get(value, {"q": "tags"}).status_code,
            "sample": client.post(sample, {"workflow": made.pk}).status_code,
            "check": client.get(check, {"event": tag.trace_id}).status_code,
            "palette": event_address(tag.pk) in client.get(palette, {"s": tag.trace_id}).content.decode(),
        }

    nothing = {
        "detail": 404, "payload": False, "replay": 404, "download": 404, "value": 404, "sample": 404,
        "check": 404, "palette": False,
    }  # fmt: skip
    everything = {
        "inbox": 3, "held": 1, "detail": 200, "payload": True, "replay": 303, "download": 200, "value": 200,
        "sample": 303,
        "check": 200, "palette": True,
    }  # fmt: skip
    assert answers("stranger") == {"inbox": 0, "held": 0, **nothing}
    assert answers("plain") == {"inbox": 404, "held": 0, **nothing}
    assert answers("owner") == everything and answers("admin") == everything
    assert not Event.objects.exclude(replay_of=None).exists(), "no trigger takes it: nothing was replayed"
    assert AuditEntry.objects.filter(verb="event.payload_downloaded").count() == 2

    assert answers("colleague") == {"inbox": 0, "held": 0, **nothing}
    assign_perm("view_workflow", colleague, made)
    assert answers("colleague")["inbox"] == 1, "the push that started a run of a workflow that they know"
    assert clients["colleague"].get(event_address(main.pk)).status_code == 200
    assert clients["colleague"].get(detail).status_code == 404
    assign_perm("view_webhookendpoint", colleague, endpoint)
    seen = answers("colleague")
    assert seen == {
        "inbox": 3, "held": 0, "detail": 200, "payload": False, "replay": 403, "download": 403, "value": 403,
        "sample": 403,
        "check": 200, "palette": True,
    }  # fmt: skip
    hidden = EventPage(clients["colleague"].get(detail))
    assert hidden.explanations == ["unknown"] and "View payloads permission" in hidden.text
    assert "refs/heads/main" not in hidden.text, "nor what the condition asks"
    assign_perm("view_payload_webhookendpoint", colleague, endpoint)
    seen = answers("colleague")
    assert (seen["held"], seen["payload"], seen["download"]) == (1, True, 200)
    assert (
        clients["colleague"].post(reverse("studio:event_replay", args=[main.pk]), {"workflow": made.pk}).status_code
        == 403
    )

    operator = people["stranger"]
    operator.groups.set(Group.objects.filter(name="Operators"))
    assert answers("stranger")["inbox"] == 3, "an operator views all workflows and webhooks"
    settings.AUTOMATE_EVENT_TYPES = {}
    Event.objects.create(source="app", type="order.paid", payload={}, trace_id="a" * 32)
    assert answers("stranger")["inbox"] == 4 and answers("owner")["inbox"] == 3
    settings.AUTOMATE_EVENT_TYPES = {"order.paid": "public"}
    assert answers("owner")["inbox"] == 4 and answers("plain")["inbox"] == 404


@pytest.mark.extended
def test_the_palette_remembers_nothing(came, sign_in, owner, colleague):
    made, main, *_ = came
    run = ExecutionRun.objects.get()
    assign_perm("view_workflow", colleague, made)
    client, search = sign_in(colleague), reverse("admin:search")

    def finds(text):
        return client.get(search, {"s": text}).content.decode()

    for text in (main.trace_id, main.trace_id[:10], str(run.pk), str(run.pk)[-8:]):
        assert reverse("admin:automate_core_executionrun_change", args=[run.pk]) in finds(text), text
    for text in (main.delivery_key, str(main.pk), str(main.pk)[-8:]):
        assert event_address(main.pk) in finds(text), text
    assert "Release notes" in finds("release")
    remove_perm("view_workflow", colleague, made)
    assert "Release notes" not in finds("release") and event_address(main.pk) not in finds(main.trace_id)
    assert not [key for key in getattr(cache, "_cache", {}) if "unfold_search" in key], "nothing is kept"
    assert client.get(search, {"s": "release", "page": "x"}).status_code == 404
    assert client.get(search, {"s": "release", "page": "99"}).status_code == 404
    assert client.get(search, {"s": "\0" + HOSTILE}).status_code == 200
    assert sign_in().get(search, {"s": "release"}).status_code == 302
    assert "github" in sign_in(owner).get(search, {"s": "githu"}).content.decode()


# --- replay, download, sample -----------------------------------------------------------------------------------------


@pytest.mark.extended
def test_a_replay_starts_what_was_chosen_and_points_back(came, workflow, drain, sign_in, owner):
    made, main, *_ = came
    second = workflow(OTHER.format("Second", "second", "{endpoint: github, event: push}"))
    client = sign_in(owner)
    dialog = EventPage(client.get(event_address(main.pk)))
    assert "Workflows to start Release notes v1" in dialog.text and "Second v1" in dialog.text
    replay = reverse("studio:event_replay", args=[main.pk])
    assert "Choose at least one" in EventPage(client.post(replay, follow=True)).text
    assert "does not match this event any more" in EventPage(client.post(replay, {"workflow": [999]}, follow=True)).text
    answer = EventPage(client.post(replay, {"workflow": [made.pk, made.pk, "x"]}, follow=True))
    again = Event.objects.get(replay_of=main.pk)
    assert "Replayed. 1 run started." in answer.text and "Replay of the event from" in answer.text
    assert (again.payload, again.trace_id, again.delivery_key) == (main.payload, main.trace_id, None)
    drain()
    [first, run] = ExecutionRun.objects.filter(workflow=made).order_by("id")
    assert (run.event, run.status, run.retried_from, run.cause) == (again, "succeeded", first, "trigger")
    assert not second.runs.exists(), "matched against nothing else"
    assert str(again.pk) in client.get(event_address(main.pk)).content.decode(), "the first one knows its replay"
    entry = AuditEntry.objects.get(verb="event.replayed")
    assert entry.changes == {"event": str(again.pk), "workflows": ["release-notes"]}
    assert "would start nothing" in EventPage(client.get(event_address(Event.objects.get(type="ping").pk))).text

    pausing.pause(made, owner)
    client.post(replay, {"workflow": made.pk})
    waiting = made.runs.latest("id")
    assert waiting.status == "waiting" and waiting.waits.get().kind == "paused"
    call = Event.objects.create(source="call:second", payload={}, trace_id="b" * 32)
    refused = EventPage(
        client.post(reverse("studio:event_replay", args=[call.pk]), {"workflow": second.pk}, follow=True)
    )
    assert "Re-run the run that made the call instead" in refused.text


def test_a_download_is_a_file_that_runs_nothing(came, sign_in, owner):
    event = came[2]
    url = reverse("studio:event_download", args=[event.pk])
    client = sign_in(owner)
    assert client.get(url).status_code == 405
    answer = client.post(url)
    assert answer["Content-Disposition"].startswith("attachment;") and answer["X-Content-Type-Options"] == "nosniff"
    assert json.loads(answer.content) == event.payload


@pytest.mark.extended
def test_a_payload_is_a_tree_that_is_bounded_searched_and_copied(sign_in, owner, endpoint):
    payload = {"items": [{"no": number, "text": HOSTILE} for number in range(5_000)], "last": "found at the end"}
    event = came_to("github", payload=payload, trace_id="d" * 32)
    client, url = sign_in(owner), reverse("studio:event_value", args=[event.pk])
    page = client.get(event_address(event.pk))
    shown = Nodes(page)
    assert len(page.content) < 150_000 and shown.all(role="tree", data_root="event.payload")
    assert shown.all(action=reverse("studio:event_download", args=[event.pk])) and "<img" not in page.content.decode()
    [more] = [found for found in shown.all(role="treeitem") if "data-start" in found]
    further = client.get(url, {"at": '["items"]', "start": more["data-start"]})
    assert further.status_code == 200 and further.content.count(b"data-start") == 1
    assert "found at the" in Nodes(client.get(url, {"q": "AT THE END"})).text.replace("\n", "")
    copied = client.get(url, {"at": '["items", 4999, "no"]', "copy": "1"})
    assert copied.content == b"4999" and copied["Content-Type"].startswith("text/plain")
    for at in ('["nope"]', "x", '["items", 5000]'):
        assert client.get(url, {"at": at}).status_code == 404


def test_an_event_becomes_the_sample_of_its_builder(came, sign_in, owner):
    made, _, tag, ping = came
    client = sign_in(owner)
    answer = client.post(reverse("studio:event_sample", args=[tag.pk]), {"workflow": made.pk})
    assert answer.url == reverse("studio:builder", args=[made.pk])
    assert ChosenSample.objects.get(person=owner).event == tag.pk
    answer = client.post(reverse("studio:event_sample", args=[ping.pk]), {"workflow": made.pk}, follow=True)
    assert "This sample was deleted" in EventPage(answer).text
    assert client.post(reverse("studio:event_sample", args=[ping.pk]), {"workflow": "x"}).status_code == 404


# --- the list ---------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_filters_search_and_pages(came, sign_in, owner, monkeypatch, settings):
    _, main, tag, ping = came
    client = sign_in(owner)

    def found(**asked):
        answer = client.get(INBOX, asked, headers={"HX-Request": "true"})
        assert answer.status_code == 200, asked
        return EventPage(answer).events

    keys = [str(event.pk) for event in (ping, tag, main)]
    assert found() == keys
    assert found(type="push") == keys[1:] and found(source="webhook:github") == keys and found(source="app") == []
    assert found(show="started") == keys[2:] and found(show="nothing") == keys[:2]
    assert found(q=tag.trace_id) == found(q=tag.trace_id[:9]) == found(q=tag.delivery_key) == [keys[1]]
    assert found(q=str(tag.pk), type="ping") == []
    assert found(held="v1.2") == found(held='{"repository": {"id": 987654321}, "ref": "refs/tags/v1.2"}') == [keys[1]]
    assert found(held="%") == [] and found(held='"') == [], "what a pattern would mean means nothing"
    past = timezone.now() - dt.timedelta(days=2)
    key = uuid.UUID(int=int(past.timestamp() * 1000) << 80)  # a key begins with its time
    came_to("github", id=key, payload={}, trace_id="c" * 32, received_at=past)
    assert found(since="24h") == keys and found(until=(past + dt.timedelta(days=1)).isoformat()[:16]) == [str(key)]
    assert found(since="7d") == [*keys, str(key)]
    Event.objects.get(pk=key).delete()
    assert found(show="<b>", since="x", after="x", before="\0") == keys, "nonsense is left out"
    for bad in ({"until": "yesterday"}, {"until": "9999-12-31T23:59"}, {"held": '{"a": "\\u0000"}'}):
        assert client.get(INBOX, bad).status_code == 422, bad
    fragment = client.get(INBOX, headers={"HX-Request": "true"}).content.decode()
    assert fragment.lstrip().startswith("<section") and 'hx-trigger="every 5s"' in fragment

    monkeypatch.setattr(event_search, "ON_A_PAGE", 2)
    first = EventPage(client.get(INBOX))
    assert first.events == keys[:2] and not first.links("prev")
    second = EventPage(client.get(INBOX + first.links("next")[0]))
    assert second.events == keys[2:] and not second.links("next")
    assert EventPage(client.get(INBOX + second.links("prev")[0])).events == keys[:2]

    monkeypatch.setattr(event_search, "SLICES", (1, 1))
    looked = EventPage(client.get(INBOX, {"type": "push"}))
    assert looked.events == [keys[1]] and "Searched 2 events, back to" in looked.text
    further = next(
        a["href"] for _, a in looked.tags if "after=" in a.get("href", "") and a.get("class") == "da-btn tiny"
    )
    assert EventPage(client.get(INBOX + further)).events == [keys[2]]
    monkeypatch.setattr(statement_timeout, "SECONDS", 0.3)
    asleep = RawSQL("SELECT id FROM automate_core_event, pg_sleep(5)", [])
    monkeypatch.setattr(event_search, "_payload_contains", lambda text: Q(pk__in=asleep))
    slow = EventPage(client.get(INBOX, {"held": "x"}))
    assert "stopped after three seconds" in slow.text and not slow.events
    monkeypatch.setattr(EventAccess, "newest", lambda *_, **__: database.run(None, "SELECT pg_sleep(5)", {}))
    slow = EventPage(client.get(INBOX))
    assert "stopped after three seconds" in slow.text and not slow.events
    monkeypatch.undo()
    assert found(q=tag.trace_id) == [keys[1]], "the connection is well"


@pytest.mark.extended
def test_the_pages_ask_as_much_for_many_as_for_one(came, workflow, sign_in, owner):
    made, main, *_ = came
    client = sign_in(owner)

    def queries(url):
        client.get(url)  # versions are read once a process
        with CaptureQueriesContext(connection) as seen:
            assert client.get(url).status_code == 200
        return [each["sql"] for each in seen]

    few = queries(INBOX)
    assert not [sql for sql in few if 'automate_core_event"."payload"' in sql or "COUNT(" in sql]
    told = queries(event_address(main.pk))
    for number in range(6):
        workflow(OTHER.format(f"Copy {number}", f"copy-{number}", "{endpoint: github, event: push}"))
    for _ in range(30):
        event = came_to("github", type="push", payload={}, trace_id=uuid.uuid4().hex)
        ExecutionRun.objects.create(workflow=made, version=made.published, event=event, trace_id=event.trace_id)
        OutboxJob.objects.create(kind="dispatch", event=event)
    assert len(queries(INBOX)) <= len(few) <= 26
    assert len(queries(event_address(main.pk))) <= len(told) + 2 <= 40, "two of versions published since"


@pytest.mark.extended
def test_payloads_are_inert_text(workflow, deliver, drain, sign_in, owner):
    workflow(PUSHES)
    deliver({"ref": HOSTILE, "deleted": HOSTILE}, event="push", headers={"User-Agent": "<i>agent</i>"})
    deliver({"a": HOSTILE}, event="<i>x</i>", delivery="<i>key</i>")
    drain()
    client = sign_in(owner)
    first, second = Event.objects.order_by("id")
    for url in (
        INBOX,
        event_address(first.pk),
        event_address(second.pk),
        f"{INBOX}?held={HOSTILE}&q={HOSTILE}&type={HOSTILE}",
    ):
        html = client.get(url).content.decode()
        assert "<script>window" not in html and "<i>x" not in html and "<i>agent" not in html and "<i>key" not in html
        assert "<img src=x" not in html
    assert "\u202e" not in client.get(event_address(first.pk)).content.decode()


def test_refusals_are_counted_by_endpoint_reason_and_day(deliver, sign_in, owner, stranger, admin, endpoint):
    for _ in range(3):
        assert deliver(secret="y" * 32).status_code == 401
    assert deliver(b"{").status_code == 400
    assert deliver(path="/hooks/nowhere/").status_code == 401
    tally.flush()
    RefusedDeliveries.objects.create(
        endpoint=endpoint,
        reason="signature",
        day=timezone.now().date() - dt.timedelta(days=1),
        count=7,
        last_at=timezone.now(),
    )
    url = reverse("studio:event_rejected")
    shown = EventPage(sign_in(owner).get(url))
    assert "11 deliveries rejected" in shown.text and "Compare the sender" in shown.text and "secret" in shown.text
    assert "Send valid JSON" in shown.text and "No endpoint has this URL" not in shown.text
    days = next(a["aria-label"] for _, a in shown.tags if a.get("class") == "da-bars")
    assert days.endswith(": 3") and ": 7, " in days
    assert "No endpoint has this URL" in EventPage(sign_in(admin).get(url)).text
    assert "No rejected deliveries" in EventPage(sign_in(stranger).get(url)).text
