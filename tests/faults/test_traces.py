"""The trace of a run whose worker was killed: exported after its end, with the attempt that the crash cut off."""

from __future__ import annotations

import signal

import pytest

from automate_core import ids
from automate_core.models import ExecutionRun, TraceExport
from tests.faults.harness import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

TWO_CALLS = """
name: Effect
slug: effect
triggers: [{{endpoint: github}}]
steps:
  - {{key: before, action: data.set, inputs: {{n: 1}}}}
  - {{key: first, action: http.request, inputs: {{method: POST, url: '{url}/first'}}}}
  - {{key: second, action: http.request, inputs: {{method: POST, url: '{url}/second'}}}}
"""


@pytest.mark.extended
def test_kill_9_loses_no_span(workflow, mill, deliver, sink, collector):
    workflow(TWO_CALLS.format(url=sink.url))
    mill.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    doomed, next_one = mill.worker(AUTOMATE_FAULTS="effect.done(second)=kill"), mill.standby()
    deliver()
    assert doomed.wait() == -signal.SIGKILL
    assert not collector.spans, "the run has not ended"
    next_one.signal(signal.SIGCONT)
    wait_for(lambda: collector.spans)
    run = ExecutionRun.objects.get()
    inside = {"step before": {}, "step first": {}, "step second": {}, "step second#2": {}}
    assert (run.status, collector.tree()) == ("succeeded", {"workflow effect": inside})
    lost, repeated = collector.named("step second")
    assert (lost.attributes["error.type"], lost.failed, repeated.failed) == ("interrupted", True, False)
    assert [each.span_id for each in (lost, repeated)] == [ids.attempt_span_id(run.id, "second", n) for n in (1, 2)]
    wait_for(lambda: not TraceExport.objects.exists())
