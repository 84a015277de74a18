"""Traces: what a collector receives of runs, after their commit, at least once, whatever becomes of it or of workers."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from opentelemetry.sdk.trace import TracerProvider

from automate_connectors import outbound
from automate_core import ids
from automate_core.api import emit
from automate_core.models import Event, ExecutionRun, StepRun, TraceExport, Wait
from automate_core.outbox.store import OutboxStore
from automate_core.runs import control
from automate_operations.statistics import rollup
from automate_telemetry.traces import collector as configuration
from automate_telemetry.traces import site_export, trace_export, trace_queue
from automate_telemetry.traces.trace_export import TraceExporter
from tests.support.walks import settle

pytestmark = pytest.mark.django_db(transaction=True)

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
SECRET_WORD = "swordfish-in-a-payload"

SET = "  - {key: a, action: data.set, inputs: {n: 1}}"
SAYS = "  - {key: a, action: data.set, inputs: {n: '{{ event.payload.word }}'}}"
LOOP = """  - kind: for_each
    key: each
    items: [1, 2]
    steps:
      - kind: branch
        key: odd
        arms:
          - key: one
            when: {'==': [{var: item}, 1]}
            steps: [{key: note, action: data.set, inputs: {n: '{{ item }}'}}]"""
INNER = "name: Inner\nslug: inner\ntriggers: []\nsteps:\n  - {key: b, action: data.set, inputs: {n: 1}}"
CALL = "  - {kind: workflow, key: call, workflow: inner, wait: true, payload: {n: 1}}"
WAIT = "  - {kind: wait, key: pause, duration: 1h}"


@pytest.fixture
def export():
    """Count what has ended, and export it, as a worker's threads do."""

    def go(exporter=None):
        rollup.count_ended_runs()
        (exporter or TraceExporter()).run_once()

    return go


def only(kind):
    return ExecutionRun.objects.get(workflow__slug=kind)


# --- the tree ---------------------------------------------------------------------------------------------------------


def test_a_run_is_a_span_below_the_request_that_brought_its_event(publish, deliver, drain, collector, export):
    publish(SAYS)
    deliver({"word": SECRET_WORD}, headers={"traceparent": TRACEPARENT})
    drain()
    export()
    run, span = only("flow"), collector.one("workflow flow")
    assert (span.trace_id, span.parent, span.span_id) == (TRACE, CALLER, ids.run_span_id(run.id))
    assert collector.tree() == {"workflow flow": {"step a": {}}}
    assert span.attributes["automate.run.id"] == str(run.id)
    assert (span.attributes["automate.event.source"], span.failed) == ("webhook:github", False)
    assert SECRET_WORD not in str(span.attributes), "of what the sender wrote, the type alone is exported"
    assert span.attributes["automate.event.type"] == Event.objects.get().type != ""
    assert span.resource["service.name"] == "django-automate"
    [(name, _, attributes)] = span.events
    assert (name, attributes["automate.queue.seconds"] >= 0) == ("automate.run.started", True)
    event = Event.objects.get()
    assert (
        span.start == int(event.received_at.timestamp() * 1e6) * 1000
        or abs(span.start / 1e9 - event.received_at.timestamp()) < 0.001
    )
    assert not TraceExport.objects.exists(), "what was accepted is done"


def test_payloads_are_never_sent(publish, deliver, drain, collector, export):
    publish(SAYS + "\n  - {kind: stop, key: no, outcome: failed, message: 'Word: {{ event.payload.word }}'}")
    deliver({"word": SECRET_WORD})
    drain()
    export()
    assert collector.one("workflow flow").attributes["error.type"] == only("flow").error["code"]
    assert collector.one("workflow flow").failed
    assert not any(SECRET_WORD.encode() in body for body in collector.raw)


def test_loops_and_branches_are_nested(publish, run, collector, export):
    publish(LOOP)
    run()
    export()
    inside = {"step odd": {"step note": {}}, "step odd#2": {}}
    assert collector.tree() == {"workflow flow": {"step each": inside}}
    first, second = collector.named("step odd")
    assert [each.attributes["automate.loop.index"] for each in (first, second)] == [0, 1]
    assert collector.one("step note").attributes["automate.step.path"] == "each[0]/odd/note"
    assert collector.one("step each").attributes["automate.step.kind"] == "for_each"


def test_a_sub_run_is_below_the_step_that_called_it(publish, workflow, run, collector, export):
    workflow(INNER)
    publish(CALL)
    run()
    export()
    assert collector.tree() == {"workflow flow": {"step call": {"workflow inner": {"step b": {}}}}}
    assert len({span.trace_id for span in collector.spans.values()}) == 1


def test_a_run_that_another_ones_end_started_is_below_that(publish, drain, deliver, collector, export):
    publish(SET)
    publish(SET, slug="after", triggers="[{kind: run, workflow: flow, on: succeeded}]")
    deliver({})
    settle(drain)
    export()
    assert collector.tree() == {"workflow flow": {"step a": {}, "workflow after": {"step a": {}}}}


def test_attempts_and_the_waits_between_them_are_siblings(publish, deliver, drain, sink, later, collector, export):
    retry = "{attempts: 2, base: 60}"
    publish(f"  - {{key: ask, action: http.request, inputs: {{method: POST, url: '{sink.url}/x'}}, retry: {retry}}}")
    sink.answer = lambda number, path: (500 if number == 1 else 200, {}, {})
    deliver({})
    drain()
    later(3_600)
    OutboxStore().wake_due()
    drain()
    export()
    assert collector.tree() == {"workflow flow": {"step ask": {}, "wait retry": {}, "step ask#2": {}}}
    first, second = collector.named("step ask")
    assert (first.failed, first.attributes["error.type"], second.failed) == (True, "http_500", False)
    assert [each.kind for each in (first, second)] == [3, 3], "calls of others are of the kind CLIENT"
    assert first.attributes["automate.action"] == "http.request"
    run = only("flow")
    assert [each.span_id for each in (first, second)] == [ids.attempt_span_id(run.id, "ask", n) for n in (1, 2)]


def test_a_wait_is_inside_its_step(publish, deliver, drain, later, collector, export):
    publish(WAIT)
    deliver({})
    drain()
    export()
    assert not collector.spans, "a run that waits has not ended"
    later(3_600)
    OutboxStore().wake_due()
    drain()
    export()
    assert collector.tree() == {"workflow flow": {"step pause": {"wait timer": {}}}}
    wait, span = Wait.objects.get(), collector.one("wait timer")
    assert (span.span_id, span.attributes["automate.wait.status"]) == (ids.wait_span_id(wait.id), wait.status)


def test_a_rerun_is_linked_to_its_run_and_repeats_no_span(publish, run, owner, collector, export):
    publish(SET + "\n  - {kind: stop, key: no, outcome: failed, message: no}")
    failed = run({"word": "x"})
    again = control.rerun(failed, by=owner)
    export()
    before = set(collector.spans)
    OutboxStore().wake_due()
    from automate_core.worker.worker import Worker

    Worker(concurrency=4, drain=True, name="test").run()
    export()
    new = [collector.spans[each] for each in set(collector.spans) - before]
    assert sorted(each.name for each in new) == ["step no", "workflow flow"]
    [span] = [each for each in new if each.name == "workflow flow"]
    assert (span.span_id, span.links) == (ids.run_span_id(again.id), [ids.run_span_id(failed.id)])


# --- other systems ----------------------------------------------------------------------------------------------------


@pytest.fixture
def post(publish, deliver, drain, sink):
    """Run a workflow that posts to the sink; gives the headers that came."""

    def go(headers=""):
        publish(f"  - {{key: ask, action: http.request, inputs: {{method: POST, url: '{sink.url}/x'{headers}}}}}")
        deliver({})
        drain()
        assert only("flow").status == "succeeded"
        return sink.headers[-1]

    return go


def test_calls_of_internal_hosts_tell_them_the_attempt(post, collector, export):
    sent = post()["traceparent"]
    run = only("flow")
    assert sent == f"00-{run.trace_id}-{ids.attempt_span_id(run.id, 'ask', 1)}-01"
    export()
    assert collector.one("step ask").span_id == sent.split("-")[2]


def test_the_decision_of_the_sender_is_passed_on(publish, deliver, drain, sink, collector):
    publish(f"  - {{key: ask, action: http.request, inputs: {{method: POST, url: '{sink.url}/x'}}}}")
    deliver({}, headers={"traceparent": f"00-{TRACE}-{CALLER}-00"})
    drain()
    assert sink.headers[-1]["traceparent"] == f"00-{TRACE}-{ids.attempt_span_id(only('flow').id, 'ask', 1)}-00"


def test_a_header_of_the_step_itself_stays(post, collector):
    assert post(f", headers: {{traceparent: '{TRACEPARENT}'}}")["traceparent"] == TRACEPARENT


def test_hosts_that_are_not_listed_are_not_told(post, collector, settings):
    settings.AUTOMATE_TRACEPARENT_HOSTS = ["*.example.com"]
    assert "traceparent" not in post()


def test_without_an_export_no_host_is_told(post):
    assert "traceparent" not in post()


@pytest.mark.parametrize(
    ("host", "hosts", "told"),
    [
        ("shop.internal", ["internal"], True),
        ("api.example.com", ["internal"], False),
        ("API.Example.com", ["api.example.com"], True),
        ("api.example.com", ["*.example.com"], True),
        ("example.com", ["*.example.com"], False),
        ("badexample.com", ["*.example.com"], False),
        ("api.example.com", ["*"], True),
        ("api.example.com", [], False),
    ],
)
def test_which_hosts_are_told(host, hosts, told, settings):
    settings.AUTOMATE_EGRESS_ALLOW = ["shop.internal:443"]
    assert outbound.is_traced_host(host, 443, hosts) is told


def test_events_of_code_inside_a_span_belong_to_its_trace(publish, drain, collector, export):
    publish(SET, triggers="[{kind: event, event: order.paid}]")
    with TracerProvider(shutdown_on_exit=False).get_tracer("shop").start_as_current_span("checkout") as span:
        emit("order.paid", {})
    emit("order.paid", {})
    drain()
    export()
    inside, outside = collector.named("workflow flow")
    context = span.get_span_context()
    assert (inside.trace_id, inside.parent) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert (outside.trace_id != inside.trace_id, outside.parent) == (True, "")


# --- exporting --------------------------------------------------------------------------------------------------------


def test_without_a_collector_nothing_is_kept(publish, run, export):
    publish(SET)
    run()
    export()
    assert not TraceExport.objects.exists()
    assert site_export.trace_tasks() == ()


def test_what_a_collector_did_not_take_is_sent_again_with_the_same_ids(publish, run, collector, export):
    publish(SET)
    run()
    collector.status = 503
    exporter = TraceExporter()
    export(exporter)
    assert (collector.spans, TraceExport.objects.count()) == ({}, 1)
    collector.status = 200
    assert exporter.run_once() is None, "it pauses"
    assert not collector.spans
    TraceExporter().run_once()
    assert collector.tree() == {"workflow flow": {"step a": {}}}
    trace_queue.release([])
    TraceExport.objects.create(run=only("flow"))
    TraceExporter().run_once()
    assert sorted(collector.requests[0]) == sorted(collector.requests[1]), "twice the same spans"


def test_an_export_that_a_crash_cut_off_is_taken_up_after_its_lease(publish, run, collector, export):
    publish(SET)
    run()
    rollup.count_ended_runs()
    assert trace_queue.claim(10) == [only("flow").id]
    TraceExporter().run_once()
    assert not collector.spans, "it is another worker's as long as its lease lasts"
    TraceExport.objects.update(due_at=timezone.now())
    TraceExporter().run_once()
    assert len(collector.spans) == 2


def test_content_that_a_collector_cannot_take_is_dropped(publish, run, collector, export):
    publish(SET)
    run()
    collector.status = 400
    export()
    assert not TraceExport.objects.exists()


def test_traces_that_are_too_old_are_dropped(publish, run, collector, settings, export):
    publish(SET)
    run()
    rollup.count_ended_runs()
    ended = only("flow")
    ExecutionRun.objects.filter(pk=ended.pk).update(finished_at=timezone.now() - dt.timedelta(hours=25))
    TraceExporter().run_once()
    assert not collector.spans
    assert not TraceExport.objects.exists()


@pytest.mark.extended
def test_a_slow_collector_holds_up_no_run_and_no_other_task(publish, deliver, working, collector):
    publish(SET)
    collector.delay = 20.0
    working()
    deliver({})
    _wait_for(lambda: TraceExport.objects.filter(due_at__gt=timezone.now()).exists())  # being exported
    deliver({})
    _wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 2)
    _wait_for(lambda: TraceExport.objects.count() == 2)  # also the statistics go on
    assert not collector.spans


def test_a_run_whose_trace_cannot_be_made_keeps_no_other(publish, workflow, run, collector, export, monkeypatch):
    publish(SET)
    bad, good = run(), run()
    real = trace_export.run_spans

    def make(rows, find_step):
        if rows.run.id == bad.id:
            raise ValueError
        return real(rows, find_step)

    monkeypatch.setattr(trace_export, "run_spans", make)
    export()
    assert [each.span_id for each in collector.named("workflow flow")] == [ids.run_span_id(good.id)]
    assert not TraceExport.objects.exists()


def test_a_rebuild_of_the_statistics_loses_no_trace(publish, run, collector):
    publish(SET)
    run()
    rollup.rebuild_statistics(timezone.now())
    TraceExporter().run_once()
    assert len(collector.spans) == 2


def test_traces_that_their_sender_left_out_are_left_out(publish, deliver, drain, collector, export):
    publish(SET)
    deliver({}, headers={"traceparent": f"00-{TRACE}-{CALLER}-00"})
    drain()
    export()
    assert (collector.spans, TraceExport.objects.count()) == ({}, 0)


def test_many_spans_are_several_requests(publish, run, collector, export, monkeypatch):
    monkeypatch.setattr(trace_export, "SPANS_PER_REQUEST", 3)
    publish(LOOP)
    run()
    export()
    assert [len(each) for each in collector.requests] == [3, 2]
    assert StepRun.objects.count() == 4


# --- settings ---------------------------------------------------------------------------------------------------------


def test_the_variables_of_opentelemetry_are_read(monkeypatch):
    assert configuration.configured_collector() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318/")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x, x-team = a")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "3")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    found = configuration.configured_collector()
    assert (found.url, found.place, found.seconds) == ("http://otel:4318/v1/traces", "otel:4318", 3.0)
    assert (found.headers, found.compresses) == ({"authorization": "Bearer x", "x-team": "a"}, True)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example/otlp")
    assert configuration.configured_collector().url == "https://traces.example/otlp"
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert configuration.configured_collector() is None


def test_the_setting_comes_before_the_variables(monkeypatch, settings):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318")
    settings.AUTOMATE_OTLP_ENDPOINT = "http://mine:4318"
    assert configuration.configured_collector().url == "http://mine:4318/v1/traces"
    settings.AUTOMATE_OTLP_ENDPOINT = ""
    assert configuration.configured_collector() is None


def test_headers_and_compression_are_used(publish, run, collector, export, settings, monkeypatch):
    settings.AUTOMATE_OTLP_HEADERS = {"x-token": "t"}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    publish(SET)
    run()
    export()
    [headers] = collector.headers
    assert (headers["x-token"], headers["content-type"]) == ("t", "application/x-protobuf")
    assert (headers["content-encoding"], len(collector.spans)) == ("gzip", 2)


def _wait_for(condition):
    from tests.support.processes import wait_for

    return wait_for(condition)
