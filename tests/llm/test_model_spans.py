"""Model calls in traces: the model and its tokens by OpenTelemetry's conventions, and no word of what was said."""

from __future__ import annotations

import pytest

from automate_llm.models import LLMUsage
from automate_operations.statistics import rollup
from automate_telemetry.traces.trace_export import TraceExporter
from tests.support.walks import settle
from tests.support.workflows import CLASSIFIES

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_model_call_is_a_span_below_its_attempt(workflow, connection, models, deliver, drain, collector):
    answers = iter(['{"label": "no such label"}', '{"label": "bug"}'])
    models.say = lambda call: next(answers)  # the first answer is corrected by a second call
    connection()
    workflow(CLASSIFIES)
    deliver({"text": "swordfish-in-a-prompt"})
    settle(drain)
    rollup.count_ended_runs()
    TraceExporter().run_once()
    rows = list(LLMUsage.objects.order_by("call"))
    spans = collector.named("chat small")
    assert len(spans) == len(rows) == 2
    attempt = collector.one("step kind")
    for span, row in zip(spans, rows, strict=True):
        assert (span.parent, span.kind, span.failed) == (attempt.span_id, 3, False)
        assert {name: value for name, value in span.attributes.items() if name.startswith("gen_ai.")} == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": models.host,
            "gen_ai.request.model": "small",
            "gen_ai.usage.input_tokens": row.tokens_in,
            "gen_ai.usage.output_tokens": row.tokens_out,
        }
    assert spans[0].end == spans[1].start < spans[1].end == attempt.end
    for word in (b"swordfish", b"no such label"):
        assert not any(word in body for body in collector.raw)
