"""What is looked at before a draft is published, and two versions beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.models import Count, Max

from automate_core.authoring import workflows
from automate_core.authoring.drafts import history, problems, reading, rows
from automate_core.authoring.drafts.problems import DraftProblem
from automate_core.authoring.drafts.reading import Reading
from automate_core.authoring.drafts.values import Draft
from automate_core.authoring.publishing import dependencies as touches
from automate_core.authoring.publishing import differences, shadow
from automate_core.authoring.publishing.dependencies import Touches
from automate_core.authoring.publishing.differences import Difference, Line
from automate_core.authoring.publishing.shadow import Shadow
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
    reading: Reading
    problems: list[DraftProblem]
    comparison: Comparison | None
    authors: tuple[str, ...]
    touches: Touches
    shadow: Shadow | None
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


def of(workflow: Workflow, *, by: Person) -> Review:
    """The review of a workflow's draft. Whether the person may see the workflow is asked before."""
    draft = rows.load(workflow)
    read = reading.read(draft)
    published = workflow.published
    authors = history.authors(workflow, workflow.published_rev if published else 0)
    refusal = workflows.refusal(workflow, by)
    return Review(
        workflow=workflow,
        draft=draft,
        reading=read,
        problems=[*problems.of(read, workflow, None if refusal else by), *_untested(workflow, read, draft)],
        comparison=compare(of_version(published), of_draft(workflow, read), authors) if published else None,
        authors=tuple(dict.fromkeys(name for names in authors.values() for name in names)),
        touches=touches.of(read.definition, by),
        shadow=shadow.evaluate(workflow, read.definition, by=by),
        going_on=going_on(workflow),
        next_number=(workflow.versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        refusal=refusal,
        seen=Seen(workflow.rev, published.number if published else 0),
    )


def _untested(workflow: Workflow, read: Reading, draft: Draft) -> Iterator[DraftProblem]:
    """A warning about what nobody has tested since it was changed."""
    if words := results.untested(workflow, read.definition, draft):
        yield DraftProblem(level="warning", reason=words, field="tests")


@dataclass(frozen=True)
class Stated:
    """What a version or a draft says, and the name of whom it acts as."""

    definition: Definition
    run_as: str


def compare(
    before: Stated, after: Stated, authors: Mapping[tuple[str, str], tuple[str, ...]] | None = None
) -> Comparison:
    """What makes `after` of `before`, in words and side by side as YAML."""
    pair = before.definition, after.definition
    found = differences.between(*pair, run_as=(before.run_as, after.run_as))
    return Comparison(
        found=differences.authored(found, authors or {}),
        lines=differences.side_by_side(*map(yaml_files.write, pair)),
    )


def stated(workflow: Workflow, name: str) -> Stated:
    """What a version says, by its number, or the `draft` as far as it can be read.

    Raises WorkflowVersion.DoesNotExist, and DefinitionError for a version that cannot be read any more.
    """
    if name == DRAFT:
        return of_draft(workflow, reading.read(rows.load(workflow)))
    number = int(name) if name.isdecimal() and len(name) < 10 else 0
    return of_version(workflow.versions.select_related("run_as").get(number=number))


def of_draft(workflow: Workflow, read: Reading) -> Stated:
    """What the draft says."""
    return Stated(read.definition, workflow.run_as.get_username())


def of_version(version: WorkflowVersion) -> Stated:
    """What a version says. Raises DefinitionError for one that cannot be read any more."""
    return Stated(parse(version.definition), version.run_as.get_username())


def going_on(workflow: Workflow) -> dict[str, int]:
    """How many runs of the version that is published have not ended, by state."""
    live = [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING]
    runs = ExecutionRun.objects.filter(workflow=workflow, version=workflow.published_id, status__in=live)
    return dict(runs.values_list("status").annotate(Count("id")).order_by("status"))
