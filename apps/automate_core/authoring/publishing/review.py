"""What is looked at before a draft is published, and two versions beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.models import Count, Max

from automate_core.authoring import workflows
from automate_core.authoring.drafts import history, problems, reading, rows
from automate_core.authoring.drafts.problems import DraftProblem
from automate_core.authoring.drafts.reading import ParsedDraft
from automate_core.authoring.drafts.values import Draft
from automate_core.authoring.publishing import dependencies as touches
from automate_core.authoring.publishing import differences, shadow
from automate_core.authoring.publishing.dependencies import Dependencies
from automate_core.authoring.publishing.differences import Difference, Line
from automate_core.authoring.publishing.shadow import ShadowEvaluation
from automate_core.authoring.test_runs import results
from automate_core.authoring.workflows import Seen
from automate_core.definition import yaml_files
from automate_core.definition.document import Definition, parse
from automate_core.models import ExecutionRun, Workflow, WorkflowVersion
from automate_core.states import RunStatus
from automate_governance.permissions import Person

DRAFT = "draft"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two states of a workflow. `lines` are their texts side by side, None when they are too long."""

    found: list[Difference]
    lines: list[Line] | None


@dataclass(frozen=True, kw_only=True)
class Review:
    """A draft before it is published. `refusal` says why this person may not publish it, empty when they may.

    `comparison` is None for the first version. `authors` made what differs. `going_on` counts the runs of the present
    version by state: they end on it. `shadow` is None when the person may not see payloads.
    """

    workflow: Workflow
    draft: Draft
    reading: ParsedDraft
    problems: list[DraftProblem]
    comparison: Comparison | None
    authors: tuple[str, ...]
    touches: Dependencies
    shadow: ShadowEvaluation | None
    going_on: Mapping[str, int]
    next_number: int
    refusal: str
    seen: Seen

    @property
    def errors(self) -> int:
        """How many problems keep it from being published."""
        return sum(problem.level == "error" for problem in self.problems)

    @property
    def nothing_new(self) -> bool:
        """Whether the draft says what is published."""
        return self.comparison is not None and not self.comparison.found

    @property
    def can_publish(self) -> bool:
        """Whether the button is there."""
        return not (self.refusal or self.errors or self.nothing_new)


def build_review(workflow: Workflow, *, by: Person) -> Review:
    """The review of a workflow's draft. Whether the person may see the workflow is asked before."""
    draft = rows.load_draft(workflow)
    read = reading.parse_draft(draft)
    published = workflow.published
    authors = history.authors_since(workflow, workflow.published_rev if published else 0)
    refusal = workflows.refusal(workflow, by)
    return Review(
        workflow=workflow,
        draft=draft,
        reading=read,
        problems=[*problems.find_problems(read, workflow, None if refusal else by), *_untested(workflow, read, draft)],
        comparison=compare_states(version_state(published), draft_state(workflow, read), authors)
        if published
        else None,
        authors=tuple(dict.fromkeys(name for names in authors.values() for name in names)),
        touches=touches.find_dependencies(read.definition, by),
        shadow=shadow.evaluate_draft(workflow, read.definition, by=by),
        going_on=count_unfinished_runs(workflow),
        next_number=(workflow.versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        refusal=refusal,
        seen=Seen(workflow.rev, published.number if published else 0),
    )


def _untested(workflow: Workflow, read: ParsedDraft, draft: Draft) -> Iterator[DraftProblem]:
    """A warning about what nobody has tested since it was changed."""
    if words := results.untested_warning(workflow, read.definition, draft):
        yield DraftProblem(level="warning", reason=words, field="tests")


@dataclass(frozen=True)
class WorkflowState:
    """What a version or a draft says, and the name of whom it acts as."""

    definition: Definition
    run_as: str


def compare_states(
    before: WorkflowState, after: WorkflowState, authors: Mapping[tuple[str, str], tuple[str, ...]] | None = None
) -> Comparison:
    """What makes `after` of `before`, in words and side by side as YAML."""
    pair = before.definition, after.definition
    found = differences.find_differences(*pair, run_as=(before.run_as, after.run_as))
    return Comparison(
        found=differences.with_authors(found, authors or {}),
        lines=differences.side_by_side(*map(yaml_files.write_workflow, pair)),
    )


def load_state(workflow: Workflow, name: str) -> WorkflowState:
    """What a version says, by its number, or the `draft` as far as it can be read.

    Raises WorkflowVersion.DoesNotExist, and DefinitionError for a version that cannot be read any more.
    """
    if name == DRAFT:
        return draft_state(workflow, reading.parse_draft(rows.load_draft(workflow)))
    number = int(name) if name.isdecimal() and len(name) < 10 else 0
    return version_state(workflow.versions.select_related("run_as").get(number=number))


def draft_state(workflow: Workflow, read: ParsedDraft) -> WorkflowState:
    """What the draft says."""
    return WorkflowState(read.definition, workflow.run_as.get_username())


def version_state(version: WorkflowVersion) -> WorkflowState:
    """What a version says. Raises DefinitionError for one that cannot be read any more."""
    return WorkflowState(parse(version.definition), version.run_as.get_username())


def count_unfinished_runs(workflow: Workflow) -> dict[str, int]:
    """How many runs of the version that is published have not ended, by state."""
    live = [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING]
    runs = ExecutionRun.objects.filter(workflow=workflow, version=workflow.published_id, status__in=live)
    return dict(runs.values_list("status").annotate(Count("id")).order_by("status"))
