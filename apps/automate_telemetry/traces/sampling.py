"""Which traces are exported: OpenTelemetry's sampler, by its own variables. Needs the extra `otel`."""

from __future__ import annotations

import functools

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from automate_core import ids


def is_sampled(trace_id: str, traceparent: str, name: str) -> bool:
    """Whether the trace is exported, by OTEL_TRACES_SAMPLER. By default those are left out whose sender left them out.

    `traceparent` is the header that the trace came with, empty without one; `name` is that of its first span.
    """
    parent = None
    if remote := ids.remote_span_id(traceparent, trace_id):
        flags = TraceFlags(TraceFlags.SAMPLED if ids.is_sampled(traceparent) else TraceFlags.DEFAULT)
        context = SpanContext(int(trace_id, 16), int(remote, 16), is_remote=True, trace_flags=flags)
        parent = trace.set_span_in_context(NonRecordingSpan(context))
    decision = _sampler().should_sample(parent, int(trace_id, 16), name).decision
    sampled: bool = decision.is_sampled()  # type: ignore[no-untyped-call]
    return sampled


@functools.cache
def _sampler() -> Sampler:
    """The sampler that a provider reads from the variables; the provider itself makes no spans."""
    return TracerProvider(resource=Resource({}), shutdown_on_exit=False).sampler
