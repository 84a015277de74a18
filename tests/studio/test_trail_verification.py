"""The trail is verified by workers, in parts; what they find alarms, and names entries that screens show."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone, translation

from automate_core.models import NotificationRule, StepRun, Wait, Workflow
from automate_core.runs.waits.decisions import decision_digest
from automate_governance import audit
from automate_governance.audit import chain, verification
from automate_governance.models import AuditEntry, AuditVerification
from automate_governance.people import origin
from automate_operations.notifications import detectors
from automate_operations.site_status import registry
from automate_telemetry.metrics.readings import read_all
from automate_ui.audit.actions import recorded_actions
from tests.conftest import make_person
from tests.support.audit import without_append_only
from tests.support.pages import Page
from tests.support.workflows import SEARCHED_ORDERS

pytestmark = pytest.mark.django_db(transaction=True)

LIST = reverse("admin:automate_governance_auditentry_changelist")
FORGED = """UPDATE automate_governance_auditentry SET changes = '{"name": "forged"}' WHERE id = %s"""


@pytest.fixture
def auditor(sign_in):
    return sign_in(make_person("auditor", "Auditors"))


@pytest.fixture
def entries(owner):
    return [audit.record(owner, "thing.done", owner, changes={"n": number}) for number in range(10)]


def _is_due():
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {verification.DUE}")
        return cursor.fetchone()[0]


def _tamper(entry):
    with without_append_only() as cursor:
        cursor.execute("UPDATE automate_governance_auditentry SET actor = 'nobody' WHERE id = %s", [entry.pk])


def test_a_worker_verifies_once_a_day_in_parts(entries, monkeypatch):
    assert not _is_due(), "a new trail, from the second day"
    monkeypatch.setattr(chain, "_BATCH", 4)
    monkeypatch.setattr(verification, "SECONDS", 0.0)
    turns = 0
    current = verification.continue_verification(seconds=0)
    while current.ended_at is None:
        assert _is_due() and current.position == min(4 * (turns + 1), 10)
        current, turns = verification.continue_verification(seconds=0), turns + 1
    entry = AuditEntry.objects.get(verb="audit.verified")
    assert turns == 3 and entry.actor == "system" and entry.changes["position"] == 10 and entry.changes["faults"] == []
    assert not _is_due()
    AuditVerification.objects.update(started_at=timezone.now() - dt.timedelta(days=1, hours=1))
    assert _is_due()


def test_the_banner_names_a_verification_by_a_command(entries, auditor):
    verification.continue_verification(seconds=20)
    assert "by a worker." in Page(auditor.get(LIST)).text
    with origin.process_origin(origin.Source.COMMAND):
        call_command("automate_verify_audit")
    shown = Page(auditor.get(LIST)).text
    assert "by a worker." not in shown and "by system via Command line (" in shown


def test_a_fault_alarms_everywhere(entries, auditor, owner):
    rule = NotificationRule.objects.create(kind="audit", channel="email")
    verification.continue_verification(seconds=20)
    assert read_all().audit_faults == 0 and list(detectors._find_altered_trail(rule, timezone.now())) == []
    assert verification.fault_count(verification.last_verification()) == 0
    _tamper(entries[3])
    verification.continue_verification(seconds=20)
    assert read_all().audit_faults == 1
    [incident] = detectors._find_altered_trail(rule, timezone.now())
    assert incident.key.startswith("audit:")
    registry.forget()
    from automate_operations.site_status import audit_trail

    [finding] = audit_trail.find_alteration()
    assert "tampered" in finding.message and finding.url == LIST


def test_an_altered_entry_is_named_linked_and_marked(entries, auditor):
    _tamper(entries[3])
    auditor.post(reverse("studio:audit_verify"))
    number = entries[3].pk
    answer = auditor.get(LIST).content.decode()
    assert f'href="?entry={number}"' in answer and f"entry {number} does not match its record" in answer
    assert answer.count("da-trail-faulty") == 1 and f"#{number}" in answer
    page = Page(auditor.get(LIST, {"entry": f"#{number}"}))
    assert [name for name in page.ids if name.startswith("entry-")] == [f"entry-{number}"]
    assert auditor.get(LIST, {"entry": "x"}).status_code == 422


@pytest.mark.parametrize("verified", [True, False])
def test_every_view_of_an_altered_entry_marks_it(auditor, admin, api, owner, entries, verified):
    made = audit.record(owner, "user.changed", owner, changes={"name": "right"})
    if verified:
        with without_append_only() as cursor:
            cursor.execute(FORGED, [made.pk])
        auditor.post(reverse("studio:audit_verify"))
    history = reverse("admin:auth_user_history", args=[owner.pk])
    pages = [LIST, f"{LIST}?about=auth.user:{owner.pk}", f"{LIST}?entry={made.pk}", history]
    if not verified:
        assert not any("da-trail-faulty" in auditor.get(page).content.decode() for page in pages)
        with without_append_only() as cursor:
            cursor.execute(FORGED, [made.pk])
    for page in pages:
        shown = Page(auditor.get(page))
        rows = [found["id"] for tag, found in shown.tags if tag == "tr" and "da-trail-faulty" in found.get("class", "")]
        assert (rows, "forged" in shown.text) == ([f"entry-{made.pk}"], True), page
    client = api(admin)
    listed = client.get("/audit-entries?limit=100").json()["items"]
    assert [each["id"] for each in listed if each["altered"]] == [made.pk]
    assert client.get(f"/audit-entries/{made.pk}").json()["altered"]
    for kind in ("csv", "jsonl"):
        file = b"".join(auditor.post(reverse("studio:audit_export"), {"format": kind}).streaming_content).decode()
        lines = file.splitlines()[:-1]
        read = csv.DictReader(lines) if kind == "csv" else map(json.loads, lines)
        assert [int(each["number"]) for each in read if each["altered"]] == [made.pk]


def test_a_decision_recorded_by_an_older_version_is_verified_by_the_words_of_its_entry(workflow, owner, sign_in, drain):
    made = workflow(
        "{name: A, slug: a, triggers: [{kind: manual}], steps: [{kind: approval, key: b, assignees: [owner], timeout: 1d}]}"
    )
    sign_in(owner).post(reverse("studio:workflow_start", args=[made.pk]))
    drain()
    outcome = {"outcome": "approve", "form": {}, "by": "owner", "at": "2026-01-01T00:00:00Z", "remark": "Checked"}
    Wait.objects.update(status="resolved", outcome=outcome)
    wait = Wait.objects.get()
    shown = {"message": wait.data.get("message"), "context": wait.data.get("context")}
    decided = {name: outcome[name] for name in ("outcome", "form", "by")}
    digest = hashlib.sha256(audit.canonical_text(shown | decided).encode()).hexdigest()
    changes = {"reason": "Checked", "digest": digest}
    audit.record(owner, "approval.decided", wait.run, changes=changes, facts={"wait": str(wait.pk)})
    assert list(audit.verify()) == []
    Wait.objects.update(outcome={**outcome, "remark": "Never checked"})
    assert "is not what was decided" in "".join(audit.verify())


def test_an_auditor_sees_a_fault_among_what_needs_attention(entries, auditor):
    _tamper(entries[3])
    auditor.post(reverse("studio:audit_verify"))
    for page in (reverse("admin:index"), reverse("studio:site_status")):
        shown = Page(auditor.get(page, follow=True))
        assert "The audit trail was tampered with: the last verification found 1 fault." in shown.text, page
        assert "status-backup" not in shown.ids


def test_actions_are_found_by_any_part_of_their_code_and_name(entries, auditor, owner):
    seen = audit.record(owner, "run.payload_viewed", owner)
    rotated = audit.record(owner, "secrets.rewrapped", owner)
    for words, found in {"payload": [seen], "viewed": [seen], "key rotated": [rotated], "secrets.": [rotated]}.items():
        page = Page(auditor.get(LIST, {"verb": words}))
        shown = {int(name.removeprefix("entry-")) for name in page.ids if name.startswith("entry-")}
        assert {each.pk for each in found} == shown, words
    with translation.override("en"):
        assert {("run.payload_viewed", "Payload viewed"), ("secrets.rewrapped", "Encryption key rotated")} <= set(
            recorded_actions()
        )


def test_an_owner_named_on_a_command_line_did_not_act(owner, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("{name: A, slug: a, steps: []}")
    call_command("automate_import", str(file), owner="owner")
    entry = AuditEntry.objects.get(verb="workflow.created")
    assert (entry.actor, entry.actor_id, entry.changes) == ("system", "", {"owner": "owner"})


def test_the_author_of_an_import_is_not_recorded_as_the_owner(owner, admin, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("{name: A, slug: a, triggers: [{kind: manual}], steps: [{key: b, action: data.set}]}")
    call_command("automate_import", str(file), owner="owner")
    file.write_text("{name: B, slug: a, triggers: [{kind: manual}], steps: [{key: b, action: data.set}]}")
    call_command("automate_import", str(file), publish=True)  # as the only superuser
    for verb in ("workflow.changed", "workflow.published"):
        changes = AuditEntry.objects.get(verb=verb).changes
        assert "owner" not in changes and changes["author"] == "root"
    assert Workflow.objects.get().owner == owner


def test_a_search_of_payloads_is_recorded_once_an_hour(owner, sign_in, auditor):
    for words in ("mara@example.com", "other"):
        auditor.get(reverse("admin:automate_core_event_changelist"), {"held": words})
    [entry] = AuditEntry.objects.filter(verb="event.payloads_searched")
    assert entry.actor == "auditor" and "mara" not in str(entry.changes)


def test_lists_with_subject_lines_are_recorded_once_an_hour(workflow, deliver, drain, owner, stranger, sign_in, api):
    workflow(SEARCHED_ORDERS.replace("triggers:", "subject: '{{ event.payload.city }}'\ntriggers:"))
    deliver({"order": {"no": 1}, "city": "Mara"}, event="push")
    drain()
    lists = [reverse(f"admin:automate_core_{name}_changelist") for name in ("executionrun", "event")]
    for address in lists * 2:
        sign_in(owner).get(address)
        sign_in(stranger).get(address)
    assert api(owner).get("/runs").json()["items"][0]["subject"] == "Mara"
    [entry] = AuditEntry.objects.filter(verb="event.subjects_viewed")
    assert entry.actor == "owner" and entry.changes == {}


def test_an_entry_by_a_token_names_it(auditor, owner):
    with origin.request_credential("nightly dat_4f6Kx2Pq"), origin.process_origin(origin.Source.API):
        audit.record(owner, "thing.done", owner)
    assert "API, token nightly dat_4f6Kx2Pq" in Page(auditor.get(LIST)).text


def test_a_decision_that_was_altered_is_noticed(workflow, owner, sign_in, drain):
    made = workflow(
        "{name: Ask, slug: ask, triggers: [{kind: manual}], steps: [{kind: approval, key: ask_1, name: Refund,"
        " assignees: [owner], timeout: 1d, message: 'Refund 12.50?', context: {Customer: Mara}}]}"
    )
    client = sign_in(owner)
    client.post(reverse("studio:workflow_start", args=[made.pk]))
    drain()
    wait = Wait.objects.get()
    answer = {"outcome": wait.data["outcomes"][0]["key"], "remark": "Checked, password=hunter2-again"}
    client.post(reverse("studio:approval_page", args=[wait.pk]), answer)
    drain()
    entry = AuditEntry.objects.get(verb="approval.decided")
    assert (entry.changes["message"], entry.changes["details"]) == ("Refund 12.50?", {"Customer": "Mara"})
    assert list(audit.verify()) == []
    says = [f"the approval ask_1 of the run {wait.run_id} is not what was decided (entry {entry.pk})"]
    kept = Wait.objects.values("data", "outcome").get()
    unsalted = {name: value for name, value in kept["data"].items() if name != "digest_salt"}
    assert entry.changes["digest"] == decision_digest(kept["data"], kept["outcome"])
    assert entry.changes["digest"] != decision_digest(unsalted, kept["outcome"]), (
        "short texts cannot be guessed from it"
    )
    Wait.objects.update(data={**kept["data"], "message": "Refund 1,250?"})
    assert list(audit.verify()) == says
    Wait.objects.update(data=kept["data"])
    for name, forged in {"remark": "Never checked", "at": "2020-01-01", "by": "nobody", "form": {"n": 1}}.items():
        Wait.objects.update(outcome={**kept["outcome"], name: forged})
        StepRun.objects.filter(path="ask_1").update(output={**kept["outcome"], name: forged})
        assert list(audit.verify()) == says, f"{name} in both"
        Wait.objects.update(outcome=kept["outcome"])
        assert list(audit.verify()) == says, f"{name} in the output"
    run_page = reverse("studio:run_step", args=[wait.run_id, "ask_1"])
    verification.continue_verification(seconds=20)
    assert entry.changes["remark"].startswith("Checked, password=") and "Altered" in Page(client.get(run_page)).text
    StepRun.objects.filter(path="ask_1").update(output={**kept["outcome"], "outcome": "rejected"})
    assert list(audit.verify()) == says
    Wait.objects.update(data=None)
    assert list(audit.verify()) == [], "what retention or an erasure removed is not compared"
