"""The web process that dies, and the database that refuses: a 202 is kept, and nothing else is ever said with one."""

from __future__ import annotations

import random
import signal
import threading
import time

import pytest

from automate_core.models import Event, OutboxJob
from tests.faults.conftest import plain_connection, run_sql
from tests.faults.harness import Sender, at_once, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture(autouse=True)
def _nobody_works(endpoint, evidence):
    """No worker runs here: what was accepted stays in the outbox."""
    evidence.quiet = False


@pytest.mark.extended
def test_kill_9_at_random_while_deliveries_come(mill, evidence, secret):
    """F1: every delivery is answered in the end, and each answer was true."""
    web, address = mill.web()
    sender, port = Sender(address, secret, evidence), int(address.rpartition(":")[2])
    done = threading.Event()

    def send() -> None:
        at_once(lambda number: sender.insist(f"delivery-{number}"), range(400), threads=8)
        done.set()

    sending = threading.Thread(target=send)
    sending.start()
    chance = random.Random(7)
    for kills in range(1, 4):
        wait_for(lambda kills=kills: len(evidence.acknowledged) > kills * 80)
        time.sleep(chance.uniform(0, 0.05))
        web.kill()
        web, _ = mill.web(port=port)
    sending.join(60)
    assert done.is_set()
    assert len(evidence.acknowledged) == Event.objects.count() == OutboxJob.objects.count() == 400


def test_kill_9_around_the_insert(mill, evidence, secret):
    """F2: the sender comes again and hears of one event, whether it was stored before the end or not."""
    web, address = mill.web(AUTOMATE_FAULTS="ingest.writing=kill")
    sender, port = Sender(address, secret, evidence), int(address.rpartition(":")[2])
    assert sender.post("one") == (0, "")
    assert web.wait() == -signal.SIGKILL
    assert not Event.objects.exists()
    web, _ = mill.web(port=port, AUTOMATE_FAULTS="ingest.written=kill")
    assert sender.post("one") == (0, "")
    assert web.wait() == -signal.SIGKILL
    stored = Event.objects.get()
    mill.web(port=port)
    assert [sender.post("one") for _ in range(2)] == [(202, stored.trace_id)] * 2
    assert Event.objects.count() == OutboxJob.objects.count() == 1


@pytest.mark.extended
def test_kill_9_between_insert_and_commit(mill, evidence, secret, slow_commit):
    """F2: the statement has run, its commit hangs, the process dies."""
    slow_commit("automate_core_event")
    web, address = mill.web()
    sender = Sender(address, secret, evidence)
    posting = threading.Thread(target=sender.post, args=("one",))
    posting.start()
    with plain_connection() as own:
        own.autocommit = True
        [pid] = wait_for(
            lambda: own.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone()
        )
        web.kill()
        posting.join(60)
        own.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert not Event.objects.exists() and not OutboxJob.objects.exists()
    slow_commit(None)
    mill.web(port=int(address.rpartition(":")[2]))
    assert sender.post("one")[0] == sender.post("one")[0] == 202
    assert Event.objects.count() == OutboxJob.objects.count() == 1


@pytest.mark.extended
def test_a_read_only_database(mill, evidence, secret, database_setting):
    """F12: 503, nothing half-stored, and all is well once it can be written again."""
    _, address = mill.web()
    sender = Sender(address, secret, evidence)
    assert sender.post("before")[0] == 202
    database_setting("default_transaction_read_only", "on")
    assert {sender.post(f"during-{number}")[0] for number in range(5)} == {503}
    database_setting("default_transaction_read_only", "off")
    sender.insist("during-0")
    assert sorted(Event.objects.values_list("delivery_key", flat=True)) == ["before", "during-0"]


@pytest.mark.extended
def test_a_full_disk_behind_the_second_insert(mill, evidence, secret):
    """F12: the event was inserted, its job cannot be: neither is there, and the answer is 503."""
    run_sql(
        "CREATE OR REPLACE FUNCTION fault_disk() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;"
        " CREATE TRIGGER disk BEFORE INSERT ON automate_core_outboxjob"
        " FOR EACH ROW EXECUTE FUNCTION fault_disk()"
    )
    try:
        _, address = mill.web()
        sender = Sender(address, secret, evidence)
        assert {sender.post(f"{number}")[0] for number in range(3)} == {503}
        assert not Event.objects.exists()
    finally:
        run_sql("DROP TRIGGER disk ON automate_core_outboxjob")
    assert sender.post("0")[0] == 202


@pytest.mark.extended
def test_two_hundred_at_once_while_the_table_is_locked(mill, evidence, secret):
    """F30: each is answered, 202 or 503, within the time-outs; none hangs, and the next are accepted at once."""
    _, address = mill.web()
    sender = Sender(address, secret, evidence)
    sender.insist("warm")
    with plain_connection() as other, other.transaction():
        other.execute("LOCK TABLE automate_core_event IN SHARE MODE")
        at_once(lambda number: sender.post(f"locked-{number}", timeout=30), range(200), threads=200)
    statuses = [status for answers in evidence.answers.values() for status, _ in answers]
    assert len(statuses) == 201 and set(statuses) <= {202, 503}
    assert statuses.count(503) == 200, "nothing can be stored while the table is locked"
    assert max(sender.seconds) < 20
    at_once(lambda number: sender.post(f"free-{number}"), range(200), threads=50)
    assert Event.objects.filter(delivery_key__startswith="free").count() == 200


@pytest.mark.extended
def test_large_deliveries_leave_no_memory_behind(mill, evidence, secret):
    """F31: sixty bodies of almost a megabyte; the process is back at its size."""
    web, address = mill.web()
    sender = Sender(address, secret, evidence)
    payload = {"text": "x" * 950_000}
    at_once(lambda number: sender.insist(f"warm-{number}", payload), range(20), threads=4)
    before = web.resident_bytes()
    at_once(lambda number: sender.insist(f"large-{number}", payload), range(60), threads=4)
    assert sender.post("too-large", {"text": "x" * 1_100_000})[0] == 413
    assert web.resident_bytes() < before * 1.1 + 20_000_000
    assert Event.objects.count() == 80
