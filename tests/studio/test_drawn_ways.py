"""A diagram's lines are the ways of its runs, on the workflow page, in the builder and on the run page."""

from __future__ import annotations

import pytest
from django.urls import reverse

from automate_core.definition.document import ActionStep
from automate_core.models import ExecutionRun
from automate_core.runs import control
from automate_core.runs.waits import approvals
from automate_core.webhooks.callback_urls import callback_url
from automate_studio.view_models.step_card import card_sentence
from tests.support.builder import Builder
from tests.support.diagrams import diagram, elements, taken_routes

pytestmark = pytest.mark.django_db(transaction=True)

SET = "action: data.set, inputs: {a: 1}"
WAYS = f"""
name: Ways
slug: ways
triggers: [{{endpoint: github}}]
steps:
  - {{key: save, {SET}, on_error: {{steps: [{{key: instead, {SET}}}]}}}}
  - kind: wait
    key: wait
    callback: true
    timeout: 1h
    on_timeout: [{{key: late, {SET}}}, {{kind: stop, key: halt}}]
  - kind: approval
    key: ask
    assignees: [owner]
    outcomes:
      - {{key: refused, name: Refuse, steps: [{{kind: stop, key: refuse}}]}}
      - {{key: agreed, name: Agree, steps: []}}
      - {{key: unsure, name: Unsure, steps: [{{kind: stop, key: doubt}}]}}
    timeout: 1h
    on_timeout: [{{kind: stop, key: silent}}]
  - {{kind: wait, key: page, form: [{{name: a}}], timeout: 1h, on_timeout: []}}
  - {{key: last, {SET}}}
"""


def _ways(builder):
    """The same in all places; empty routes of the builder take steps."""
    empty = ["|"] if builder else []
    tail = ["|"] if builder else []
    end = [" "] if builder else []
    return [
        "trigger", "|", "save",
        "|", [("Succeeded", "v<>", []), ("On error", "v<>", ["|", "save-instead", *tail])],
        "|", "wait",
        "|", [("Answered", "v<>", []), ("No response in time", "", ["|", "wait-late", "|", "wait-halt", *end])],
    ], [
        "|", "ask",
        "|", [
            ("Refuse", "<", ["|", "ask-refuse", *end]),
            ("Agree", "v>", empty),
            ("Unsure", "", ["|", "ask-doubt", *end]),
            ("No response in time", ">", ["|", "ask-silent", *end]),
        ],
        "|", "page", "|", [("Answered", "v<>", []), ("No response in time", "v<>", empty)],
        "|", "last", "|", "End",
    ]  # fmt: skip


def _expected(builder=False):
    first, then = _ways(builder)
    return _plain([*first, *then])


def _plain(parts):
    """Without the outer halves, at which nothing is drawn in any case."""
    found = []
    for part in parts:
        if isinstance(part, list):
            last = len(part) - 1
            part = [
                (
                    name,
                    "".join(w for w in ways if not (at == 0 and w == "<") and not (at == last and w == ">")),
                    _plain(inner),
                )
                for at, (name, ways, inner) in enumerate(part)
            ]
        found.append(part)
    return found


def test_each_step_with_outcomes_has_a_line_for_each(workflow, sign_in, owner):
    made = workflow(WAYS)
    client = sign_in(owner)
    page = client.get(reverse("admin:automate_core_workflow_change", args=[made.pk]))
    assert _plain(diagram(page)) == _expected()
    builder = Builder(client, made)
    assert _plain(diagram(client.get(builder.url()))) == _expected(builder=True)


WAITS = f"""
name: Waits
slug: waits
triggers: [{{endpoint: github}}]
steps:
  - {{kind: wait, key: wait, callback: true, timeout: '{{{{ event.payload.span }}}}', on_timeout: []}}
  - {{key: save, {SET}, on_error: {{steps: [{{key: instead, {SET}}}]}}}}
  - {{kind: stop, key: end}}
  - {{key: never, {SET}}}
"""


def test_a_run_takes_the_line_of_its_outcome(workflow, deliver, drain, sign_in, owner):
    workflow(WAITS)
    client = sign_in(owner)
    for span, expected in (("1h", "Answered"), ("0s", "No response in time")):
        deliver({"span": span})
        drain()
        run = ExecutionRun.objects.order_by("created_at").last()
        url = reverse("admin:automate_core_executionrun_change", args=[run.pk])
        if span == "1h":
            assert taken_routes(client.get(url)) == []
            client.post(callback_url(run.pk, "wait"), "{}", content_type="application/json")
            drain()
        page = client.get(url)
        assert taken_routes(page) == [expected, "Succeeded"]
        drawn = diagram(page)
        assert drawn[drawn.index("never") - 1] == " " and "End" not in drawn


_STOP = "{kind: stop, key: %s}"
_PLACES = {
    "stop": (True, "{kind: stop, key: x}"),
    "disabled stop": (False, "{kind: stop, key: x, disabled: true}"),
    "action": (False, f"{{key: x, {SET}, on_error: {{steps: [{_STOP % 'a'}]}}}}"),
    "wait": (False, f"{{kind: wait, key: x, callback: true, timeout: 1h, on_timeout: [{_STOP % 'a'}]}}"),
    "branch": (True, f"{{kind: branch, key: x, arms: [{{key: m, when: true, steps: [{_STOP % 'a'}]}}], otherwise: [{_STOP % 'b'}]}}"),
    "branch with a way on": (False, f"{{kind: branch, key: x, arms: [{{key: m, when: true, steps: [{_STOP % 'a'}]}}]}}"),
    "parallel": (True, f"{{kind: parallel, key: x, arms: [{{key: m, steps: [{_STOP % 'a'}]}}, {{key: n}}]}}"),
    "for each": (False, f"{{kind: for_each, key: x, items: '{{{{ [] }}}}', steps: [{_STOP % 'a'}]}}"),
    "repeat": (True, f"{{kind: repeat, key: x, until: true, maximum: 2, steps: [{_STOP % 'a'}]}}"),
    "try": (True, f"{{kind: try, key: x, steps: [{_STOP % 'a'}]}}"),
    "try that catches": (False, f"{{kind: try, key: x, steps: [{_STOP % 'a'}], on_error: [{{key: b, {SET}}}]}}"),
    "finally": (True, f"{{kind: try, key: x, steps: [{{key: a, {SET}}}], always: [{_STOP % 'b'}]}}"),
    "approval": (True, f"{{kind: approval, key: x, assignees: [owner], timeout: 1h, outcomes: [{{key: m, steps: [{_STOP % 'a'}]}}]}}"),
    "approval with time": (False, f"{{kind: approval, key: x, assignees: [owner], timeout: 1h, outcomes: [{{key: m, steps: [{_STOP % 'a'}]}}], on_timeout: []}}"),
}  # fmt: skip


@pytest.mark.parametrize(("ends", "step"), _PLACES.values(), ids=_PLACES)
def test_no_line_leads_out_of_a_stop(ends, step, workflow, sign_in, owner):
    made = workflow(f"{{name: A, slug: a, steps: [{step}, {{key: after, {SET}}}]}}")
    page = sign_in(owner).get(reverse("admin:automate_core_workflow_change", args=[made.pk]))
    drawn = diagram(page)
    assert drawn[drawn.index("after") - 1] == (" " if ends else "|")
    assert ("End" not in drawn) is ends


def test_a_new_stop_has_no_number_and_fails_where_something_went_wrong(workflow, sign_in, owner):
    made = workflow(WAYS, publish=False)
    builder = Builder(sign_in(owner), made)
    for parent, slot in (("wait", "timeout"), ("save", "on_error"), ("ask", "agreed"), ("", "")):
        assert builder.do("add", kind="stop", parent=parent, slot=slot, index="0").status_code == 200
    stops = {(each.parent_key, each.slot): each for each in _new_stops(made)}
    assert {each.name for each in stops.values()} == {"Stop"}
    outcomes = {place: each.settings.get("outcome", "succeeded") for place, each in stops.items()}
    assert outcomes == {
        ("wait", "timeout"): "failed", ("save", "on_error"): "failed",
        ("ask", "agreed"): "succeeded", ("", ""): "succeeded",
    }  # fmt: skip


def _new_stops(made):
    steps = list(made.steps.all())
    keys = {each.pk: each.key for each in steps}
    found = [each for each in steps if each.kind == "stop" and each.key.startswith("stop")]
    for each in found:
        each.parent_key = keys.get(each.parent_id, "")
    return found


def test_a_card_names_the_value_that_it_shows():
    shown = {"total": "0", "whole": "{{ steps.order_total.output }}", "part": "{{ steps.a.output.sum }}"}
    for name, value in shown.items():
        step = ActionStep(key="x", action="data.set", inputs={name: value})
        expected = {"total": "total = 0", "whole": "whole = Order total", "part": "part = sum"}
        assert card_sentence(step) == expected[name]


WAITING = f"""
name: Orders
slug: orders
triggers: [{{endpoint: github}}]
steps:
  - kind: branch
    key: large
    arms:
      - key: over
        name: Over
        when: true
        steps:
          - kind: approval
            key: ask
            assignees: [owner]
            timeout: 1d
            outcomes:
              - {{key: approved, name: Approve}}
              - {{key: rejected, name: Reject, steps: [{_STOP % "halt"}]}}
  - {{kind: wait, key: wait, callback: true, timeout: 1h}}
"""


def _drawn_line(response, name):
    return next(each for each in elements(response).walk() if each.attrs.get("id") == f"ln-{name}").classes


def _route_class(response, name):
    arms = [each for each in elements(response).walk() if "da-arm" in each.classes]
    found = next(
        each for each in arms if any("da-cond" in part.classes and name in part.text for part in each.children)
    )
    return found.classes[1:]


def test_the_way_after_an_approval_is_taken_once_the_run_continues(workflow, deliver, drain, sign_in, owner):
    workflow(WAITING)
    client = sign_in(owner)
    for decided in ("cancelled", "rejected", "approved"):
        deliver({})
        drain()
        run = ExecutionRun.objects.order_by("created_at").last()
        url = reverse("admin:automate_core_executionrun_change", args=[run.pk])
        page = client.get(url)
        assert _route_class(page, "Over") == ["done", "inside"] and "done" not in _drawn_line(page, "wait")
        assert not {"done", "off"} & set(_route_class(page, "Approve"))
        if decided == "cancelled":
            control.cancel(run, by=owner)
        else:
            approvals.decide_approval(run.waits.get(kind="approval"), by=owner, outcome=decided)
        drain()
        page = client.get(url)
        went_on = decided == "approved"
        assert ("inside" in _route_class(page, "Over")) is not went_on, decided
        assert ("done" in _drawn_line(page, "wait")) is went_on, decided
        assert "done" in _drawn_line(page, "large-ask"), decided
    control.cancel(run, by=owner)
    drain()
    page = client.get(url)
    assert "done" in _drawn_line(page, "wait") and "done" not in _drawn_line(page, "end")
