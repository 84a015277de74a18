"""Version that the dialogs of re-runs preselect, with the reason: for one run, a group of failures or many runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F
from django.db.models.fields.json import KT
from django.utils.translation import gettext as _

from automate_core.definition.slots import StepIndex
from automate_core.models import ExecutionRun, WorkflowVersion
from automate_core.runs import control
from automate_core.runs.rerun_plan import RunnableSteps
from automate_ui.describe import step_label
from automate_ui.versions import version_definitions, version_differences


@dataclass(frozen=True, kw_only=True)
class VersionPreset:
    """A version to preselect. `reason` is empty when there is no choice."""

    version: control.Version = "original"
    reason: str = ""


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
    if failed.step.key not in version_differences(before, after):
        reason = _("%(step)s is the same in %(newest)s, so %(version)s is selected.")
        return VersionPreset(reason=reason % values)
    now, then = RunnableSteps(definitions[after]), RunnableSteps(definitions[before])
    if not now.same_kind("/".join(failed.path), then):
        reason = _("%(newest)s cannot start from %(step)s, so %(version)s is selected.")
        return VersionPreset(reason=reason % values)
    reason = _("%(step)s was changed in %(newest)s, so %(newest)s is selected.")
    return VersionPreset(version="newest", reason=reason % values)
