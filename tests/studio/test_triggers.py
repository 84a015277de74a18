"""Triggers in the builder's panel over HTTP: what each kind offers, what its form stores, and what comes of it."""

from __future__ import annotations

import json
import re
import subprocess
from html import unescape
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_core.api import emit
from automate_core.definition.document import Definition
from automate_core.models import Event, WebhookEndpoint
from automate_core.webhooks.schemes import config_fields
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_core.webhooks.tally import tally
from automate_governance.models import AuditEntry, StoredSecret
from tests.conftest import SECRET
from tests.support.builder import Builder
from tests.support.matrix import representatives
from tests.support.pages import Page
from tests.support.workflows import WITHOUT_TRIGGERS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(WITHOUT_TRIGGERS, publish=False))


def config(builder, key):
    return builder.workflow.triggers.get(key=key).config


def save(builder, key, **fields):
    return builder.save("~trigger", trigger=key, **fields)


def said(answer, name):
    """What stands at a field of an answer."""
    html = answer.content.decode()
    found = re.search(rf'id="{re.escape(name)}-why"[^>]*>(.*?)</p>', html, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", found[1])).split()) if found else None


def command_of(html):
    return unescape(re.search(r'aria-label="curl command">(.*?)</pre>', html, re.DOTALL)[1])


def test_fresh_triggers_ask_instead_of_complaining(builder):
    for kind in ("webhook", "schedule", "model", "manual", "event", "run", "poll", "service", "form"):
        assert builder.do("add_trigger", kind=kind).status_code == 200
        page = builder.panel("~trigger")
        assert not page.all(role="alert") and not page.all(data_st="failed"), kind
    assert not builder.open("~trigger").all(data_level="error")


# --- webhooks ---------------------------------------------------------------------------------------------------------

GIVEN = {"shopify", "slack", "stripe", "twilio"}  # senders that make the secret themselves


def make(builder, key="webhook", **fields):
    rev = builder.panel("~trigger").ids[f"rev-{key}"]["value"]
    return builder.client.post(builder.url("builder_trigger_endpoint", key), {"rev": rev, **fields})


@pytest.mark.extended
@pytest.mark.parametrize(
    "codes",
    representatives(
        [
            (("github", "stripe", "hmac", "unsigned"),),
            (tuple(code for code, scheme in SCHEMES.items() if scheme.can_sign),),
        ]
    ),
    ids=["some", "all"],
)
def test_every_sender_is_set_up_in_place_and_its_command_delivers(builder, site, settings, codes):
    """As people do it: make it, copy the command, run it in a shell against the running site."""
    settings.AUTOMATE_SITE_URL = site
    builder.do("add_trigger", kind="webhook")
    settings_of = {
        "hmac": {
            "header": "X-Sum",
            "prefix": "v1=",
            "encoding": "base64",
            "algorithm": "sha512",
            "event_field": "about.kind",
            "delivery_field": "about.id",
        },
        "bearer": {"header": "X-Token", "prefix": ""},
        "basic": {"event_header": "X-Kind", "dedupe_seconds": "0"},
    }
    for code in codes:
        chosen = settings_of.get(code, {})
        own = {name: chosen[spec.name] for name, spec in config_fields.scheme_fields(code) if spec.name in chosen}
        save(builder, "webhook", event="it's $new")
        secret = SECRET if code in GIVEN else ""
        answer = make(builder, scheme=code, slug=f"from-{code}", secret_value=secret, **own)
        html = answer.content.decode()
        assert answer.status_code == 200 and config(builder, "webhook")["endpoint"] == f"from-{code}"
        assert f'data-copy="{site}/hooks/from-{code}/"' in html
        if code == "unsigned":
            assert "Unsigned: anyone with the URL" in html and "shown only once" not in html
        command = command_of(html).replace("'put the secret here'", SECRET)
        assert ("put the secret here" in html) == (code in GIVEN) == (SECRET in command), "what is pasted is not shown"
        ran = subprocess.run(["bash", "-c", f"{command} -sS"], capture_output=True, text=True, timeout=300)
        event = Event.objects.filter(source=f"webhook:from-{code}").first()
        assert event is not None, (code, command, ran.stdout, ran.stderr)
        assert event.type in {"it's $new", "message.delivered", ""}, code
    secret = StoredSecret.objects.get(name="hook-from-github").reveal()
    assert len(secret) == 64
    assert secret not in builder.panel("~trigger").text, "it was shown once"
    assert secret not in json.dumps(list(AuditEntry.objects.values_list("canonical", flat=True)))
    assert AuditEntry.objects.filter(verb="webhook.created").count() >= len(codes)


@pytest.mark.extended
def test_what_is_wrong_stands_at_its_field_and_nothing_is_made(builder, endpoint, sign_in, stranger):
    builder.do("add_trigger", kind="webhook")
    page = builder.panel("~trigger")
    assert page.ids["new-webhook-slug"]["value"] == "new-orders", "suggested from the workflow's name"
    wrong = [
        ({"scheme": "github", "slug": "Not a slug"}, "slug", "Lowercase letters"),
        ({"scheme": "github", "slug": "github"}, "slug", "is already in use"),
        ({"scheme": "github", "slug": "short", "secret_value": "abc"}, "secret", "shorter than 16"),
        ({"scheme": "slack", "slug": "chat"}, "secret", "Paste the sender's secret"),
        ({"scheme": "hmac", "slug": "x", "hmac_algorithm": "md5"}, "hmac_algorithm", "valid choice"),
        ({"scheme": "hmac", "slug": "x", "hmac_dedupe_seconds": "soon"}, "hmac_dedupe_seconds", "whole number"),
        ({"scheme": "hmac", "slug": "x", "hmac_header": "\0"}, "hmac_header", "characters"),
        ({"scheme": "nope", "slug": "x"}, "scheme", "valid choice"),
        ({}, "slug", "required"),
    ]
    for fields, field, words in wrong:
        answer = make(builder, **fields)
        assert answer.status_code == 422 and words.lower() in said(answer, f"new-webhook-{field}").lower(), fields
    builder.do("add_trigger", kind="schedule")
    assert make(builder, "schedule", scheme="github", slug="x").status_code == 422
    assert make(builder, rev="9999", scheme="github", slug="x").status_code in {409, 422}
    assert list(WebhookEndpoint.objects.values_list("slug", flat=True)) == ["github"]
    assert StoredSecret.objects.count() == 1, "an endpoint that is not made leaves no secret"
    # a person who may make none is told so, and an address that exists is not theirs to overwrite
    for permission in ("add_webhookendpoint", "change_webhookendpoint"):
        for group in stranger.groups.all():
            group.permissions.remove(Permission.objects.get(codename=permission))
    assign_perm("change_workflow", stranger, builder.workflow)
    assign_perm("view_workflow", stranger, builder.workflow)
    theirs = Builder(sign_in(stranger), builder.workflow)
    assert "You need permission to add webhooks and secrets" in theirs.panel("~trigger").text
    answer = make(theirs, scheme="github", slug="mine")
    assert answer.status_code == 403 and not WebhookEndpoint.objects.filter(slug="mine").exists()


def wait(builder, key, **query):
    return builder.client.get(builder.url("builder_trigger_event", key), query)


def catch(builder, key, mark):
    """As the page does: ask for what came, and show it."""
    event = wait(builder, key, after=mark)["X-Event"]
    return builder.client.post(builder.url("builder_trigger_event", key), {"event": event})


@pytest.mark.extended
def test_the_next_delivery_is_caught_and_shown_as_the_sample(builder, deliver, sign_in, colleague):
    builder.do("add_trigger", kind="webhook")
    deliver({"old": 1}, event="issues")
    save(builder, "webhook", endpoint="github", event="issues")
    rule = json.dumps({"==": [{"var": "event.payload.action"}, "opened"]})
    rev = builder.panel("~trigger").ids["rev-webhook"]["value"]
    builder.client.post(builder.url("builder_condition", "~trigger"), {"rev": rev, "trigger": "webhook", "json": rule})
    mark = wait(builder, "webhook")["X-After"]
    nothing = wait(builder, "webhook", after=mark)
    assert (nothing.status_code, nothing["X-Refused"]) == (204, "")
    deliver({"action": "opened"}, secret="another-secret-of-32-characters!!")
    tally.flush()
    assert wait(builder, "webhook", after=mark, seconds="60")["X-Refused"] == quote(
        "Still waiting. A delivery was rejected. The signature is missing or does not match."
    )
    hostile = "<script>window.hacked=1</script>\u202e"
    deliver({"action": "opened", "issue": {"title": hostile}, "lines": [{"no": 1}, {"no": 2}]}, event="issues")
    deliver({"action": "later"}, event="issues")
    page = Page(answer := catch(builder, "webhook", mark))
    assert "event.payload.issue.title" in page.text and "Would start this workflow" in page.text
    assert "event.payload.lines" in page.text and "The first item, and 1 more" in page.text
    assert "<script>" not in answer.content.decode() and "\u202e" not in page.text
    assert "True" in page.text and "chosen event" in page.text, "the condition is tried on it, not on a later one"
    mark = wait(builder, "webhook")["X-After"]
    deliver({"action": "opened"}, event="push")
    page = Page(catch(builder, "webhook", mark))
    assert (
        "Would not start this workflow" in page.text and "The trigger accepts issues. This event is push." in page.text
    )
    mark = wait(builder, "webhook")["X-After"]
    deliver({"action": "closed"}, event="issues")
    assert "The condition is false for this event" in Page(catch(builder, "webhook", mark)).text
    assert wait(builder, "nope").status_code == 404 and wait(builder, "webhook", after="x").status_code == 204
    for event in ("", "x", "00000000-0000-0000-0000-000000000001"):
        assert builder.client.post(builder.url("builder_trigger_event", "webhook"), {"event": event}).status_code == 404
    # whoever may change the workflow does not by that read what comes in at an endpoint
    for permission in ("change_workflow", "view_workflow", "view_payload_workflow"):
        assign_perm(permission, colleague, builder.workflow)
    assert wait(Builder(sign_in(colleague), builder.workflow), "webhook").status_code == 403


def test_the_types_that_came_are_suggested(builder, deliver):
    deliver({}, event="issues")
    deliver({}, event="push")
    emit("order.paid", {"order": 1})
    builder.do("add_trigger", kind="webhook")
    builder.do("add_trigger", kind="event")
    assert "Event" in builder.panel("~trigger").text
    save(builder, "webhook", endpoint="github")
    save(builder, "event", event="order.paid")
    page = builder.panel("~trigger")
    offered = [attributes["value"] for tag, attributes in page.tags if tag == "option"]
    assert {"issues", "push", "order.paid"} <= set(offered)
    assert "Available event types: go, order.paid" in " ".join(page.text.split())
    mark = wait(builder, "event")["X-After"]
    emit("order.paid", {"order": 2})
    assert "event.payload.order" in Page(catch(builder, "event", mark)).text


# --- schedules --------------------------------------------------------------------------------------------------------

CHOICES = [
    ({"repeats": "every", "number": "20", "unit": "m"}, {"every": "20m"}),
    ({"repeats": "every", "number": "2", "unit": "h"}, {"every": "2h"}),
    ({"repeats": "daily", "time": "02:30"}, {"cron": "30 2 * * *"}),
    ({"repeats": "weekdays", "time": "08:00"}, {"cron": "0 8 * * 1-5"}),
    ({"repeats": "weekly", "time": "17:05", "days": ["0", "3"]}, {"cron": "5 17 * * 3,0"}),
    ({"repeats": "monthly", "time": "00:00", "day": "L"}, {"cron": "0 0 L * *"}),
    ({"repeats": "cron", "cron": "*/5  9-17 * * MON"}, {"cron": "*/5 9-17 * * MON"}),
]


@pytest.mark.extended
def test_a_schedule_by_plain_choices(builder):
    builder.do("add_trigger", kind="schedule")
    for fields, stored in CHOICES:
        answer = save(builder, "schedule", **fields)
        assert answer.status_code == 200 and config(builder, "schedule") == stored, fields
        page = builder.panel("~trigger")
        chosen = [attributes["value"] for tag, attributes in page.tags if tag == "option" and "selected" in attributes]
        assert fields["repeats"] in chosen
        assert answer.content.decode().count("<li>") >= 5, "the next five times come with the answer"
    rev = builder.workflow.triggers.get(key="schedule").rev
    same = {"repeats": "cron", "cron": "*/5 9-17 * * MON", "missed": "once", "timezone": ""}
    assert save(builder, "schedule", **same).status_code == 200
    assert builder.workflow.triggers.get(key="schedule").rev == rev, "a form that says the same is no edit"
    save(builder, "schedule", repeats="daily", time="09:00", timezone="Asia/Tokyo", missed="skip")
    assert config(builder, "schedule") == {"cron": "0 9 * * *", "timezone": "Asia/Tokyo", "missed": "skip"}
    assert "JST" in builder.panel("~trigger").text and "Asia/Tokyo" in builder.panel("~trigger").text


def test_the_clock_is_told_of(builder):
    builder.do("add_trigger", kind="schedule")
    text = Page(save(builder, "schedule", repeats="daily", time="02:30")).text
    assert "02:30 does not exist that day; the run starts at 03:00 instead" in text
    assert "02:30 occurs twice that day; the run starts the first time only" in text
    assert "the times stay the same" in Page(save(builder, "schedule", repeats="daily", time="09:00")).text
    text = Page(save(builder, "schedule", repeats="every", number="6", unit="h")).text
    assert "All later times shift forward" in text and "The interval starts when you publish" in text
    tokyo = {"repeats": "daily", "time": "02:30", "timezone": "Asia/Tokyo"}
    assert "clocks" not in Page(save(builder, "schedule", **tokyo)).text


WRONG_TIMES = [
    ({"repeats": "every", "number": "0", "unit": "m"}, "number"),
    ({"repeats": "every", "number": "x" * 500, "unit": "m"}, "number"),
    ({"repeats": "every", "number": "400", "unit": "d"}, "number"),
    ({"repeats": "every", "number": "4", "unit": "y"}, "number"),
    ({"repeats": "daily", "time": "25:00"}, "time"),
    ({"repeats": "weekly", "time": "10:00", "days": ""}, "days"),
    ({"repeats": "monthly", "time": "10:00", "day": "32"}, "day"),
    ({"repeats": "cron", "cron": " "}, "cron"),
    ({"repeats": "sometimes"}, "repeats"),
]


@pytest.mark.extended
def test_times_that_make_no_sense_are_told_at_their_field(builder):
    builder.do("add_trigger", kind="schedule")
    for fields, field in WRONG_TIMES:
        answer = save(builder, "schedule", **fields)
        assert answer.status_code == 422 and said(answer, f"t-schedule-{field}").startswith("Not saved:"), fields
    assert config(builder, "schedule") == {}
    for fields, field in (
        ({"repeats": "cron", "cron": "61 * * * *"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
    ):
        answer = save(builder, "schedule", **fields)
        assert answer.status_code == 200 and "err" in answer.content.decode() and said(answer, f"t-schedule-{field}")


# --- the others -------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_a_model_is_chosen_among_those_allowed(builder, settings, owner):
    settings.AUTOMATE_MODEL_TRIGGERS = {
        "auth.Group": {"fields": ["id", "name"]},
        "auth.User": {"fields": ["username"], "mode": "database"},
    }
    builder.do("add_trigger", kind="model")
    assert "AUTOMATE_MODEL_TRIGGERS" in builder.panel("~trigger").text, "none that this person may view"
    owner.user_permissions.add(Permission.objects.get(codename="view_group"))
    page = builder.panel("~trigger")
    offered = [attributes["value"] for tag, attributes in page.tags if tag == "option"]
    assert "auth.group" in offered and "auth.user" not in offered
    answer = Page(save(builder, "model", model="auth.group"))
    assert "Django signals" in answer.text and "t-model-fields-name" in answer.ids
    save(builder, "model", on=["", "created", "deleted"], fields=["", "name"], own_changes=["", "on"])
    stored = {"model": "auth.group", "on": ["created", "deleted"], "fields": ["name"], "own_changes": True}
    assert config(builder, "model") == stored
    answer = save(builder, "model", on="")
    assert answer.status_code == 422 and "choose at least one" in said(answer, "t-model-on")
    owner.user_permissions.add(Permission.objects.get(codename="view_user"))
    save(builder, "model", model="auth.user", fields=["", "name"])
    assert config(builder, "model")["fields"] == [], "another model has other fields"
    assert "Database trigger" in builder.panel("~trigger").text
    save(builder, "model", model="auth.permission")
    assert "There is no model auth.permission that owner can view." in builder.panel("~trigger").text


def test_what_is_asked_for_is_a_list_of_fields(builder):
    builder.do("add_trigger", kind="manual")
    columns = {"name": "order", "label": "Order", "kind": "number", "choices": "", "required": "true", "help": ""}
    rows = {f"manual.inputs::{name}": [text] for name, text in columns.items()} | {"manual.inputs::rows": "1"}
    assert save(builder, "manual", **rows).status_code == 200
    order = {"name": "order", "label": "Order", "kind": "number", "required": True}
    assert config(builder, "manual")["inputs"] == [order]
    again = builder.workflow.triggers.get(key="manual").rev
    assert save(builder, "manual", **rows).status_code == 200
    assert builder.workflow.triggers.get(key="manual").rev == again, "a form that says the same is no edit"
    second = {"name": "why", "label": "", "kind": "choice", "choices": "late, broken", "required": "", "help": ""}
    rows = {at: [*texts, second[at.rpartition("::")[2]]] for at, texts in rows.items() if isinstance(texts, list)}
    assert save(builder, "manual", **rows, **{"manual.inputs::rows": "1"}).status_code == 200
    assert config(builder, "manual")["inputs"] == [
        order,
        {"name": "why", "kind": "choice", "choices": ["late", "broken"]},
    ]
    rows["manual.inputs::name"] = ["order", "Not A Name"]
    answer = save(builder, "manual", **rows, **{"manual.inputs::rows": "1"})
    assert answer.status_code == 200 and said(answer, "field-manual-inputs")
    assert config(builder, "manual")["inputs"][1]["name"] == "Not A Name", "kept, and a problem until it is mended"


def test_another_workflow_is_chosen_among_those_one_may_view(builder, workflow, colleague):
    workflow(WITHOUT_TRIGGERS.replace("new-orders", "seen").replace("New orders", "Seen by me"), publish=False)
    hidden = workflows.save_definition(Definition(name="Hidden", slug="hidden", steps=[]), owner=colleague)
    builder.do("add_trigger", kind="run")
    page = builder.panel("~trigger")
    assert "Seen by me" in page.text and hidden.name not in page.text
    assert save(builder, "run", workflow="seen", on="failed").status_code == 200
    assert config(builder, "run") == {"workflow": "seen", "on": "failed"}
    save(builder, "run", workflow="hidden")
    answer = builder.client.get(builder.url("builder_step", "~trigger"))
    assert "whose payloads owner can view" in said(answer, "t-run-workflow")


@pytest.mark.extended
def test_several_triggers_have_ids_of_their_own(builder):
    for kind in ("webhook", "webhook", "schedule", "schedule", "manual", "model", "event", "run"):
        assert builder.do("add_trigger", kind=kind).status_code == 200
    page = builder.panel("~trigger")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes.get("for") for tag, attributes in page.tags if tag == "label" and "for" in attributes]
    assert set(named) <= set(ids)
