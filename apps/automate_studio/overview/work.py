"""Slowest workflows, queue and workers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automate_core.definition.document import ActionStep, Definition
from automate_core.definition.slots import walk
from automate_core.definition.step_names import step_name
from automate_core.definition.step_paths import key_of, parent_path, without_items
from automate_core.models import Workflow
from automate_core.outbox.status import QueueStatus, WorkerStatus
from automate_operations.queries.latest_runs import read_step_durations
from automate_operations.statistics import period_figures
from automate_operations.statistics.buckets import percentile
from automate_operations.statistics.period_figures import Counts, Times
from automate_operations.statistics.periods import Period
from automate_studio.overview.charts import SparkLine, build_line
from automate_studio.view_models.connector_tiles import connector_tiles
from automate_studio.view_models.run_state import HOLDING
from automate_ui.formatting import format_duration, format_percent
from automate_ui.versions import version_definitions

SLOWEST = 5
STOPPED_SECONDS = 60  #: of silence after which a worker is taken to have been replaced
_HOST = re.compile(r"https?://([^/?#{}@\s]+)(?=[/?#]|$)", re.IGNORECASE)  #: one that no expression is a part of
MOST_SLOTS = 10  #: marks that stand for a worker's slots


@dataclass(frozen=True, kw_only=True)
class SlowStep:
    """A step with its average duration; `service` is the host or the connection that it waits for, "" without one."""

    name: str
    took: str
    service: str


@dataclass(frozen=True, kw_only=True)
class SlowWorkflow:
    """A workflow with its durations; `step` is the slowest step of its latest runs."""

    workflow: Workflow
    tile: tuple[str, int] | None
    runs: int
    success: str
    is_bad: bool
    p50: str
    p95: str
    line: SparkLine
    step: SlowStep | None


@dataclass(frozen=True, kw_only=True)
class LaneRow:
    """Ready jobs of one lane; `share` is its per cent of all. `note` explains the lane."""

    name: str
    jobs: int
    share: int
    age: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """A worker; `busy` has one flag per mark. `state` is as of a run: it is alive, silent or stopped."""

    name: str
    held: int
    slots: int
    busy: list[bool]
    state: str
    seen: str
    title: str


@dataclass(frozen=True, kw_only=True)
class WorkStatus:
    """Lanes and workers, with a summary."""

    lanes: list[LaneRow]
    workers: list[WorkerRow]
    state: str
    summary: str


def slowest_workflows(period: Period, counts: Mapping[int, Counts], times: Times) -> list[SlowWorkflow]:
    """Workflows with the longest runs."""
    by_p95 = {key: percentile(took, 0.95) or 0 for key, took in times.by_workflow.items()}
    keys = sorted(by_p95, key=lambda key: (-by_p95[key], key))[:SLOWEST]
    if not keys:
        return []
    there = Workflow.objects.prefetch_related("steps").defer("description").in_bulk(keys)
    lines, steps = period_figures.read_lines(period, keys, apart=True), slowest_steps(there)
    return [
        _slow_workflow(
            there[key], counts.get(key, Counts()), times.by_workflow[key], lines.get(key, []), steps.get(key)
        )
        for key in keys
        if key in there
    ]


def slowest_steps(workflows: Mapping[int, Workflow]) -> dict[int, SlowStep]:
    """The step that takes most of the time of a workflow's latest runs."""
    took: dict[int, dict[str, list[float]]] = {key: defaultdict(list) for key in workflows}
    for row in read_step_durations(workflows):
        took[row.workflow][without_items(row.path)].append(row.took)
    published = {key: workflow.published_id or 0 for key, workflow in workflows.items()}
    definitions = version_definitions(published.values())
    found = {}
    for key, paths in took.items():
        # What holds steps takes as long as they do, also as long as those in it wait: they have no row of their own.
        definition = definitions.get(published[key])
        holders = {step.key for _, step in walk(definition.steps) if isinstance(step, HOLDING)} if definition else set()
        around = {parent_path(path) for path in paths}
        leaves = {path: times for path, times in paths.items() if path not in around and key_of(path) not in holders}
        if leaves:
            path, times = max(leaves.items(), key=lambda each: sum(each[1]))
            found[key] = SlowStep(
                name=step_name(definition, path),
                took=format_duration(sum(times) / len(times)),
                service=_service(definition, key_of(path)),
            )
    return found


def _service(definition: Definition | None, key: str) -> str:
    """The host of a step's URL, else its connection: what is slow when the step is."""
    steps = walk(definition.steps) if definition else ()
    step = next((step for _, step in steps if step.key == key and isinstance(step, ActionStep)), None)
    if step is None:
        return ""
    address = _HOST.match(str(step.inputs.get("url", "")))
    return address[1] if address else step.connection


def _slow_workflow(
    workflow: Workflow,
    counts: Counts,
    took: period_figures.Histogram,
    points: Sequence[float | None],
    step: SlowStep | None,
) -> SlowWorkflow:
    success = counts.success
    return SlowWorkflow(
        workflow=workflow,
        tile=next(iter(connector_tiles(workflow)), None),
        runs=counts.runs,
        success="" if success is None else format_percent(success * 100),
        is_bad=success is not None and success < 0.95,
        p50=format_duration(percentile(took, 0.5)),
        p95=format_duration(percentile(took, 0.95)),
        line=build_line(points, 126, 22),
        step=step,
    )


_KINDS = {"dispatch": gettext_lazy("New events"), "advance": gettext_lazy("Runs")}


def build_work(status: QueueStatus) -> WorkStatus:
    """State of workers and queues, for operators."""
    ready = {each.kind: each for each in status.ready}
    most = max([each.jobs for each in status.ready] + [status.suspects, 1])
    lanes = [
        LaneRow(
            name=str(name),
            jobs=ready[kind].jobs if kind in ready else 0,
            share=round(ready[kind].jobs / most * 100) if kind in ready else 0,
            age=_("%(age)s old") % {"age": format_duration(ready[kind].oldest_seconds)} if kind in ready else _("idle"),
        )
        for kind, name in _KINDS.items()
    ]
    if status.suspects:
        share = round(status.suspects / most * 100)
        note = _(
            "A quarantined job may have crashed its worker, so these jobs run one at a time, apart from all others."
        )
        lanes.append(
            LaneRow(name=_("Quarantined"), jobs=status.suspects, share=share, age=_("after a crash"), note=note)
        )
    rows = [_worker_row(each) for each in status.workers]
    states = [row.state for row in rows]
    alive, silent = states.count("succeeded"), states.count("failed")
    if not alive:
        summary = _("No worker")
    elif silent:
        summary = _("%(silent)s of %(count)s silent") % {"silent": silent, "count": alive + silent}
    else:
        summary = _("%(count)s online") % {"count": alive}
    state = "succeeded" if alive and not silent else "failed"
    return WorkStatus(lanes=lanes, workers=rows, state=state, summary=summary)


def _worker_row(worker: WorkerStatus) -> WorkerRow:
    marks = min(worker.slots, MOST_SLOTS)
    busy = -(-worker.held * marks // worker.slots) if worker.is_alive and worker.slots else 0
    seconds = int(worker.seen_seconds_ago)
    seen = f"{seconds} s" if seconds < 60 else f"{seconds // 60} m"
    state = "succeeded"
    if not worker.is_alive:
        is_stopped = seconds > STOPPED_SECONDS
        state = "cancelled" if is_stopped else "failed"
        seen = (_("stopped %(time)s ago") if is_stopped else _("silent %(time)s")) % {"time": seen}
    return WorkerRow(
        name=worker.name,
        held=worker.held,
        slots=worker.slots,
        busy=[number < busy for number in range(marks)],
        state=state,
        seen=seen,
        title=_("%(held)s of %(slots)s slots busy, up for %(time)s")
        % {"held": worker.held, "slots": worker.slots, "time": format_duration(worker.up_seconds)},
    )
