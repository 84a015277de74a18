"""What docs/python-api.md and docs/triggers.md print for Python runs as it stands there."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.utils import timezone

from automate_core import api
from automate_core.models import Event
from tests.conftest import ROOT

REFUND = """
name: Refund
slug: refund
triggers:
  - kind: manual
    key: by_hand
    inputs: [{name: order, label: Order, kind: number}, {name: reason, label: Reason, kind: text}]
steps:
  - kind: branch
    key: known
    arms: [{key: no, when: {'==': [{var: event.payload.order}, 0]}, steps: [{kind: stop, key: none, outcome: failed, message: None}]}]
  - {kind: approval, key: manager_approval, assignees: [owner], timeout: 2d, form: [{name: amount, label: Amount, kind: number}]}
"""


def _blocks(page):
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", written, re.MULTILINE | re.DOTALL)


@pytest.fixture
def printed(owner):
    """Run a block with the names of the reader's project and of the blocks before it."""
    said = []
    names = {
        "request": SimpleNamespace(user=owner),
        "messages": SimpleNamespace(info=lambda request, message: said.append(message)),
        "order": SimpleNamespace(pk=17, pay=lambda: None),
        "timezone": timezone, "timedelta": timedelta, "transaction": transaction,
    }  # fmt: skip

    def perform(block, **known):
        names.update(known)
        exec(compile(block, "docs", "exec"), names)  # noqa: S102 - our own documentation
        return SimpleNamespace(**names, said=said)

    return perform


@pytest.mark.django_db(transaction=True)
def test_each_block_of_the_python_api_does_what_its_section_says(printed, workflow, drain):
    workflow(REFUND)
    begin, wait, listing, cancelling, rerunning, emitting, deciding = _blocks("python-api.md")
    first = printed(begin).refund
    drain()
    waiting = printed(wait.replace("wait=10", "wait=0.1"))
    assert waiting.refund.id == first.id and not waiting.refund.has_ended
    assert waiting.said == [f"The refund is still in progress: {waiting.refund.url}"]
    assert printed(deciding).refund.id == first.id
    drain()
    assert (api.run(first.id).status, api.run(first.id).outputs["manager_approval"]["form"]) == (
        "succeeded",
        {"amount": 12},
    )

    refused = [api.start("refund", {"order": 0}).event_id for _ in range(2)]
    drain()
    listed = printed(listing)
    assert [str(each.id) for each in listed.failed] == refused[::-1] and listed.older == []
    again = printed(rerunning, refund=api.run(refused[0])).again
    assert (again.workflow, again.status) == ("refund", "queued")
    cancelled = printed(cancelling).started.event_id
    drain()
    assert api.run(cancelled).status == "cancelled"
    printed(emitting)
    assert Event.objects.get(type="order.paid").payload == {"order": 17}


@pytest.mark.django_db(transaction=True)
def test_each_block_about_triggers_works(printed, workflow, drain):
    workflow(REFUND)
    models, emitting, types, starting = _blocks("triggers.md")
    assert printed(models).AUTOMATE_MODEL_TRIGGERS and printed(types).AUTOMATE_EVENT_TYPES
    for _ in range(2):
        printed(emitting)
    assert Event.objects.filter(type="order.paid").count() == 1
    started = printed(starting).started
    drain()
    assert api.run(started.event_id).status == "waiting"
