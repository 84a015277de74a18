"""Names of the steps of runs, as the versions that the runs follow have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from automate_core.definition.document import ApprovalStep, DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.slots import walk
from automate_core.models import ExecutionRun, WorkflowVersion


@dataclass(frozen=True)
class StepName:
    """The name of a step; of an approval, also the names of its outcomes by key."""

    name: str
    outcomes: Mapping[str, str]


type StepNames = Mapping[tuple[str, str], StepName]  #: by run and key of the step; those without a name are left out


def find_step_names(run_ids: Iterable[str]) -> StepNames:
    """The named steps of these runs. Two queries, none without runs."""
    wanted = set(run_ids)
    if not wanted:
        return {}
    versions = dict(ExecutionRun.objects.filter(pk__in=wanted).values_list("pk", "version"))
    documents = WorkflowVersion.objects.filter(pk__in=set(versions.values())).values_list("pk", "definition")
    named = {pk: _names_in(document) for pk, document in documents}
    return {(str(run), key): name for run, pk in versions.items() for key, name in named.get(pk, {}).items()}


def _names_in(document: object) -> dict[str, StepName]:
    try:
        steps = [step for _, step in walk(parse(document).steps)]
    except DefinitionError:  # of a version that another release wrote
        return {}
    return {
        step.key: StepName(
            step.name,
            {each.key: each.name or each.key for each in step.outcomes} if isinstance(step, ApprovalStep) else {},
        )
        for step in steps
        if step.name
    }
