"""Start and version that the dialogs of re-runs preselect, with the reason: for one run, a group or many runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F
from django.db.models.fields.json import KT
from django.utils.translation import gettext as _

from automate_core.definition.document import ForEachStep, RepeatStep
from automate_core.definition.slots import StepIndex
from automate_core.definition.step_paths import key_of
from automate_core.models import ExecutionRun, StepRun, WorkflowVersion
from automate_core.runs import control
from automate_core.runs.doubts import acting_steps
from automate_core.runs.rerun_plan import RunnableSteps, is_around
from automate_core.states import StepStatus
from automate_ui.describe import step_label
from automate_ui.versions import changed_outputs, version_definitions, version_differences


@dataclass(frozen=True, kw_only=True)
class VersionPreset:
    """A version to preselect. `reason` is empty when there is no choice."""

    version: control.Version = "original"
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class StartPreset:
    """A start to preselect with the newest version: at `path`, or at the beginning where it is empty.

    `repeats` names the steps that succeeded, reach outside and run again from there.
    """

    path: str
    reason: str
    repeats: str


@dataclass(frozen=True, kw_only=True)
class ReusedSteps:
    """The steps of a run whose outputs the newest version may change: `names`, and the `start` that runs them again."""

    names: str = ""
    start: StartPreset | None = None


def find_reused(run: ExecutionRun, failed_path: str) -> ReusedSteps:
    """Outputs of an older version that a re-run in the newest one would reuse. `start` is there if a step before the
    failure was changed."""
    newest = run.workflow.published
    if newest is None or newest.pk == run.version_id:
        return ReusedSteps()
    definitions = version_definitions([run.version_id, newest.pk])
    then, now = RunnableSteps(definitions[run.version_id]), RunnableSteps(definitions[newest.pk])
    rows = StepRun.objects.filter(run=run).order_by("started_at", "attempt", "id").values_list("path", "status")
    ran = {path: status for path, status in rows if then.position(path)}
    changed = changed_outputs(run.version_id, newest.pk)
    reused = [path for path in ran if key_of(path) in changed and path != failed_path]
    if not reused:
        return ReusedSteps()
    names = _names(reused, then)
    first = next(
        (
            each
            for each in reused
            if failed_path and (then.is_before(each, failed_path) or is_around(each, failed_path))
        ),
        "",
    )
    return ReusedSteps(names=names, start=_start_at(first, failed_path, newest, ran, then, now) if first else None)


def _start_at(
    first: str, failed_path: str, newest: WorkflowVersion, ran: dict[str, str], then: RunnableSteps, now: RunnableSteps
) -> StartPreset:
    path = _outside_loops(first, then)
    path = path if path in ran and now.same_kind(path, then) else ""
    acting = acting_steps(newest.pk)
    again = [
        each
        for each, status in ran.items()
        if status == StepStatus.SUCCEEDED
        and key_of(each) in acting
        and now.position(each)
        and not (path and now.same_kind(each, then) and now.is_before(each, path))
    ]
    values = {"step": _names([first], then), "failed": _names([failed_path], then), "newest": newest}
    if path:
        reason = _(
            "%(step)s ran before %(failed)s and was changed in %(newest)s, so %(newest)s and a start from there are "
            "selected."
        )
    else:
        reason = _(
            "%(step)s ran before %(failed)s and was changed in %(newest)s, so %(newest)s and a start from the "
            "beginning are selected."
        )
    return StartPreset(path=path, reason=reason % values, repeats=_names(again, then))


def _outside_loops(path: str, steps: RunnableSteps) -> str:
    """The outermost loop around the step, which runs it again for all items; without one the step's own path."""
    parts = path.split("/")
    for length in range(1, len(parts)):
        above = "/".join(parts[:length]).rpartition("[")[0] or "/".join(parts[:length])
        place = steps.position(above)
        if place is not None and isinstance(place.step, ForEachStep | RepeatStep):
            return above
    return path


def _names(paths: Iterable[str], steps: RunnableSteps) -> str:
    """The names of the steps at the paths, each once."""
    places = [place for path in paths if (place := steps.position(path)) is not None]
    return ", ".join(dict.fromkeys(step_label(place.step) for place in places))


def preset_version(run_ids: Iterable[uuid.UUID]) -> VersionPreset:
    """The newest version if it changes the failed step of each run and can start there; else the runs' own."""
    older = ExecutionRun.objects.filter(pk__in=run_ids).exclude(version=F("workflow__published"))
    older = older.exclude(workflow__published=None).exclude(cause=ExecutionRun.Cause.TEST)
    failed = older.order_by().values_list("version", "workflow__published", KT("error__step")).distinct()
    presets = list(dict.fromkeys(_preset_of_failure(*each) for each in failed))
    if len(presets) <= 1:
        return presets[0] if presets else VersionPreset()
    chosen = {each.version for each in presets}
    if chosen == {"newest"}:
        reason = _("The failed steps were changed in the latest versions, so these are selected.")
        return VersionPreset(version="newest", reason=reason)
    if "newest" in chosen:
        reason = _(
            "The failed step was changed for some of these runs only, so the version of each run is selected. "
            "To use the latest version, re-run those runs separately."
        )
        return VersionPreset(reason=reason)
    return VersionPreset()


def _preset_of_failure(before: int, after: int, key: str | None) -> VersionPreset:
    """For runs of one version whose step with that key failed, if one did."""
    definitions = version_definitions([before, after])
    failed = StepIndex(definitions[before].steps).find(key) if key else None
    if failed is None:
        return VersionPreset()
    versions = WorkflowVersion.snapshots.defer("definition").in_bulk([before, after])
    values = {"step": step_label(failed.step), "newest": versions[after], "version": versions[before]}
    now, then = RunnableSteps(definitions[after]), RunnableSteps(definitions[before])
    failed_path = "/".join(failed.path)
    changed = changed_outputs(before, after)
    earlier = [
        path
        for position in then
        if position.step.key in changed and then.is_before(path := "/".join(position.path), failed_path)
    ]
    if earlier:
        values["earlier"] = _names(earlier, then)
        reason = _(
            "%(newest)s changed %(earlier)s before %(step)s. A start from the failed step reuses old outputs, so "
            "%(version)s is selected. To use %(newest)s, re-run from the beginning, or each run from the changed step."
        )
        return VersionPreset(reason=reason % values)
    if failed.step.key not in version_differences(before, after):
        reason = _("%(step)s is the same in %(newest)s, so %(version)s is selected.")
        return VersionPreset(reason=reason % values)
    if not now.same_kind(failed_path, then):
        reason = _("%(newest)s cannot start from %(step)s, so %(version)s is selected.")
        return VersionPreset(reason=reason % values)
    reason = _("%(step)s was changed in %(newest)s, so %(newest)s is selected.")
    return VersionPreset(version="newest", reason=reason % values)
