"""A call that nobody wants any more ends while the model is still thinking."""

from __future__ import annotations

import threading
import time

import pytest

from automate_core.engine.effects.performer import perform
from automate_core.models import ExecutionRun
from automate_core.runs import cancellation
from automate_egress import EgressError, HttpSession
from automate_llm.models import LLMUsage
from tests.support.walks import Slow
from tests.support.workflows import CLASSIFIES

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_silent_server_does_not_hold_a_cancelled_request(models):
    models.delay = 60
    cancelled = threading.Event()
    session = HttpSession(internal_hosts=[models.host], cancelled=cancelled.is_set)
    threading.Timer(0.3, cancelled.set).start()
    with pytest.raises(EgressError, match="Cancelled"):
        session.request("POST", f"{models.base_url('ollama')}/api/chat", json={"model": "small", "messages": []})
    assert not models.answered, "the server is still silent"


def test_cancelling_a_run_ends_its_call(models, connection, workflow, deliver):
    models.delay = 60
    connection()
    workflow(CLASSIFIES)
    deliver({"text": "x"})
    worker = Slow()
    worker.begin()
    [call] = worker.calls
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(perform(call)))
    thread.start()
    while not models.calls:
        time.sleep(0.05)
    cancellation.cancel_run(ExecutionRun.objects.get().pk, code="cancelled", message="By hand")
    worker.engine.poll_external_changes()
    thread.join(40)
    assert not thread.is_alive() and not models.answered, "the thread is free before the model has answered"
    assert outcomes[0].error.message == "Cancelled."
    assert LLMUsage.objects.get().status == "in_doubt"
