"""State of a run on a step's card: state, duration, wait and routes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_core.definition.document import (
    ActionStep,
    BranchStep,
    ForEachStep,
    ParallelStep,
    RepeatStep,
    Step,
    TryStep,
)
from automate_core.definition.slots import Slot
from automate_operations.queries.loop_items import Items
from automate_studio.view_models.run_data import LIVE_STATES, RunData, StepHistory, WaitInfo
from automate_ui.formatting import format_clock, format_count, format_duration

_REACHED = {"cancelled", "interrupted", "skipped"}
HOLDING = (BranchStep, ParallelStep, ForEachStep, RepeatStep, TryStep)  #: do nothing themselves but what they hold


@dataclass(frozen=True, kw_only=True)
class RunState:
    """State of a card. `since` and `until` tick in the browser; `share` is its part of the longest step's time."""

    state: str = ""
    note: str = ""
    more: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    share: int = 0
    line: str = ""
    changed: str = ""


def build_run_state(step: Step, path: str, run: RunData | None, *, skipped: bool) -> RunState:
    """State of a step; empty in a draft. A step that an ended run did not reach is skipped."""
    if run is None:
        return RunState()
    recorded = run.at(path)
    passed_over = skipped or run.ended or step.disabled
    state = "skipped" if recorded.state == "pending" and passed_over else recorded.state
    ticks = state == "running" or (state == "retrying" and recorded.retry_due is None) or state == "waiting"
    return RunState(
        state=state,
        note=_state_note(step, recorded, run.items.get(path)),
        more=describe_wait(recorded.waiting) if recorded.waiting and not run.ended else "",
        since=recorded.attempts[0].started_at if ticks and recorded.attempts else None,
        until=None if run.ended else recorded.retry_due,
        share=_duration_share(step, recorded, run),
        line=_connector_style(state, passed_over=passed_over, reached=state in _REACHED and recorded.last is not None),
        changed=run.changed.get(step.key, ""),
    )


def items_progress(items: Items) -> str:
    """`Item 37 of 120, 2 failed`."""
    if items.shown is None and items.total is None:
        return _("No repetitions yet")
    if items.shown is None:
        return ngettext("%(count)s item", "%(count)s items", items.many) % {"count": format_count(items.many)}
    values = {
        "number": format_count(items.shown + 1),
        "total": format_count(items.many),
        "failed": format_count(items.failed),
    }
    if items.total is None:
        known = _("Repetition %(number)s, %(failed)s failed") if items.failed else _("Repetition %(number)s")
    else:
        known = (
            _("Item %(number)s of %(total)s, %(failed)s failed") if items.failed else _("Item %(number)s of %(total)s")
        )
    return known % values


def describe_wait(wait: WaitInfo) -> str:
    """A wait in one line: for what, for whom and until when."""
    values = {"time": _due_text(wait.due), "people": ", ".join(wait.assignees), "name": wait.target}
    match wait.kind:
        case "timer":
            words = _("Waiting until %(time)s")
        case "callback":
            words = _("Waiting for a callback, due %(time)s") if wait.due else _("Waiting for a callback")
        case "form":
            words = _("Waiting for a form, due %(time)s") if wait.due else _("Waiting for a form")
        case "approval" if wait.assignees:
            words = _("Waiting for %(people)s, due %(time)s") if wait.due else _("Waiting for %(people)s")
        case "approval":
            words = _("Waiting, but no approver is assigned")
        case "child":
            words = _("Waiting for the workflow %(name)s")
        case "reconnect":
            words = _("Waiting for the connection %(name)s")
        case "limit":
            words = _("Waits for the rate limit of %(name)s")
        case "pool":
            words = _("Waiting for the pool %(name)s")
        case "review":
            words = _("Outcome unknown, waiting for a review")
        case "slot":
            words = _("Waiting for a concurrency slot")
        case "paused" if wait.target:
            words = _("Waiting: the workflow is stopped, because the run-as user %(name)s is not active")
        case "paused":
            words = _("Waiting: the workflow is paused")
        case _other:
            return ""
    return words % values


def is_slot_taken(slot: Slot, prefix: str, recorded: StepHistory, run: RunData) -> bool:
    """Whether the run took that slot: a branch and an approval record it, elsewhere history inside shows it."""
    if recorded.last and recorded.last.routes:
        return slot.key in recorded.last.routes
    return any(run.at(f"{prefix}{inner.key}").last for inner in slot.steps)


def _due_text(moment: dt.datetime | None) -> str:
    return format_clock(timezone.localtime(moment) if moment else None, timezone.localtime())


def _state_note(step: Step, recorded: StepHistory, items: Items | None) -> str:
    """Short text at the card's end: duration, attempt, or progress of a loop."""
    if isinstance(step, ForEachStep | RepeatStep):
        if items is None or not items.begun:
            return ""
        if recorded.seconds is not None:
            return format_duration(recorded.seconds)
        values = {"done": format_count(items.begun - items.active), "total": format_count(items.many)}
        return (_("%(done)s of %(total)s done") if items.total is not None else _("%(done)s done")) % values
    if recorded.state == "retrying" and isinstance(step, ActionStep) and recorded.last is not None:
        following = recorded.last.number + (recorded.retry_due is not None)
        most = max(step.retry.attempts, following) if step.retry else 0
        values = {"number": format_count(following), "total": format_count(most)}
        return (_("Attempt %(number)s of %(total)s") if most else _("Attempt %(number)s")) % values
    return format_duration(recorded.seconds) if recorded.seconds is not None and not isinstance(step, HOLDING) else ""


def _duration_share(step: Step, recorded: StepHistory, run: RunData) -> int:
    """Zero below a visible bar, and at most the card: an approval waits longer than steps work."""
    if recorded.seconds is None or isinstance(step, HOLDING) or run.longest < 0.001:
        return 0
    share = min(100, round(recorded.seconds / run.longest * 100))
    return share if share >= 4 else 0


def _connector_style(state: str, *, passed_over: bool, reached: bool) -> str:
    """Style of the connector above; `reached` is whether the run came to a step that has ended otherwise."""
    if state in {"succeeded", "failed"} or reached:
        return "done"
    if state in LIVE_STATES:
        return "flowing" if state != "waiting" else "done"
    return "off" if passed_over else ""
