"""An OpenTelemetry collector: it decodes OTLP over HTTP and keeps what comes, in requests and as spans by their ids."""

from __future__ import annotations

import gzip
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Received:
    """A span as it came: ids in hexadecimal digits, attributes as a dict, times in nanoseconds."""

    trace_id: str
    span_id: str
    parent: str
    name: str
    kind: int
    start: int
    end: int
    attributes: dict[str, Any]
    events: list[tuple[str, int, dict[str, Any]]]
    links: list[str]
    failed: bool
    resource: dict[str, Any] = field(default_factory=dict)


class TestCollector:
    """`spans` are those that came, by id; `requests` their ids by request, `headers` and `raw` those of the requests."""

    __test__ = False

    def __init__(self) -> None:
        self.spans: dict[str, Received] = {}
        self.requests: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.status = 200
        self.delay = 0.0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if collector.delay:
                    time.sleep(collector.delay)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                if self.path == "/v1/traces" and collector.status == 200:
                    collector.take(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, body: bytes) -> None:
        """Decode a request."""
        self.raw.append(body)
        here = []
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _attributes(of_resource.resource.attributes)
            for span in (span for scope in of_resource.scope_spans for span in scope.spans):
                made = Received(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    span.kind,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _attributes(span.attributes),
                    [(each.name, each.time_unix_nano, _attributes(each.attributes)) for each in span.events],
                    [link.span_id.hex() for link in span.links],
                    span.status.code == 2,
                    resource,
                )
                self.spans[made.span_id] = made
                here.append(made.span_id)
        self.requests.append(here)

    def named(self, name: str) -> list[Received]:
        """The spans of that name, in order of their beginnings."""
        return sorted((each for each in self.spans.values() if each.name == name), key=lambda each: each.start)

    def one(self, name: str) -> Received:
        """The only span of that name."""
        [found] = self.named(name)
        return found

    def tree(self) -> dict[str, Any]:
        """Names of spans by those of their parents, nested; several of one name are one entry each, `name#2`."""
        return self._below("")

    def _below(self, parent: str) -> dict[str, Any]:
        known = set(self.spans)
        below = sorted(
            (each for each in self.spans.values() if (each.parent if each.parent in known else "") == parent),
            key=lambda each: (each.start, each.name),
        )
        found: dict[str, Any] = {}
        for each in below:
            count = sum(1 for name in found if name.partition("#")[0] == each.name)
            found[f"{each.name}#{count + 1}" if count else each.name] = self._below(each.span_id)
        return found

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@pytest.fixture
def collector(settings: Any) -> Any:
    """A collector that traces are sent to."""
    made = TestCollector()
    settings.AUTOMATE_OTLP_ENDPOINT = made.url
    yield made
    made.close()
