"""Values that name a person are erased from entries, and the chain says so: erased, not tampered with."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.db import DatabaseError, connection, transaction

from automate_governance import audit
from automate_governance.models import AuditEntry
from tests.support.audit import without_append_only

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = "automate_governance_auditentry"
NAME = "mara.example"


@pytest.fixture
def entry(owner):
    return audit.record(owner, "run.cancelled", owner, changes={"reason": f"asked by {NAME}"}, trace_id="t1")


def _old_entry(actor="olga"):
    """As versions before wrote it: the text holds the values."""
    values = {"at": "2026-01-01T00:00:00+00:00", "actor_id": "7", "actor": actor, "verb": "x", "object_type": "x.y"}
    values |= {"object_id": "1", "object": NAME, "changes": {"a": NAME}, "trace_id": "", "address": "192.0.2.1"}
    return AuditEntry.objects.create(**values, canonical=json.dumps(values, sort_keys=True, separators=(",", ":")))


def _dump():
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT string_agg(entry::text, ' ') FROM {TABLE} entry")
        return cursor.fetchone()[0]


def test_the_text_of_an_entry_holds_no_value(entry):
    assert NAME not in entry.canonical and "owner" not in json.loads(entry.canonical)["digests"].values()
    assert "owner" not in entry.canonical.replace("automate", "")


def test_erased_values_are_gone_and_the_trail_is_whole(entry, owner):
    audit.record(owner, "thing.after", owner)
    [erasure] = audit.erase_values([entry.pk], erased_by=owner, reason="Request 12", parts=["content"])
    entry.refresh_from_db()
    assert NAME not in _dump()
    assert (entry.actor, entry.verb, entry.object, entry.changes) == ("owner", "run.cancelled", "", {})
    assert list(audit.verify()) == []
    assert erasure.verb == "person.erased" and erasure.changes["reason"] == "Request 12"
    [known] = audit.erasures([entry]).values()
    assert known.covers(entry, "content") and not known.covers(entry, "actor") and known.by.startswith("owner")
    audit.erase_values([entry.pk], erased_by=owner, reason="Account deleted", parts=["actor"])
    entry.refresh_from_db()
    assert (entry.actor, entry.actor_id, entry.salts, entry.who) == ("", "", {}, "erased")
    assert list(audit.verify()) == []


def test_an_entry_of_an_older_version_is_erased_as_well(owner):
    old, kept = _old_entry(), _old_entry("peter")
    links = [old.link.hash, kept.link.hash]
    audit.erase_values([old.pk], erased_by=None, reason="Request 12", parts=["content"])
    old, kept = AuditEntry.objects.get(pk=old.pk), AuditEntry.objects.get(pk=kept.pk)
    assert (old.actor, old.changes) == ("olga", {}) and NAME not in old.canonical
    assert NAME in kept.canonical, "others stay"
    assert [old.link.hash, kept.link.hash] == links, "the links stay"
    assert list(audit.verify()) == []
    audit.erase_values([old.pk], erased_by=None, reason="Request 12")
    assert "olga" not in _dump() and list(audit.verify()) == []


def test_the_erasure_itself_can_be_erased_and_still_vouches(entry, owner):
    [erasure] = audit.erase_values([entry.pk], erased_by=owner, reason=f"for {NAME}")
    audit.erase_values([erasure.pk], erased_by=owner, reason="Its reason named a person")
    assert NAME not in _dump() and list(audit.verify()) == []


def test_erasing_again_or_nothing_leaves_no_entry(entry, owner):
    audit.erase_values([entry.pk], erased_by=owner, reason="Request 12")
    assert audit.erase_values([entry.pk, 10**9], erased_by=owner, reason="Request 12") == []
    assert AuditEntry.objects.filter(verb="person.erased").count() == 1


def test_many_entries_are_named_by_several_erasures(owner):
    entries = [audit.record(owner, "thing.done", owner, changes={"n": NAME}) for _ in range(501)]
    made = audit.erase_values([each.pk for each in entries], erased_by=owner, reason="Request 12")
    assert len(made) == 2 and NAME not in _dump() and list(audit.verify()) == []


EMPTY = "object = '', changes = '{}', trace_id = '', salts = salts - 'content'"


@pytest.mark.parametrize(
    "change",
    [
        EMPTY,
        f"{EMPTY}, erased = '{{\"content\": 1}}'",
        f"{EMPTY}, erased = jsonb_build_object('content', %(chained)s)",
        f"{EMPTY}, actor = '', erased = jsonb_build_object('content', %(chained)s)",
        "erased = jsonb_build_object('content', %(chained)s)",
    ],
)
def test_the_database_refuses_to_empty_values_that_no_erasure_of_the_transaction_names(entry, owner, change):
    [chained] = audit.erase_values(
        [audit.record(owner, "thing.done", owner).pk], erased_by=owner, reason="x", parts=["content"]
    )
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET {change} WHERE id = {entry.pk}", {"chained": chained.pk})


@pytest.mark.parametrize("part", ["content", "actor"])
def test_values_missing_without_an_erasure_are_tampering(entry, owner, part):
    other = audit.record(owner, "thing.done", owner)
    [erasure] = audit.erase_values([other.pk], erased_by=owner, reason="x")
    empty = {"content": "object = '', changes = '{}', trace_id = ''", "actor": "actor = '', actor_id = ''"}[part]
    for mark in ("{}", json.dumps({part: erasure.pk}), json.dumps({part: 10**9})):
        with without_append_only() as cursor:
            cursor.execute(
                f"UPDATE {TABLE} SET {empty}, address = '', \"system_user\" = '', salts = salts - %s, erased = %s"
                " WHERE id = %s",
                [part, mark, entry.pk],
            )
        assert list(audit.verify()) == [f"entry {entry.pk} does not match its record"]


def test_a_value_put_back_after_an_erasure_is_tampering(entry, owner):
    audit.erase_values([entry.pk], erased_by=owner, reason="x", parts=["content"])
    with without_append_only() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET object = 'forged' WHERE id = %s", [entry.pk])
    assert list(audit.verify()) == [f"entry {entry.pk} does not match its record"]


def test_an_exported_line_is_verified_without_the_site(entry, owner):
    """As docs/audit.md says."""
    from automate_studio.audit.export import json_lines

    line = json.loads(next(iter(json_lines(AuditEntry.objects.filter(pk=entry.pk)))))
    assert hashlib.sha256((line["previous"] + line["canonical"]).encode()).hexdigest() == line["hash"]
    values = {"object": line["object"], "changes": line["changes"], "trace_id": line["trace_id"]}
    hashed = line["salts"]["content"] + json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(hashed.encode()).hexdigest() == json.loads(line["canonical"])["digests"]["content"]
