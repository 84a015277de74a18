"""A wait in a few lines, in place of the input that it does not have."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _

from automate_studio.view_models.run_data import StepHistory


@dataclass(frozen=True)
class WaitFact:
    """A line: its label, and words or a time."""

    label: str
    words: str = ""
    at: dt.datetime | None = None


def wait_facts(recorded: StepHistory) -> list[WaitFact]:
    """What the step waits for, since when and until when; empty before it waits."""
    if not recorded.waits:
        return []
    wait = recorded.waits[-1]
    kinds = {"callback": _("A callback"), "form": _("The answer to a form"), "timer": _("A time")}
    found = [WaitFact(_("Waits for"), kinds.get(wait.kind, wait.kind)), WaitFact(_("Since"), at=wait.since)]
    if wait.due:
        found.append(WaitFact(_("At most until") if wait.kind != "timer" else _("Until"), at=wait.due))
    if wait.resolved_at:
        found.append(WaitFact(_("Ended"), at=wait.resolved_at))
    return found
