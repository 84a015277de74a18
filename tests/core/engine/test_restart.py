"""Running again from a step, through the worker: what is recorded before it stands, and is not done again."""

from __future__ import annotations

import pytest

from automate_core.models import ExecutionRun, StepRun, Wait
from automate_core.runs import control
from automate_core.runs.waits import approvals

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def play(workflow, deliver, drain, sink):
    """Publish and run a workflow whose calls go to the sink; `broken` paths answer 422 until `mend`."""
    broken = set()

    def answer(number, path):
        return (422, {"error": "broken"}, {}) if path in broken else (200, {"path": path}, {})

    sink.answer = answer

    def start(steps, *, breaking=(), payload=None):
        broken.update(breaking)
        text = f"name: P\nslug: p\ntriggers: [{{endpoint: github}}]\nsteps:\n{steps}".replace("SINK", sink.url)
        made = workflow(text)
        deliver(payload)
        drain()
        return made, ExecutionRun.objects.get()

    start.mend = broken.clear
    return start


def _call(key, indent=2, more=""):
    pad = " " * indent
    return f"{pad}- {{key: {key}, action: http.request, inputs: {{method: POST, url: 'SINK/{key}'}}{more}}}\n"


def _called(sink):
    called = [path for path, *_ in sink.calls]
    sink.calls.clear()
    return called


def _again(run, owner, drain, **options):
    again = control.rerun(run, by=owner, **options)
    drain()
    again.refresh_from_db()
    return again


def test_from_the_failed_step_in_a_route(play, owner, drain, sink):
    steps = (
        _call("first")
        + "  - kind: branch\n    key: route\n    arms:\n      - key: yes_please\n        when: {'==': [1, 1]}\n        steps:\n"
        + _call("inner", 10)
        + _call("broken", 10)
        + _call("last")
    )
    _, run = play(steps, breaking={"/broken"})
    assert (run.status, _called(sink)) == ("failed", ["/first", "/inner", "/broken"])
    play.mend()
    again = _again(run, owner, drain)
    assert (again.status, _called(sink)) == ("succeeded", ["/broken", "/last"])
    assert StepRun.objects.get(run=again, path="route").output == {"route": "yes_please"}
    once_more = _again(again, owner, drain, start="route")
    assert (once_more.status, _called(sink)) == ("succeeded", ["/inner", "/broken", "/last"])
    all_of_it = _again(again, owner, drain, start="start")
    assert (all_of_it.status, len(_called(sink))) == ("succeeded", 4)


def test_iterations_that_ended_well_are_kept(play, owner, drain, sink):
    steps = (
        "  - kind: for_each\n    key: each\n    items: '{{ event.payload.names }}'\n    steps:\n"
        "      - {key: call, action: http.request, inputs: {method: POST, url: 'SINK/{{ item }}'}}\n"
        "      - {key: after, action: http.request, inputs: {method: POST, url: 'SINK/after-{{ item }}'}}\n"
        + _call("last")
    )
    _, run = play(steps, breaking={"/b"}, payload={"names": ["a", "b", "c"]})
    assert (run.status, _called(sink)) == ("failed", ["/a", "/after-a", "/b"])
    play.mend()
    again = _again(run, owner, drain)
    assert (again.status, _called(sink)) == ("succeeded", ["/b", "/after-b", "/c", "/after-c", "/last"])
    assert len(StepRun.objects.get(run=again, path="each").output) == 3
    third = _again(again, owner, drain, start="each[1]/after")
    assert (third.status, _called(sink)) == ("succeeded", ["/after-b", "/last"])


def test_tracks_that_ended_well_are_kept(play, owner, drain, sink):
    steps = (
        "  - kind: parallel\n    key: both\n    limit: 1\n    arms:\n      - key: one\n        steps:\n"
        + _call("a", 10)
        + _call("b", 10)
        + "      - key: two\n        steps:\n"
        + _call("c", 10)
        + _call("last")
    )
    _, run = play(steps)
    assert sorted(_called(sink)) == ["/a", "/b", "/c", "/last"]
    again = _again(run, owner, drain, start="both/b")
    assert (again.status, _called(sink)) == ("succeeded", ["/b", "/last"])


def test_from_inside_what_an_error_led_to(play, owner, drain, sink):
    steps = (
        "  - kind: try\n    key: attempt\n    steps:\n"
        + _call("risky", 6)
        + "    on_error:\n"
        + _call("note", 6)
        + _call("repair", 6)
        + "    always:\n"
        + _call("clean", 6)
        + _call("last")
    )
    _, run = play(steps, breaking={"/risky", "/repair"})
    assert (run.status, run.error["step"]) == ("failed", "repair")
    assert _called(sink) == ["/risky", "/note", "/repair", "/clean"]
    play.mend()
    again = _again(run, owner, drain)
    assert (again.status, _called(sink)) == ("succeeded", ["/repair", "/clean", "/last"])
    assert StepRun.objects.get(run=again, path="attempt").output["error"]["code"] == "http_422"


def test_a_failure_that_was_dealt_with_is_not_repeated(play, owner, drain, sink):
    steps = _call("soft", more=", on_error: {value: {body: none}}") + _call("broken") + _call("last")
    _, run = play(steps, breaking={"/soft", "/broken"})
    assert _called(sink) == ["/soft", "/broken"]
    play.mend()
    assert (_again(run, owner, drain).status, _called(sink)) == ("succeeded", ["/broken", "/last"])


def test_from_inside_the_steps_of_a_failed_action(play, owner, drain, sink):
    steps = (
        "  - key: risky\n    action: http.request\n    inputs: {method: POST, url: 'SINK/risky'}\n    on_error:\n      steps:\n"
        + _call("note", 8)
        + _call("repair", 8)
        + _call("last")
    )
    _, run = play(steps, breaking={"/risky", "/repair"})
    assert _called(sink) == ["/risky", "/note", "/repair"]
    play.mend()
    assert (_again(run, owner, drain).status, _called(sink)) == ("succeeded", ["/repair", "/last"])


def test_on_the_newest_version_what_is_the_same_stands(play, workflow, owner, drain, sink):
    play(_call("first") + _call("broken") + _call("last"), breaking={"/broken"})
    _called(sink)
    mended = _call("first") + _call("added") + _call("broken").replace("/broken'", "/mended'") + _call("last")
    workflow(f"name: P\nslug: p\ntriggers: [{{endpoint: github}}]\nsteps:\n{mended}".replace("SINK", sink.url))
    again = _again(ExecutionRun.objects.get(), owner, drain, version="newest")
    assert (again.status, _called(sink)) == ("succeeded", ["/added", "/mended", "/last"])


def test_a_decision_is_kept_for_what_follows_from_it(play, owner, drain, sink):
    steps = (
        "  - kind: approval\n    key: ask\n    assignees: [owner]\n    timeout: 1h\n    outcomes:\n"
        "      - key: approved\n        steps:\n" + _call("pay", 10) + "      - key: rejected\n"
    )
    _, run = play(steps, breaking={"/pay"})
    assert run.status == "waiting"
    approvals.decide_approval(Wait.objects.get(), by=owner, outcome="approved")
    drain()
    run.refresh_from_db()
    assert (run.status, run.error["step"], _called(sink)) == ("failed", "pay", ["/pay"])
    play.mend()
    again = _again(run, owner, drain)
    assert (again.status, _called(sink)) == ("succeeded", ["/pay"])
    assert StepRun.objects.get(run=again, path="ask").output["by"] == "owner"


def test_variables_and_outputs_are_seen_by_what_is_done_again(play, owner, drain, sink):
    steps = (
        "  - {key: keep, action: data.set, inputs: {n: 7}, save_as: kept}\n"
        "  - {key: call, action: http.request, inputs: {method: POST, url: 'SINK/broken',"
        " json: {n: '{{ steps.keep.output.n }}', v: '{{ vars.kept.n }}'}}}\n"
    )
    _, run = play(steps, breaking={"/broken"})
    play.mend()
    sink.calls.clear()
    _again(run, owner, drain)
    assert [body for *_, body in sink.calls] == [{"n": 7, "v": 7}]


def test_a_stop_that_failed_the_run_is_come_to_again(play, owner, drain, sink):
    _, run = play(_call("first") + "  - {kind: stop, key: refuse, outcome: failed, message: No}\n")
    _called(sink)
    again = _again(run, owner, drain)
    assert (again.status, again.error["message"], _called(sink)) == ("failed", "No", [])
