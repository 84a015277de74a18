"""The audit trail's pages: filters, keyset pages, signed exports, the check, histories, and what auditors read."""

from __future__ import annotations

import csv
import json

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.urls import reverse

from automate_core.models import Erasure
from automate_governance import audit
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.people import origin
from automate_governance.people.origin import unrecorded
from automate_governance.permissions import SITE
from tests.support.audit import without_append_only
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

LIST = reverse("admin:automate_governance_auditentry_changelist")


@pytest.fixture
def auditor(stranger, sign_in):
    with unrecorded():
        stranger.groups.set(Group.objects.filter(name="Auditors"))
    return sign_in(stranger)


@pytest.fixture
def entries(owner, colleague):
    """Five, in this order."""
    audit.record(owner, "workflow.published", owner, changes={"message": "Ready for spring"})
    with origin.process_origin(origin.Source.COMMAND):
        audit.record(colleague, "workflow.paused", owner)
    audit.record(
        colleague, "connection.changed", colleague, changes={"base_url": {"from": "http://a", "to": "http://b"}}
    )
    audit.record(None, "retention.prune_started", owner)
    audit.record(owner, "approval.decided", colleague, changes={"outcome": "approve", "form": {"amount": 12}})
    return list(AuditEntry.objects.order_by("pk"))


def _shown(client, **query):
    page = Page(client.get(LIST, query))
    return [int(name.removeprefix("entry-")) for name in page.ids if name.startswith("entry-")]


@pytest.mark.extended
def test_each_filter_finds_what_it_asks_for(auditor, entries, colleague):
    first, second, third, fourth, fifth = (entry.pk for entry in entries)
    second_at = entries[1].at.isoformat()
    for query, found in {
        ("who", "COLLEAGUE"): [third, second],
        ("verb", "workflow."): [second, first],
        ("about", f"auth.user:{colleague.pk}"): [fifth, third],
        ("source", "command"): [second],
        ("kind", "auth.group"): [],
        ("since", second_at): [fifth, fourth, third, second],
        ("q", "for spring"): [first],
        ("q", "http://b"): [third],
    }.items():
        shown = [pk for pk in _shown(auditor, **dict([query])) if pk in {first, second, third, fourth, fifth}]
        assert shown == found, query
    assert auditor.get(LIST, {"since": "yesterday"}).status_code == 422
    text = Page(auditor.get(LIST, {"verb": "connection"})).text
    assert "base url" in text and "http://a" in text and "http://b" in text


def test_times_are_to_the_second(auditor, owner, entries):
    AuditEntry.objects.bulk_create(
        AuditEntry(at=f"2026-03-01T12:00:0{second}Z", actor="past", verb="x", canonical=f"{second}")
        for second in range(4)
    )
    span = {"since": "2026-03-01T12:00:01", "until": "2026-03-01T12:00:02"}
    assert len(_shown(auditor, **span)) == 2


@pytest.mark.extended
def test_pages_by_key_in_few_queries(auditor, owner, django_assert_max_num_queries):
    for number in range(120):
        audit.record(owner, "thing.done", owner, changes={"number": number})
    with django_assert_max_num_queries(15) as captured:  # three are for the state of the chain
        page = Page(auditor.get(LIST, {"verb": "thing"}))
    assert not any("COUNT(" in query["sql"].upper() for query in captured.captured_queries)
    seen = []
    while True:
        seen += [name for name in page.ids if name.startswith("entry-")]
        following = page.all(rel="next")
        if not following or "href" not in following[0]:
            break
        page = Page(auditor.get(LIST + following[0]["href"]))
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_export_is_signed_and_a_changed_one_is_noticed(auditor, entries, kind, tmp_path, capsys):
    answer = auditor.post(f"{reverse('studio:audit_export')}?verb=workflow.", {"format": kind})
    content = answer.getvalue()
    numbers = [entries[0].pk, entries[1].pk]
    if kind == "csv":
        rows = list(csv.DictReader(content.decode().splitlines()))
        assert [int(row["number"]) for row in rows[:-1] if row["number"]] == numbers
        assert [row["verb"] for row in rows[:-1]] == ["workflow.published", "workflow.paused"]
    else:
        lines = [json.loads(line) for line in content.decode().splitlines()]
        assert [line.get("verb") for line in lines] == ["workflow.published", "workflow.paused", None]
        assert [line["number"] for line in lines[:-1]] == numbers
        assert lines[-1]["entries"] == 2 and lines[0]["canonical"] == entries[0].canonical
    assert AuditEntry.objects.latest("pk").changes == {"format": kind, "filters": {"verb": "workflow."}}
    file = tmp_path / "export"
    file.write_bytes(content)
    call_command("automate_verify_audit", export=str(file))
    file.write_bytes(content.replace(b"Ready for spring", b"Ready for autumn"))
    with pytest.raises(CommandError):
        call_command("automate_verify_audit", export=str(file))
    assert "the entries differ from the exported ones" in capsys.readouterr().err


def test_the_check_says_whole_and_then_who_was_tampered_with(auditor, entries):
    assert "has not been verified yet" in Page(auditor.get(LIST)).text
    auditor.post(reverse("studio:audit_verify"))
    text = Page(auditor.get(LIST)).text
    assert "No tampering found" in text and "by stranger" in text
    anchor = AuditEntry.objects.get(verb="audit.verified").changes["anchor"]
    assert anchor in text
    with without_append_only() as cursor:
        cursor.execute("UPDATE automate_governance_auditentry SET actor = 'nobody' WHERE id = %s", [entries[0].pk])
    auditor.post(reverse("studio:audit_verify"))
    text = Page(auditor.get(LIST)).text
    assert "The audit trail was tampered with" in text and f"entry {entries[0].pk} does not match its record" in text


def test_a_tail_that_was_cut_since_the_last_check_is_noticed(auditor, entries):
    auditor.post(reverse("studio:audit_verify"))
    with without_append_only() as cursor:
        cursor.execute("DELETE FROM automate_governance_auditlink WHERE entry_id >= %s", [entries[2].pk])
        cursor.execute("DELETE FROM automate_governance_auditentry WHERE id BETWEEN %s AND %s", [entries[2].pk, 10**9])
    audit.record(None, "thing.after", entries[0])
    assert list(audit.verify()) == [], "the chain alone looks whole"


@pytest.mark.extended
def test_auditors_read_people_secrets_retention_and_notifications_and_change_none(auditor, owner):
    secret = StoredSecret(name="shop", owner=owner)
    secret.put("a-value-that-nobody-reads")
    secret.save()
    pages = [
        reverse("admin:auth_user_changelist"),
        reverse("admin:auth_user_change", args=[owner.pk]),
        reverse("admin:auth_user_history", args=[owner.pk]),
        reverse("admin:auth_group_changelist"),
        reverse("admin:auth_group_change", args=[Group.objects.get(name="Builders").pk]),
        reverse("admin:automate_governance_storedsecret_changelist"),
        reverse("admin:automate_governance_storedsecret_change", args=[secret.pk]),
        reverse("admin:automate_governance_storedsecret_history", args=[secret.pk]),
        reverse("studio:retention"),
        reverse("studio:notifications"),
    ]
    for page in pages:
        answer = auditor.get(page)
        assert answer.status_code == 200, page
        assert b"a-value-that-nobody" not in answer.content and owner.password.encode() not in answer.content
    for page in (pages[1], pages[4], pages[6], pages[8]):
        assert auditor.post(page, {"username": "x", "name": "x", "value": "x", "succeeded": "1"}).status_code == 403, (
            page
        )
    assert auditor.post(reverse("studio:rule_new"), {}).status_code == 403


def test_histories_are_for_auditors_and_those_who_may_change(workflow, sign_in, owner, colleague, auditor):
    made = workflow("{name: Plain, slug: plain, steps: [{key: one, action: data.log, inputs: {message: x}}]}")
    page = reverse("admin:automate_core_workflow_history", args=[made.pk])
    for client in (auditor, sign_in(owner)):
        text = Page(client.get(page)).text
        assert "workflow.created" in text and "workflow.published" in text
    assert sign_in(colleague).get(page).status_code == 404


def test_the_link_to_a_history_does_not_read_as_part_of_the_name(auditor, entries, colleague):
    page = Page(auditor.get(LIST))
    names = {
        link["aria-label"]
        for link in (attributes for tag, attributes in page.tags if tag == "a")
        if "History" in link.get("aria-label", "")
    }
    assert f"History: User {colleague}" in names
    assert "colleague History" not in page.text


def test_codes_and_digests_are_shown_in_words(auditor, owner):
    audit.record(owner, "retention.changed", SITE(pk=0), changes={"succeeded": [30, 7]})
    audit.record(owner, "run.retried", owner, changes={"start": "failed"})
    audit.record(owner, "event.payload_viewed", owner, changes={"step": "~trigger"})
    audit.record(None, "erasure.searched", Erasure(pk=owner.pk), facts={"digest": "abc"})
    page = Page(auditor.get(LIST))
    for shown in ("30 → 7", "start failed step", "step trigger", "keyed digest of the searched texts abc"):
        assert shown in page.text
    assert "Position 1 in the chain" in auditor.get(LIST).content.decode()


def test_a_hand_over_and_a_filter_are_told_in_german(sign_in, admin, owner):
    counts = {"connections": 1, "webhook endpoints": 1, "workflows": 2, "run-as users": 2, "open approvals": 1}
    counts |= {"notification rules": 1, "secrets": 1}
    audit.record(admin, "user.handed_over", owner, changes={"to": "colleague", "left": 0, **counts})
    audit.record(admin, "approval.reassigned", owner, changes={"from": "colleague", "to": ["owner"]})
    audit.record(
        admin, "audit.exported", owner, changes={"filters": {"verb": "workflow.edited", "since": "2026-12-01"}}
    )
    client = sign_in(admin)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    shown = Page(client.get(reverse("admin:automate_governance_auditentry_changelist"))).text
    for english in (*counts, "from colleague", "since:", "verb:"):
        assert english not in shown or english in {"workflows"}, english
    assert "von colleague" in shown


def test_an_erased_entry_says_when_and_by_whom(sign_in, admin, entries):
    audit.erase_values([entries[0].pk], erased_by=admin, reason="Request 12", parts=["content"])
    shown = Page(sign_in(admin).get(LIST)).text
    assert "Ready for spring" not in shown and "by root" in shown.split("Erased on ")[1][:80]
