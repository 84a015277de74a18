"""Erasure of a person's data: what is found, what is emptied, and what stays."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.urls import reverse

from automate_core.files.store import FileOwner, store_file
from automate_core.models import (
    Erasure,
    ErasureItem,
    Event,
    ExecutionRun,
    FailureGroup,
    Notification,
    OutboxJob,
    RunCount,
    RunLog,
    SearchTerm,
    StepRun,
    StepSample,
    StoredFile,
    Wait,
    Workflow,
)
from automate_core.runs import control
from automate_core.runs.waits import approvals
from automate_governance import audit
from automate_governance.models import AuditEntry, SitePermission
from automate_operations.erasure import erasing
from automate_operations.erasure.sources import all_kinds, all_sources
from automate_operations.erasure.texts import InvalidTextsError, parse_texts
from automate_operations.retention import pinning
from automate_operations.retention.pruning import Pace
from automate_operations.runs.replay import replay_refusal
from automate_operations.runs.start_cancellation import cancel_run_or_start
from automate_operations.statistics import rollup
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

ADA = "ada@example.com"
ORDERS = """
name: Orders
slug: orders
retention: {failed: 0}
subject: '{{ event.payload.customer }}'
search_terms: {customer: event.payload.customer}
triggers: [{endpoint: github}]
steps:
  - {key: keep, action: data.set, inputs: {mail: '{{ event.payload.customer }}', text: '{{ event.payload.text }}'}}
  - {key: note, action: data.log, inputs: {message: 'Order of {{ event.payload.customer }}'}}
  - kind: branch
    key: route
    arms: [{key: bad, when: {'==': [{var: event.payload.bad}, true]}, steps: [
      {kind: stop, key: refuse, outcome: failed, message: 'No more for {{ event.payload.customer }}'}]}]
"""
ASKS = """
name: Asks
slug: asks
triggers: [{endpoint: github}]
steps:
  - kind: approval
    key: ok
    assignees: [owner]
    timeout: 1d
    message: 'Refund {{ event.payload.customer }}?'
    form: [{name: why, kind: text}]
    outcomes: [{key: agreed, name: Agree}]
"""

#: Columns of text that are not searched, and why they can hold no data of a customer or a sender.
NOT_SEARCHED = {
    "automate_api.apitoken": "digest old_digest prefix scopes workflows client_id",
    "automate_api.idempotentanswer": "fingerprint content_type",
    "automate_connectors.connection": "connector runs_on health",
    "automate_connectors.connectioncall": "path workflow",
    "automate_connectors.declaredconnector": "code",
    "automate_connectors.oauthtoken": "terms missing_scopes",
    "automate_connectors.openapidocument": "digest title",
    "automate_connectors.signinattempt": "state session terms",
    "automate_core.activetrigger": "key kind source event_type filter config",  # a copy of the published version
    "automate_core.bulkaction": "verb options limits status",
    "automate_core.bulkitem": "refusal refusal_text",
    "automate_core.capturedchange": "model operation before after origin",  # an event within seconds
    "automate_core.draftcommand": "kind status tab",
    "automate_core.erasure": "requester texts digest reason status after counts",
    "automate_core.erasureitem": "kind key state",
    "automate_core.event": "source trace_id",
    "automate_core.executionrun": "cause origin status trace_id parent_path worker inherited_keys",
    "automate_core.failuregroup": "fingerprint path code",
    "automate_core.foreseeneffect": "path",
    "automate_core.handedoutstep": "path pool version performer",
    "automate_core.hostedform": "key slug",
    "automate_core.inboundaddress": "key local_part refused",
    "automate_core.notification": "kind channel status",
    "automate_core.notificationrule": "kind channel connection secret timezone",
    "automate_core.occurrence": "key",
    "automate_core.outboxjob": "kind status worker",
    "automate_core.pollstate": "key poll connection inputs digest seen error_code",  # its inputs are the version's
    "automate_core.poolconsumer": "name pool version",
    "automate_core.pruning": "workflow by after counts",
    "automate_core.refuseddeliveries": "reason",
    "automate_core.runcount": "span",
    "automate_core.runlog": "path level",
    "automate_core.runreply": "path",
    "automate_core.runtime": "span measure",
    "automate_core.schedule": "key times",
    "automate_core.searchterm": "name",
    "automate_core.servicewebhook": "*",  # of the service, not of its events
    "automate_core.step": "kind action connection",
    "automate_core.steprun": "path status input_file output_file idempotency_key",
    "automate_core.stepsample": "key kind",
    "automate_core.storedfile": "trace_id content_type file reference page",
    "automate_core.trigger": "kind",
    "automate_core.traceexport": "*",
    "automate_core.wait": "path kind status",
    "automate_core.webhookendpoint": "scheme secret old_secret",
    "automate_core.workerstate": "name",
    "automate_core.workflow": "status timezone retention runs_on",
    "automate_core.heldevent": "source",
    "automate_governance.auditentry": "verb object_type object_id trace_id source salts erased canonical",
    "automate_governance.auditlink": "previous hash",
    "automate_governance.auditverification": "hash anchor faults",  # words of our own, with ids
    "automate_governance.preferences": "language time_zone",
    "automate_governance.signincount": "account address",  # a digest, and only for minutes
    "automate_governance.storedsecret": "name key_id",
    "automate_llm.llmbudget": "workflow period refusal",
    "automate_llm.llmusage": "workflow path provider model status",
    "automate_studio.presence": "step",
}


def test_every_column_of_text_is_searched_or_named_as_left_out():
    searched = {}
    for source in all_sources():
        searched.setdefault(source.model._meta.label_lower, set()).update(source.columns)
    forgotten = []
    for model in apps.get_models():
        label = model._meta.label_lower
        if not model._meta.app_label.startswith("automate_") or not model._meta.managed:
            continue
        left_out = set(NOT_SEARCHED.get(label, "").split())
        for field in model._meta.local_concrete_fields:
            is_text = isinstance(field, models.CharField | models.TextField | models.JSONField)
            if is_text and field.name not in searched.get(label, ()) and not left_out & {field.name, "*"}:
                forgotten.append(f"{label}.{field.name}")
    assert forgotten == []


def everything():
    """The text of every row of every table, by table."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True, include_views=False):
            cursor.execute(f'SELECT "{table}"::text FROM "{table}"')
            found[table] = "\n".join(row for (row,) in cursor.fetchall())
    return found


def tables_with(text):
    return sorted(table for table, rows in everything().items() if text.casefold() in rows.casefold())


def statistics():
    rollup.count_ended_runs()
    return (
        list(RunCount.objects.order_by("pk").values()),
        Counter(ExecutionRun.objects.values_list("workflow", "status", "cause")),
        list(ExecutionRun.objects.order_by("pk").values_list("pk", "created_at", "finished_at", "trace_id")),
        list(StepRun.objects.order_by("pk").values_list("pk", "path", "status", "started_at", "finished_at")),
        Event.objects.count(),
        list(FailureGroup.objects.values_list("pk", "code", "path")),
    )


def erase(*texts, **options):
    call_command("automate_erase", *texts, yes=True, reason="Request 12", **options)


@pytest.fixture
def orders(workflow, deliver, drain):
    flow = workflow(ORDERS)
    deliver({"customer": ADA, "text": f"Hello,\n{ADA} here"}, delivery=f"order-{ADA}")
    deliver({"customer": ADA.upper(), "text": "x", "bad": True})
    deliver({"customer": "bob@example.com", "text": f"not{ADA}", "link": "https://x.example/?to=ada%40example.com"})
    deliver({"customer": "carol@example.com", "text": f"prefix{ADA} {ADA}x"})
    drain()
    return flow


def test_nothing_is_left_of_the_person_and_everything_of_others(orders, owner, notify):
    bobs = Event.objects.get(subject__startswith="bob")
    failed = orders.runs.get(status="failed")
    pinning.pin_run(failed, by=owner)
    notify()
    before = statistics()
    assert {"automate_core_event", "automate_core_steprun", "automate_core_runlog"} <= set(tables_with(ADA))
    erase(ADA)
    # what holds it still does so as a part of another word
    assert set(tables_with(f'"{ADA}"')) | set(tables_with(f" {ADA} ")) == set()
    assert statistics() == before
    failed.refresh_from_db()
    assert failed.erasure and failed.error["code"] and failed.error["message"] == "The message was erased."
    assert not failed.event.payload and failed.event.emptied_at and failed.event.erasure == failed.erasure
    assert not SearchTerm.objects.filter(value__icontains="ada@").exists()
    bobs.refresh_from_db()
    assert bobs.emptied_at and not Event.objects.filter(subject__startswith="bob").exists(), "his link names her"
    assert Event.objects.get(emptied_at=None).payload["customer"] == "carol@example.com"
    done = Erasure.objects.get()
    assert (done.status, done.texts, done.reason) == ("done", [], "Request 12")
    assert done.counts["events"] == 3 and done.counts["runs"] == 3
    assert list(audit.verify()) == []


def test_an_erasure_is_in_the_trail_without_the_text(orders):
    erase(ADA)
    entries = AuditEntry.objects.filter(verb__startswith="erasure.").order_by("id")
    assert [entry.verb for entry in entries] == ["erasure.searched", "erasure.started", "erasure.performed"]
    assert entries[2].changes["reason"] == "Request 12" and entries[2].changes["erased"]["events"] == 3
    assert all("example.com" not in f"{entry.canonical} {entry.changes}" for entry in entries)


def test_a_dry_run_is_the_default_and_changes_nothing(orders, capsys):
    before = {name: rows for name, rows in everything().items() if name not in {"automate_core_erasure"}}
    call_command("automate_erase", ADA)
    said = capsys.readouterr().out
    assert "3 events with their runs" in said and "Nothing was changed." in said
    assert "Would erase 3 events, 3 runs" in said
    after = everything()
    changed = {name for name, rows in before.items() if rows != after[name]}
    assert changed <= {"automate_governance_auditentry", "automate_governance_auditlink"}
    assert Erasure.objects.get().texts == [] and not ErasureItem.objects.exists()


def test_backups_are_listed_with_what_becomes_of_them(orders, admin, api, sign_in, capsys):
    """By the command, on the page and in the API, each archive once; a search looks into none of them."""
    for verb, name in [("started", "monday"), ("finished", "monday"), ("finished", "tuesday")]:
        audit.record(None, f"site.backup_{verb}", SitePermission(pk=1), changes={"file": f"{name}.automate"})
    call_command("automate_erase", ADA)
    said = capsys.readouterr().out
    assert "2 backups that were made before (not erased): They may hold the data" in said
    assert "  tuesday.automate\n  monday.automate\n" in said
    kind = api(admin, "site:erase").get(f"erasures/{Erasure.objects.get().pk}").json()["found"][-1]
    assert (kind["kind"], kind["state"], kind["count"]) == ("backups", "kept", 2)
    assert kind["keys"] == ["tuesday.automate", "monday.automate"] and "repeat the erasure" in kind["action"]
    page = Page(sign_in(admin).get(reverse("studio:erasure", args=[Erasure.objects.get().pk])))
    assert "2 backups that were made before" in page.text and "monday.automate" in page.text


@pytest.mark.parametrize(
    ("texts", "options", "said"),
    [
        ([], {}, "at least one text"),
        (["ab"], {}, "3 to 200"),
        (["..."], {}, "letters or digits"),
        ([ADA], {"yes": True}, "Enter a reason"),
        ([ADA], {"yes": True, "reason": f"Asked by {ADA.upper()}"}, "out of the reason"),
        ([ADA], {"yes": True, "dry_run": True, "reason": "x"}, "Choose one"),
        ([ADA], {"resume": True}, "takes no texts"),
        ([str(n) * 3 for n in range(21)], {}, "at most 20"),
    ],
)
def test_bad_input_is_refused(texts, options, said):
    with pytest.raises(CommandError, match=said) as refused:
        call_command("automate_erase", *texts, **options)
    assert refused.value.returncode == 2 and not Erasure.objects.exists()


@pytest.mark.parametrize(
    ("text", "stored", "is_found"),
    [
        (ADA, ADA, True),
        (ADA, f"x\n{ADA}\t", True),
        (ADA, f"<{ADA}>", True),
        (ADA, f"not{ADA}", False),
        (ADA, f"{ADA}x", False),
        ("Ann", "Anne, Hannah", False),
        ("Ann", "Dear ANN,", True),
        ("1001", "order-1001", True),
        ("1001", "21001 10010", False),
        ("Jörg Müller", "JÖRG  MÜLLER", True),
        ("Jörg", "Jo\u0308rg", True),
        ('the "boss"', 'she is the "boss" here', True),
        ("a+b@c.de", "?to=a%2Bb%40c.de", True),
        ("+49 30 1", "Tel. +49 30 1", True),
        ("C:\\ada", "path C:\\ada", True),
        ("50% off", "50x off", False),
    ],
)
def test_texts_are_found_as_words_in_every_spelling(text, stored, is_found):
    texts = parse_texts([text])
    Event.objects.create(source="app:go", payload={"deep": [{"text": stored}]}, trace_id="0" * 32)
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload::text ~ %s FROM automate_core_event", [texts.pattern])
        assert cursor.fetchone()[0] is is_found
    assert texts.are_in(json.dumps({"text": stored}, ensure_ascii=False)) is is_found


def test_texts_are_checked():
    with pytest.raises(InvalidTextsError):
        parse_texts(["a\x00bc"])
    assert parse_texts([" Ada  Lovelace ", "Ada Lovelace"]).texts == ("Ada Lovelace",)


def test_live_runs_are_listed_and_left_out_until_they_end(workflow, deliver, drain, owner, capsys):
    flow = workflow(ASKS)
    deliver({"customer": ADA})
    drain()
    erase(ADA)
    assert "in use" in capsys.readouterr().out
    assert Event.objects.get().payload == {"customer": ADA}
    assert ErasureItem.objects.get().state == "in_use"
    approvals.decide_approval(Wait.objects.get(), by=owner, outcome="agreed", form={"why": f"{ADA} is right"})
    drain()
    erase(ADA)
    wait = Wait.objects.get()
    assert wait.data == {"outcomes": [{"key": "agreed", "name": "Agree"}]} or "message" not in wait.data
    assert wait.outcome["outcome"] == "agreed" and wait.outcome["by"] == "owner" and "form" not in wait.outcome
    assert flow.runs.get().status == "succeeded" and Event.objects.get().payload is None
    left = set(tables_with(ADA))
    assert left == set()


def test_a_decision_stays_with_its_run_in_use_and_its_outcome_after_the_erasure(workflow, deliver, drain, owner):
    flow = workflow(ASKS + "  - {kind: wait, key: rest, duration: 1d}\n")
    deliver({"customer": ADA})
    drain()
    approvals.decide_approval(Wait.objects.get(), by=owner, outcome="agreed", form={"why": "ok"})
    drain()
    decided = AuditEntry.objects.get(verb="approval.decided")
    erase(ADA)
    assert set(ErasureItem.objects.values_list("kind", "state")) == {("unit", "in_use"), ("entry", "in_use")}
    decided.refresh_from_db()
    assert not decided.erased and ADA in decided.changes["message"]
    cancel_run_or_start(flow.runs.get(), by=owner)
    drain()
    erase(ADA)
    decided.refresh_from_db()
    assert decided.erased and tables_with(ADA) == []
    assert {"step": "ok", "outcome": "agreed"}.items() <= audit.readable_changes(decided).items()
    assert list(audit.verify()) == []


def test_a_decision_whose_run_alone_is_erased_is_not_tampered_with(workflow, deliver, drain, owner):
    workflow(ASKS.replace("Refund {{ event.payload.customer }}?", "Refund?"))
    deliver({"customer": ADA})
    drain()
    approvals.decide_approval(Wait.objects.get(), by=owner, outcome="agreed", form={"why": "ok"})
    drain()
    erase(ADA)
    assert not AuditEntry.objects.get(verb="approval.decided").erased
    assert list(audit.verify()) == []


def test_files_go_with_their_event_or_by_name_and_content(workflow, deliver, drain, settings, tmp_path):
    from automate_core import artifacts

    flow = workflow(ORDERS)
    deliver({"customer": ADA, "text": "x"})
    deliver({"customer": "bob", "text": "y" * 50})
    drain()
    events = dict(Event.objects.values_list("subject", "pk"))
    ada, bob = (
        FileOwner(trace_id="1" * 32, workflow_id=flow.pk, event_id=pk)
        for name in ("ada", "bob")
        for subject, pk in events.items()
        if name in subject.lower()
    )
    attached = store_file(b"%PDF-1.4 x", name="scan.pdf", owner=ada)
    named = store_file(b"x", name=f"{ADA}.txt", owner=bob)
    inside = store_file(b"z" * 65_530 + b" " + ADA.encode() + b" z", name="list.txt", owner=bob)
    other = store_file(b"not" + ADA.encode(), name="other.txt", owner=bob)
    gone = [StoredFile.objects.get(pk=value["$file"]).file for value in (attached, named, inside)]
    erase(ADA)
    assert list(StoredFile.objects.values_list("pk", flat=True)) == [other["$file"]]
    assert not any(artifacts.storage().exists(name) for name in gone)
    assert Event.objects.get(pk=bob.event_id).payload["customer"] == "bob"


def test_large_values_are_searched_whole_and_deleted(workflow, deliver, drain, settings):
    from automate_core import artifacts

    settings.AUTOMATE_DOCUMENT_BYTES = 2_000
    workflow(
        "name: Big\nslug: big\ntriggers: [{endpoint: github}]\nsteps:\n"
        "  - {key: make, action: data.set, inputs: {text: '{{ event.payload.word }}', who: '{{ event.payload.a ~ event.payload.b }}'}}"
    )
    deliver({"word": "filler " * 400, "a": "ada@", "b": "example.com"})
    drain()
    name = StepRun.objects.exclude(output_file=None).values_list("output_file", flat=True).first()
    assert name, StepRun.objects.values("output", "error")
    StepRun.objects.update(input={}, output={"preview": True})
    erase(ADA)
    assert not artifacts.storage().exists(name) and not StepRun.objects.exclude(output_file=None).exists()
    assert Event.objects.get().payload is None


def test_what_people_wrote_is_listed_and_kept(workflow, owner, capsys):
    flow = workflow(
        f"name: W\nslug: w\ntriggers: [{{endpoint: github}}]\nsteps: [{{key: a, action: data.set, inputs: {{to: {ADA}}}}}]"
    )
    StepSample.objects.create(workflow=flow, key="a", kind="pin", output={"to": ADA})
    Notification.objects.create(kind="failures", channel="email", target=ADA, status="sent", send_at=flow.created_at)
    erase(ADA)
    said = capsys.readouterr().out
    assert "1 published version (not erased)" in said and "1 workflow draft (not erased)" in said
    assert StepSample.objects.get().output is None and Notification.objects.get().target == ""
    assert ADA in json.dumps(Workflow.objects.get().published.definition)
    assert set(ErasureItem.objects.values_list("kind", "state")) == {("draft", "kept"), ("version", "kept")}


def test_test_runs_are_deleted_with_their_samples(workflow, owner, drain):
    from automate_authoring.test_runs.start import Request, start_test

    flow = workflow(ORDERS)
    made = start_test(flow, Request(mode="preview", scope="whole", payload={"customer": ADA, "text": "x"}), by=owner)
    drain()
    assert "automate_core_steprun" in tables_with(ADA)
    erase(ADA)
    assert not ExecutionRun.objects.filter(pk=made.pk).exists() and tables_with(ADA) == []


def test_erased_runs_and_events_start_nothing_again(orders, owner, deliver, drain):
    job = OutboxJob.objects.filter(event__subject__istartswith=ADA).first()
    erase(ADA)
    run = orders.runs.filter(status="failed").get()
    with pytest.raises(control.ControlError, match="was erased"):
        control.rerun(run, by=owner)
    assert "erased" in replay_refusal(run.event)
    OutboxJob.objects.filter(pk=job.pk).update(status="dead", last_error="x")
    from automate_operations import dead_jobs

    with pytest.raises(control.ControlError, match="was erased"):
        dead_jobs.requeue_job(OutboxJob.objects.get(pk=job.pk), owner)


def test_an_erasure_continues_where_a_process_died(orders, monkeypatch):
    monkeypatch.setattr(erasing, "_ITEMS", 1)
    made = erasing.create_search(parse_texts([ADA]), by=None)
    pace = Pace(seconds=0.1, share=1)
    while erasing.run_batch(made.pk, pace).status == "searching":
        pass
    erasing.begin_erasure(made, reason="Request 12", by=None)
    while Event.objects.exclude(erasure=None).count() < 1:
        erasing.run_batch(made.pk, pace)
    statement, real = "erase_units", erasing.all_kinds()["unit"].erase

    class Died(Exception):
        pass

    def dies(*args):
        real(*args)
        raise Died

    kind = all_kinds()["unit"]
    monkeypatch.setitem(erasing.all_kinds.__globals__["_kinds"], "unit", type(kind)(**{**kind.__dict__, "erase": dies}))
    with pytest.raises(Died):
        erasing.run_batch(made.pk, pace)
    assert Event.objects.exclude(erasure=None).count() == 1, "a whole batch or nothing"
    monkeypatch.undo()
    call_command("automate_erase", resume=True)
    assert Event.objects.exclude(erasure=None).count() == 3
    made.refresh_from_db()
    assert made.status == "done" and made.counts["events"] == 3, statement


def test_a_worker_performs_searches_and_forgets_old_ones(orders):
    from automate_core.worker.maintenance import MaintenanceThread
    from automate_core.worker.maintenance_tasks import registered_tasks

    made = erasing.create_search(parse_texts([ADA]), by=None)
    work = MaintenanceThread(tuple(task for task in registered_tasks() if task.name == "erasures"))
    for _ in range(200):
        work.run_due()
        made.refresh_from_db()
        if made.status == "found":
            break
    assert made.status == "found" and made.counts["events"] == 3 and made.texts == [ADA]
    Erasure.objects.update(created_at="2020-01-01T00:00:00Z")
    work._run_at.clear()
    erasing.forget_old_searches()
    made.refresh_from_db()
    assert (made.status, made.texts, made.items.count()) == ("stopped", [], 0)


@pytest.mark.extended
@pytest.mark.process
def test_a_killed_command_is_resumed(orders, environment, manage, deliver, drain):
    for number in range(300):
        deliver({"customer": ADA, "text": str(number)})
    drain()
    before = statistics()
    process = subprocess.Popen([*manage, "automate_erase", ADA, "--yes", "--reason", "Request 12"], env=environment)
    while not Event.objects.exclude(erasure=None).exists() and process.poll() is None:
        pass
    process.kill()
    process.wait()
    erased = Event.objects.exclude(erasure=None).count()
    assert 0 < erased < 303
    subprocess.run([*manage, "automate_erase", "--resume"], env=environment, check=True)
    assert Event.objects.exclude(erasure=None).count() == 303
    assert statistics() == before and list(audit.verify()) == []
    assert not RunLog.objects.filter(message__contains=ADA).exists()


@pytest.mark.extended
def test_many_events_are_searched_in_batches(django_assert_max_num_queries, settings):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO automate_core_event (id, source, type, payload, headers, trace_id, subject) "
            "SELECT gen_random_uuid(), 'app:go', '', jsonb_build_object('n', n, 'to', "
            "CASE WHEN n % 1000 = 0 THEN 'ada@example.com' ELSE 'x' || n END), '{}', md5(n::text), '' "
            "FROM generate_series(1, 100000) n"
        )
    import tracemalloc

    tracemalloc.start()
    erase(ADA)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert Event.objects.exclude(erasure=None).count() == 100
    assert peak < 60_000_000
