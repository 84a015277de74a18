"""Rows of which metrics are made."""

from __future__ import annotations

import datetime as dt
import uuid

from automate_connectors.models import Connection
from automate_core import database
from automate_core.api import emit
from automate_core.models import HandedOutStep, PollState, PoolConsumer, Pruning, RefusedDeliveries, Wait
from automate_llm.models import LLMUsage
from tests.support.runs import ended_runs, published_workflows


def hand_out(pool, **values):
    """A step that waits for a pool."""
    return HandedOutStep.objects.create(
        id=uuid.uuid4(), run_id=uuid.uuid4(), path="call", attempt=1, pool=pool, params={}, seconds=15, most_claims=3,
        **values,
    )  # fmt: skip


def fill_metrics(owner):
    """One or two of everything that has metrics."""
    [flow] = published_workflows(owner, "Flow")
    now = database.now()
    emit("order.paid", {})
    ended_runs(flow, 1)
    ended_runs(flow, 1, status="failed")
    for path in ("ask", "again"):
        Wait.objects.create(run_id=uuid.uuid4(), path=path, kind="approval", created_at=now - dt.timedelta(seconds=60))
    Wait.objects.create(run_id=uuid.uuid4(), path="over", kind="timer", status="resolved")
    Connection.objects.create(name="Shop", slug="shop", connector="http", health="failing", owner=owner)
    RefusedDeliveries.objects.create(reason="signature", day=now.date(), count=5, last_at=now)
    RefusedDeliveries.objects.create(reason="size", day=now.date() - dt.timedelta(days=3), count=9, last_at=now)
    late = now - dt.timedelta(seconds=120)
    times = {"seconds": 60, "next_at": late, "due_since": late}
    PollState.objects.create(workflow=flow, key="poll", poll="rss.item", digest="1", failures=2, **times)
    Pruning.objects.create(by="worker", ended_at=now, stage=12, counts={"runs": 4})
    Pruning.objects.create(by="worker", stage=6, counts={"runs": 9, "steps": 30})
    for performer in ("", "", "gpu-1"):
        hand_out("gpu", created_at=late, performer=performer, claimed_at=now if performer else None)
    PoolConsumer.objects.create(name="gpu-1", pool="gpu", slots=4, seen_at=now)
    PoolConsumer.objects.create(name="gone", pool="gpu", slots=4, seen_at=now - dt.timedelta(hours=1))
    call = {"provider": "openai", "at": now, "tokens_in": 100, "tokens_out": 20, "cost": "0.25", "status": "answered"}
    LLMUsage.objects.create(model="m", day=dt.date.today(), **call)
    LLMUsage.objects.create(model="old", day=dt.date.today() - dt.timedelta(days=2), **call)
    return now
