"""Runs that wait for a review of a step whose output later steps read: one without output fails them."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from automate_authoring.output_readers import find_output_readers
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.step_names import marked_name, title_of_key
from automate_core.definition.step_paths import key_of
from automate_core.models import Wait, WorkflowVersion
from automate_core.states import WaitStatus
from automate_plugins import ntext
from automate_plugins.texts import joined

BATCH = 2_000


@dataclass(frozen=True)
class ReadOutputs:
    """The runs, and the names of the steps that read, as marked texts in the order of their first run."""

    runs: frozenset[uuid.UUID] = frozenset()
    steps: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        """The steps in one text."""
        return joined(self.steps, ", ")

    @property
    def words(self) -> str:
        """Why a review with the outcome *Succeeded* and no output leaves them out; empty without any."""
        if not self.runs:
            return ""
        return ntext(
            "%(count)s run is left out: its later steps read the output (%(steps)s). Set its outcome on its page, and"
            " enter the output there.",
            "%(count)s runs are left out: their later steps read the output (%(steps)s). Set the outcome on the page of"
            " each run, and enter the output there.",
            len(self.runs),
            steps=self.names,
        )


def find_read_outputs(runs: Collection[uuid.UUID], step: str = "") -> ReadOutputs:
    """Those of `runs` with a step in review, or that one at the path `step`, whose output later steps read."""
    found: set[uuid.UUID] = set()
    names: dict[str, str] = {}
    readers, keys = cache(_readers), list(runs)
    waits = Wait.objects.filter(status=WaitStatus.OPEN, kind=Wait.Kind.REVIEW).order_by("run", "pk")
    waits = waits.filter(path=step) if step else waits
    for first in range(0, len(keys), BATCH):
        some = waits.filter(run__in=keys[first : first + BATCH])
        for run, version, path in some.values_list("run", "run__version", "path"):
            if reading := readers(version, key_of(path)):
                found.add(run)
                names |= reading
    return ReadOutputs(frozenset(found), tuple(names.values()))


def _readers(version: int, key: str) -> dict[str, str]:
    """The marked names of the steps that read the output of the step `key`, by name."""
    try:
        definition = parse(WorkflowVersion.objects.values_list("definition", flat=True).get(pk=version))
    except (DefinitionError, WorkflowVersion.DoesNotExist):  # of a version that another release wrote
        return {}
    names = [step.name or title_of_key(step.key) for step in find_output_readers(definition, key)]
    return {name: marked_name(name) for name in names}
