"""Spans as a request of the OpenTelemetry protocol (OTLP), in protobuf. Needs the extra `otel`."""

from __future__ import annotations

import datetime as dt
import functools
import importlib.metadata
import os
from collections.abc import Sequence

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from automate_telemetry.traces.trace_spans import Kind, Span

CONTENT_TYPE = "application/x-protobuf"
_PACKAGE = "django-automate"
_KINDS = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.CLIENT: SpanKind.CLIENT, Kind.CONSUMER: SpanKind.CONSUMER}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def encode(spans: Sequence[Span]) -> bytes:
    """The body of a request that exports these spans."""
    body: bytes = encode_spans([_readable(span) for span in spans]).SerializeToString()
    return body


def rejected(answer: bytes) -> tuple[int, str]:
    """The number of spans that a collector rejected in an answer of success, and its reason."""
    try:
        result = ExportTraceServiceResponse.FromString(answer).partial_success
    except DecodeError:  # not OTLP: its status says that it took them
        return 0, ""
    return result.rejected_spans, result.error_message


@functools.cache
def _resource() -> Resource:
    """The service, with what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say of it."""
    named = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {SERVICE_NAME: _PACKAGE, SERVICE_VERSION: _version()})


@functools.cache
def _scope() -> InstrumentationScope:
    return InstrumentationScope("automate_core", _version())


@functools.cache
def _version() -> str:
    try:
        return importlib.metadata.version(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _readable(span: Span) -> ReadableSpan:
    attributes = {**span.attributes, **({"error.type": span.error} if span.error else {})}
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id),
        parent=_context(span.trace_id, span.parent) if span.parent else None,
        resource=_resource(),
        attributes=attributes,
        events=[Event(each.name, each.attributes, _nanoseconds(each.at)) for each in span.events],
        links=[Link(_context(trace_id, span_id)) for trace_id, span_id in span.links],
        kind=_KINDS[span.kind],
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
        start_time=_nanoseconds(span.start),
        end_time=_nanoseconds(span.end),
        instrumentation_scope=_scope(),
    )


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(at: dt.datetime) -> int:
    return (at - _EPOCH) // dt.timedelta(microseconds=1) * 1_000
