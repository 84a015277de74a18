"""F35: Celery workers and their broker are killed, and the broker's data is wiped, while steps run in a pool."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import defaultdict
from typing import Any

from tests.faults.harness import Process, at_once
from tests.faults.long.ground import Ground
from tests.support.brokers import Broker, RabbitMQ, Redis

CONCURRENCY = 4
BROKERS: dict[str, type[Broker]] = {"redis": Redis, "rabbitmq": RabbitMQ}
CELERY = [
    sys.executable, "-m", "celery", "-A", "automate_pools.celery_app", "worker", "--loglevel", "WARNING",
    "--pool", "threads", "--concurrency", str(CONCURRENCY), "--without-gossip", "--without-mingle",
]  # fmt: skip


def pools(on: Ground, events: int, kills: int) -> dict[str, Any]:
    """Every event is one call by one of two Celery workers; the figures of what was lost and repeated."""
    kind = os.environ.get("AUTOMATE_TEST_BROKER", "redis")
    broker = BROKERS[kind](on.mill.folder / "broker")
    broker.start()
    try:
        return {"broker": kind, **_with_broker(on, broker, events, kills)}
    finally:
        broker.kill()


def _with_broker(on: Ground, broker: Broker, events: int, kills: int) -> dict[str, Any]:
    on.evidence.most_claims = 3
    on.sink.answer = lambda number, path: (time.sleep(0.02), (200, {}, {}))[1]
    on.mill.environment |= {
        "DJANGO_SETTINGS_MODULE": "tests.faults.pool_settings",
        "AUTOMATE_TEST_BROKER_URL": broker.url,
    }
    _, address = on.mill.web()
    sender = on.sender(address)
    on.mill.worker()
    performers = [_performer(on, number) for number in range(2)]
    feeding = threading.Thread(
        target=at_once,
        args=(lambda n: sender.insist(f"{n}", {"to": "a", "n": n}), range(events)),
        kwargs={"threads": 4},
    )
    feeding.start()
    moments = sorted(random.sample(range(events * 9 // 10), kills))
    broker_killed, wiped = kills // 3, kills * 2 // 3
    for number, moment in enumerate(moments):
        on.until(lambda moment=moment: len(on.sink.calls) > moment, 180 + events / 5)
        if number in {broker_killed, wiped}:
            broker.kill()
            if number == wiped:
                broker.wipe()
            broker.start()
        else:
            victim = number % 2
            performers[victim].kill()
            performers[victim] = _performer(on, len(on.mill.processes))
    feeding.join()
    settled = on.quiet(seconds=300 + events / 5)
    figures = on.figures()
    keys = defaultdict(set)
    for path, key, _ in list(on.sink.calls):
        keys[path].add(key)
    lost, repeated = events - figures["runs_succeeded"], figures["repeated_calls"]
    assert lost == 0 and len(keys) == events, figures
    assert all(len(each) == 1 for each in keys.values()), "a step was called with two idempotency keys"
    assert repeated <= kills * CONCURRENCY, figures
    return {
        "events": events, "lost": lost, "repeated": repeated, "kills": kills, "concurrency": CONCURRENCY,
        "calls": figures["calls"], "settled_after_s": round(settled, 1),
    }  # fmt: skip


def _performer(on: Ground, number: int) -> Process:
    return on.mill.start([*CELERY, "--hostname", f"performer-{number}@%h"])
