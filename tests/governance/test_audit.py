"""The trail: written with the change, append-only, chained at commit, and a tampered one is noticed."""

from __future__ import annotations

import threading

import pytest
from django.db import DatabaseError, connection, connections, transaction

from automate_governance import audit
from automate_governance.models import AuditEntry, AuditLink
from tests.support.audit import without_append_only

pytestmark = pytest.mark.django_db(transaction=True)


def _record(owner, verb="thing.done", **options):
    return audit.record(owner, verb, owner, **options)


def test_an_entry_is_chained_when_its_transaction_commits(owner):
    with transaction.atomic():
        _record(owner, changes={"a": 1})
        assert not AuditLink.objects.exists()
    _record(owner)
    first, second = AuditLink.objects.all()
    assert (first.position, first.previous, second.position, second.previous) == (1, "", 2, first.hash)
    assert list(audit.verify()) == []
    assert audit.chain_head() == second.hash


def test_a_rolled_back_change_leaves_no_entry(owner):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        _record(owner)
        raise ZeroDivisionError
    assert not AuditEntry.objects.exists() and list(audit.verify()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE automate_governance_auditentry SET actor = 'nobody'",
        "DELETE FROM automate_governance_auditentry",
        "TRUNCATE automate_governance_auditentry CASCADE",
        "UPDATE automate_governance_auditlink SET hash = 'x'",
        "DELETE FROM automate_governance_auditlink",
        "TRUNCATE automate_governance_auditlink",
    ],
)
def test_the_tables_are_append_only(owner, statement):
    _record(owner)
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute(statement)
    assert list(audit.verify()) == []


TAMPERING = {
    "a column": (
        "UPDATE automate_governance_auditentry SET actor = 'nobody' WHERE id = %s",
        "does not match its record",
    ),
    "the text": ("UPDATE automate_governance_auditentry SET canonical = '{}' WHERE id = %s", "was altered"),
    "an entry gone": ("DELETE FROM automate_governance_auditlink WHERE entry_id = %s", "is missing"),
    "a link's hash": ("UPDATE automate_governance_auditlink SET hash = 'x' WHERE entry_id = %s", "was altered"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_past_the_triggers_is_noticed(owner, what):
    statement, fault = TAMPERING[what]
    entries = [_record(owner) for _ in range(3)]
    with without_append_only() as cursor:
        cursor.execute(statement, [entries[1].pk])
    assert any(fault in found for found in audit.verify())


def test_a_cut_tail_shows_against_an_earlier_head(owner):
    entries = [_record(owner) for _ in range(3)]
    head = audit.chain_head()
    with without_append_only() as cursor:
        cursor.execute("DELETE FROM automate_governance_auditlink WHERE entry_id = %s", [entries[2].pk])
        cursor.execute("DELETE FROM automate_governance_auditentry WHERE id = %s", [entries[2].pk])
    assert list(audit.verify()) == []
    assert "were removed" in " ".join(audit.verify(head=head))


def test_many_at_once_make_one_chain(owner):
    barrier = threading.Barrier(8)

    def write():
        barrier.wait()
        for _ in range(10):
            with transaction.atomic():
                _record(owner)
        connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert AuditLink.objects.count() == 80
    assert list(audit.verify()) == []


def test_a_long_transaction_holds_nobody_up(owner):
    """The chain's lock is taken at commit alone."""
    with transaction.atomic():
        _record(owner)
        done = threading.Event()

        def other():
            _record(owner, "thing.meanwhile")
            connections.close_all()
            done.set()

        threading.Thread(target=other).start()
        assert done.wait(60)
    assert list(audit.verify()) == []


def test_other_isolation_levels_are_refused(owner):
    with pytest.raises(DatabaseError, match="READ COMMITTED"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _record(owner)


def test_no_secret_gets_into_an_entry(owner):
    from automate_governance.redaction.redactor import redactor_context

    with redactor_context() as known:
        known.learn("a-secret-of-the-audit-test")
        assert _record(owner, changes={"note": "it is a-secret-of-the-audit-test"}).changes == {"note": "it is ***"}
