"""State of a run on a step's card: state, duration, wait and routes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

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
from automate_core.queries.loop_items import Items
from automate_studio.ui.formatting import format_clock, format_duration
from automate_studio.view_models.run_data import LIVE_STATES, RunData, StepHistory, WaitInfo

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
        line=_connector_style(state, passed_over=passed_over),
        changed=run.changed.get(step.key, ""),
    )


def items_progress(items: Items) -> str:
    """`item 37 of 120, 2 failed`."""
    if items.shown is None:
        return f"{items.many} items" if items.total is not None else "none yet"
    of_all = f" of {items.many:,}" if items.total is not None else ""
    failed = f", {items.failed:,} failed" if items.failed else ""
    return f"{'item' if items.total is not None else 'round'} {items.shown + 1:,}{of_all}{failed}"


def describe_wait(wait: WaitInfo) -> str:
    """A wait in one line: for what, for whom and until when."""
    by = f", until {_due_text(wait.due)}" if wait.due else ""
    said: dict[str, Callable[[], str]] = {
        "timer": lambda: f"Waits until {_due_text(wait.due)}",
        "callback": lambda: f"Waits for its callback{by}",
        "approval": lambda: f"Waits for {', '.join(wait.assignees) or 'nobody'}{by}",
        "child": lambda: f"Waits for the workflow {wait.target}",
        "reconnect": lambda: f"Waits for the connection {wait.target}",
        "review": lambda: "Waits for a person to say whether it took effect",
        "slot": lambda: "Waits for its turn: as many runs as may run at once do",
        "paused": lambda: "Waits until the workflow is resumed",
    }
    return said[wait.kind]() if wait.kind in said else ""


def is_slot_taken(slot: Slot, prefix: str, recorded: StepHistory, run: RunData) -> bool:
    """Whether the run took that slot: a branch records it, elsewhere history inside shows it."""
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
        of_all = f" of {items.many:,}" if items.total is not None else ""
        return f"{items.begun - items.active:,}{of_all} done"
    if recorded.state == "retrying" and isinstance(step, ActionStep) and recorded.last is not None:
        following = recorded.last.number + (recorded.retry_due is not None)
        most = max(step.retry.attempts, following) if step.retry else 0
        return f"try {following} of {most}" if most else f"try {following}"
    return format_duration(recorded.seconds) if recorded.seconds is not None and not isinstance(step, HOLDING) else ""


def _duration_share(step: Step, recorded: StepHistory, run: RunData) -> int:
    """Zero below a visible bar, and at most the card: an approval waits longer than steps work."""
    if recorded.seconds is None or isinstance(step, HOLDING) or run.longest < 0.001:
        return 0
    share = min(100, round(recorded.seconds / run.longest * 100))
    return share if share >= 4 else 0


def _connector_style(state: str, *, passed_over: bool) -> str:
    if state in {"succeeded", "failed"}:
        return "done"
    if state in LIVE_STATES:
        return "flowing" if state != "waiting" else "done"
    return "off" if passed_over else ""
