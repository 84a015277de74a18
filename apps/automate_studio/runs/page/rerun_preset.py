"""Version that the re-run dialog preselects, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from automate_core.definition.step_paths import key_of
from automate_core.runs import control
from automate_core.runs.rerun_plan import RunnableSteps
from automate_studio.runs.page.page import RunPage
from automate_studio.ui.versions import version_definitions


@dataclass(frozen=True, kw_only=True)
class VersionPreset:
    """A version to preselect. `reason` is empty when there is no choice."""

    version: control.Version = "original"
    reason: str = ""


def preset_version(page: RunPage) -> VersionPreset:
    """The newest version if it changes the failed step and can start there; else the run's own."""
    newest = page.run.workflow.published
    if newest is None or newest.pk == page.run.version_id or page.failed_step is None:
        return VersionPreset()
    path, name = page.failed_step
    values = {"step": name, "newest": newest, "version": page.run.version}
    if key_of(path) not in page.changed:
        reason = _("%(step)s is the same in %(newest)s, so %(version)s is selected.")
        return VersionPreset(reason=reason % values)
    if not _can_start_at(path, page, newest.pk):
        reason = _("%(newest)s cannot start from %(step)s, so %(version)s is selected.")
        return VersionPreset(reason=reason % values)
    reason = _("%(step)s was changed in %(newest)s, so %(newest)s is selected.")
    return VersionPreset(version="newest", reason=reason % values)


def _can_start_at(path: str, page: RunPage, newest: int) -> bool:
    """Whether the step still exists at this path with the same kind."""
    now = version_definitions([newest])[newest]
    return RunnableSteps(now).same_kind(path, RunnableSteps(page.definition))
