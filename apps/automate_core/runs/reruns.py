"""Outcome of re-runs: one rule for their display in lists and for the runs that a bulk re-run leaves out."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from automate_core import database
from automate_core.runs.doubts import unknown_outcomes
from automate_core.states import FINAL_RUN_STATES, RunStatus
from automate_plugins import ntext
from automate_plugins.texts import joined

BATCH = 5_000
OPEN = frozenset(RunStatus) - FINAL_RUN_STATES
DELETED = "deleted"  #: the state of a re-run that retention deleted: it may have succeeded

# Each run with its re-runs and their re-runs. OFFSET 0 makes the planner use one index look-up for each.
# A run that was re-run but has no re-run represents the deleted one.
_RERUNS = """
WITH RECURSIVE chain AS (
    SELECT run.id AS root, run.id, run.status, run.rerun_at FROM automate_core_executionrun run
    WHERE run.id = ANY(%(runs)s) AND run.rerun_at IS NOT NULL
    UNION ALL
    SELECT chain.root, rerun.id, rerun.status, rerun.rerun_at FROM chain CROSS JOIN LATERAL (
        SELECT id, status, rerun_at FROM automate_core_executionrun WHERE retried_from_id = chain.id OFFSET 0
    ) rerun WHERE chain.rerun_at IS NOT NULL
)
SELECT chain.root, chain.id, CASE WHEN last.deleted THEN 'deleted' ELSE chain.status END AS status
FROM chain CROSS JOIN LATERAL (
    SELECT chain.rerun_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM automate_core_executionrun WHERE retried_from_id = chain.id) AS deleted
) last
WHERE chain.id <> chain.root OR last.deleted ORDER BY chain.root, chain.id
"""


@dataclass(frozen=True)
class Rerun:
    """The re-run that counts for a run, and its state. For a deleted one, `run` is the run that it repeated."""

    run: uuid.UUID
    status: str

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN

    @property
    def repeats_effects(self) -> bool:
        """Whether another re-run would repeat its effects."""
        return self.is_open or self.status in {RunStatus.SUCCEEDED, DELETED}


def find_reruns(runs: Iterable[uuid.UUID]) -> dict[uuid.UUID, Rerun]:
    """Return the re-run that counts for each run that was re-run: one that succeeded, else an open one, else the
    latest."""
    return {root: max(reruns, key=_weight) for root, reruns in _all(runs).items()}


def _weight(rerun: Rerun) -> tuple[bool, bool, bool, uuid.UUID]:
    return rerun.status == RunStatus.SUCCEEDED, rerun.is_open, rerun.status == DELETED, rerun.run


def _all(runs: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Rerun]]:
    found: dict[uuid.UUID, list[Rerun]] = {}
    keys = list(runs)
    for first in range(0, len(keys), BATCH):
        for row in database.run(None, _RERUNS, {"runs": keys[first : first + BATCH]}):
            found.setdefault(row.root, []).append(Rerun(row.id, row.status))
    return found


# --- re-running many --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RerunExclusions:
    """Numbers of runs that a bulk re-run leaves out, by the outcome of their re-runs.

    `superseded` counts runs whose later re-run is in the same selection, `unknown` those with a step that may have
    acted.
    """

    succeeded: int = 0
    open: int = 0
    deleted: int = 0
    superseded: int = 0
    unknown: int = 0

    @property
    def by_choice(self) -> int:
        """Number of runs that a person may still choose to re-run."""
        return self.succeeded + self.open + self.deleted

    @property
    def words(self) -> str:
        """A sentence for each reason, such as `3 runs are being re-run.`; empty when none is left out."""
        parts = (
            (
                self.succeeded,
                ntext(
                    "%(count)s run was already re-run successfully.",
                    "%(count)s runs were already re-run successfully.",
                    self.succeeded,
                ),
            ),
            (self.open, ntext("%(count)s run is being re-run.", "%(count)s runs are being re-run.", self.open)),
            (
                self.deleted,
                ntext(
                    "%(count)s run was re-run, and its re-run was deleted.",
                    "%(count)s runs were re-run, and their re-runs were deleted.",
                    self.deleted,
                ),
            ),
            (
                self.superseded,
                ntext(
                    "%(count)s run has a later re-run in this selection.",
                    "%(count)s runs have a later re-run in this selection.",
                    self.superseded,
                ),
            ),
            (
                self.unknown,
                ntext(
                    "The outcome of %(count)s run is unknown: a service may have acted.",
                    "The outcome of %(count)s runs is unknown: a service may have acted.",
                    self.unknown,
                ),
            ),
        )
        return joined(words for count, words in parts if count)


def choose_reruns(
    runs: Collection[uuid.UUID], *, again: bool = False, unknown: bool = False
) -> tuple[list[uuid.UUID], RerunExclusions]:
    """Return those of `runs` that are to be re-run, in the same order, and how many are left out.

    A run whose re-run succeeded or has not ended would repeat effects: it is left out unless `again`. One with a step
    that may have acted is left out unless `unknown`. Of a run and its failed re-run, only the later one is re-run.
    """
    among, chosen, left = set(runs), [], Counter[str]()
    reruns = _all(runs)
    for key in runs:
        if (reason := _left_out(key, reruns.get(key, []), among, again=again)) is None:
            chosen.append(key)
        else:
            left[reason] += 1
    if not unknown and (in_doubt := unknown_outcomes(chosen)):
        chosen = [key for key in chosen if key not in in_doubt]
        left["unknown"] = len(in_doubt)
    return chosen, RerunExclusions(**left)


def _left_out(run: uuid.UUID, reruns: list[Rerun], among: set[uuid.UUID], *, again: bool) -> str | None:
    if any(rerun.run in among and rerun.run != run for rerun in reruns):
        return "superseded"
    counts = max(reruns, key=_weight, default=None)
    if again or counts is None or not counts.repeats_effects:
        return None
    return "open" if counts.is_open else counts.status
