"""Runs that a bulk action applies to: counted first, with the reasons why others are left out."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils import timezone
from django.utils.translation import gettext as _

from automate_core import database
from automate_core.models import BulkAction, ExecutionRun
from automate_core.runs import reruns
from automate_core.states import FINAL_RUN_STATES, RunStatus
from automate_governance.permissions import User, permitted
from automate_governance.texts import translated
from automate_operations import bulk
from automate_operations.queries.run_filters import RunFilters
from automate_operations.queries.run_search import LAST, RunSearch
from automate_operations.read_outputs import ReadOutputs, find_read_outputs
from automate_operations.runs.open_reviews import runs_to_review


@dataclass(frozen=True, kw_only=True)
class BulkSelection:
    """Runs found, those that the action applies to, oldest last, and exclusions by reason.

    `newest` is the newest run found: a second selection with it as `upto` leaves out later ones. `counted_at` is the
    time of the selection. `output_read` has the runs to review whose
    output later steps read: *Succeeded* leaves them out. `to_review` counts the runs to cancel that wait for a review.
    """

    verb: str
    found: int
    counted_at: dt.datetime
    ids: list[uuid.UUID] = field(default_factory=list)
    newest: uuid.UUID = LAST
    not_theirs: int = 0
    wrong_state: int = 0
    left_out: reruns.RerunExclusions = field(default_factory=reruns.RerunExclusions)
    output_read: ReadOutputs = field(default_factory=ReadOutputs)
    to_review: int = 0

    @property
    def is_too_large(self) -> bool:
        """Whether more runs match than one action takes; it applies to none of them then."""
        return self.found > bulk.MOST

    @property
    def is_adjustable(self) -> bool:
        """Whether another choice of the person includes runs that are left out."""
        return bool(self.left_out.by_choice or self.left_out.unknown or self.output_read.runs)

    def first_counted_at(self, given: dt.datetime | None) -> dt.datetime:
        """When the person counted, as a client gives it: never later than this selection."""
        return min(given or self.counted_at, self.counted_at)


def select_filtered(
    user: User,
    verb: str,
    filters: RunFilters,
    *,
    again: bool = False,
    unknown: bool = False,
    outcome: str = "",
    upto: uuid.UUID = LAST,
) -> BulkSelection:
    """The runs that `user` may view and `filters` match, none newer than `upto`."""
    search = RunSearch(user, filters, timezone.now(), upto=upto)
    found = [key for some in search.walk(1_000, bulk.MOST + 1) for key in some]
    return _select(user, verb, found, again=again, unknown=unknown, outcome=outcome)


def select_chosen(
    user: User,
    verb: str,
    runs: Sequence[uuid.UUID],
    *,
    again: bool = False,
    unknown: bool = False,
    outcome: str = "",
) -> BulkSelection:
    """Those of `runs` that `user` may view."""
    chosen = permitted(user, "view", ExecutionRun.objects.filter(pk__in=runs))
    found = list(chosen.order_by("-pk").values_list("pk", flat=True))
    return _select(user, verb, found, again=again, unknown=unknown, outcome=outcome)


def _select(user: User, verb: str, ids: list[uuid.UUID], *, again: bool, unknown: bool, outcome: str) -> BulkSelection:
    counted_at = database.now()
    if not ids or len(ids) > bulk.MOST:
        return BulkSelection(verb=verb, found=len(ids), counted_at=counted_at)
    theirs = permitted(user, "run", ExecutionRun.objects.filter(pk__in=ids)).values_list("pk", "status", "cause")
    able = [key for key, status, cause in theirs if _applies_to(verb, status, cause)]
    if verb == BulkAction.Verb.REVIEW:
        able = list(runs_to_review().filter(pk__in=able).values_list("pk", flat=True))
    is_retry = verb == BulkAction.Verb.RETRY
    left, left_out = able, reruns.RerunExclusions()
    output_read = find_read_outputs(able) if verb == BulkAction.Verb.REVIEW else ReadOutputs()
    if outcome == "succeeded":
        left = [key for key in able if key not in output_read.runs]
    if is_retry:
        left, left_out = reruns.choose_reruns(able, again=again, unknown=unknown)
    return BulkSelection(
        verb=verb,
        found=len(ids),
        ids=left,
        counted_at=counted_at,
        newest=ids[0],
        not_theirs=len(ids) - len(theirs),
        wrong_state=len(theirs) - len(able),
        left_out=left_out,
        output_read=output_read,
        to_review=runs_to_review().filter(pk__in=able).count() if verb == BulkAction.Verb.CANCEL else 0,
    )


def nothing_to_do_reason(selection: BulkSelection) -> str:
    """Why a selection without `ids` has none, in the active language."""
    if selection.output_read.runs:
        return translated(selection.output_read.words)
    if selection.verb == BulkAction.Verb.REVIEW:
        return _("None of these runs waits for a review.")
    if selection.left_out.by_choice:
        return _("Nothing to re-run: these runs were already re-run. To re-run them again, include them in the dialog.")
    if selection.left_out.unknown:
        return _(
            "Nothing to re-run: the outcome of these runs is unknown. Check at the service whether it acted. To re-run"
            " them all the same, include them in the dialog."
        )
    return _("None of these runs has ended.") if selection.verb == "retry" else _("All of these runs have ended.")


def _applies_to(verb: str, status: str, cause: str) -> bool:
    if verb == BulkAction.Verb.REVIEW:
        return status == RunStatus.WAITING
    if verb == BulkAction.Verb.CANCEL:
        return status not in FINAL_RUN_STATES
    return status in FINAL_RUN_STATES and cause != ExecutionRun.Cause.TEST
