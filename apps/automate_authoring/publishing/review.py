"""Review of a draft before it is published, and comparison of two versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Max

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.drafts import history, parsing, rows
from automate_authoring.drafts.parsing import ParsedDraft
from automate_authoring.drafts.problems import DraftProblem
from automate_authoring.drafts.values import Draft
from automate_authoring.publishing import differences, shadow_evaluation
from automate_authoring.publishing.dependencies import Dependencies, find_dependencies
from automate_authoring.publishing.differences import Difference, Line
from automate_authoring.publishing.readiness import publishing_problems
from automate_authoring.publishing.shadow_evaluation import ShadowEvaluation
from automate_authoring.workflows import Seen
from automate_core.definition.document import Definition, FormTrigger
from automate_core.definition.parsing import parse
from automate_core.models import ExecutionRun, Workflow, WorkflowVersion
from automate_core.states import RunStatus
from automate_core.webhooks.registration.activation import find_changes
from automate_governance.people.names import sign_in_name
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

    `comparison` is None for the first version. `authors` made what differs. `unfinished_runs` counts the
    published version's runs by state; they end on that version. `registered` and `removed` are the webhooks at services
    that publishing changes. `shadow` is None when the person may not see payloads.
    """

    workflow: Workflow
    draft: Draft
    parsed: ParsedDraft
    problems: list[DraftProblem]
    comparison: Comparison | None
    authors: tuple[str, ...]
    dependencies: Dependencies
    shadow: ShadowEvaluation | None
    unfinished_runs: Mapping[str, int]
    next_number: int
    registered: list[str]
    removed: list[str]
    refusal: str
    seen: Seen

    @property
    def errors(self) -> int:
        """Number of problems that prevent publishing."""
        return sum(problem.level == "error" for problem in self.problems)

    @property
    def public_forms(self) -> list[str]:
        """Addresses of the forms that anyone can answer once this is published."""
        forms = (each for each in self.parsed.definition.enabled_triggers if isinstance(each, FormTrigger))
        return [f"/forms/{form.slug}/" for form in forms if form.access == "public"]

    @property
    def is_unchanged(self) -> bool:
        """Whether the draft equals the published version."""
        return self.comparison is not None and not self.comparison.found

    @property
    def can_publish(self) -> bool:
        """Whether this person can publish the draft as it is."""
        return not (self.refusal or self.errors or self.is_unchanged)


def build_review(workflow: Workflow, *, by: Person) -> Review:
    """Build the review of a workflow's draft. The caller checks that the person may view the workflow."""
    draft = rows.load_draft(workflow)
    parsed = parsing.parse_draft(draft)
    published = workflow.published
    authors = history.authors_since(workflow, workflow.published_rev if published else 0)
    refusal = workflows.refusal(workflow, by)
    registered, removed = find_changes(workflow, parsed.definition)
    return Review(
        workflow=workflow,
        draft=draft,
        parsed=parsed,
        problems=publishing_problems(workflow, parsed, draft, None if refusal else by, viewer=by),
        comparison=compare_states(version_state(published), draft_state(workflow, parsed), authors)
        if published
        else None,
        authors=tuple(dict.fromkeys(name for names in authors.values() for name in names)),
        dependencies=find_dependencies(parsed.definition, by),
        shadow=shadow_evaluation.evaluate_draft(workflow, parsed.definition, by=by),
        unfinished_runs=count_unfinished_runs(workflow),
        next_number=(workflow.versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        registered=registered,
        removed=removed,
        refusal=refusal,
        seen=Seen(workflow.rev, published.number if published else 0),
    )


@dataclass(frozen=True)
class WorkflowState:
    """Definition of a version or draft, and the user name that it runs as."""

    definition: Definition
    run_as: str


def compare_states(
    before: WorkflowState, after: WorkflowState, authors: Mapping[tuple[str, str], tuple[str, ...]] | None = None
) -> Comparison:
    """Differences between two states, in words and side by side as YAML."""
    pair = before.definition, after.definition
    found = differences.find_differences(*pair, run_as=(before.run_as, after.run_as))
    return Comparison(
        found=differences.with_authors(found, authors or {}),
        lines=differences.side_by_side(*map(yaml_files.write_workflow, pair)),
    )


def load_state(workflow: Workflow, name: str) -> WorkflowState:
    """Load a version by its number, or `draft` as far as it can be parsed.

    Raises WorkflowVersion.DoesNotExist, and DefinitionError for a version that can no longer be parsed.
    """
    if name == DRAFT:
        return draft_state(workflow, parsing.parse_draft(rows.load_draft(workflow)))
    number = int(name) if name.isdecimal() and len(name) < 10 else 0
    return version_state(workflow.versions.select_related("run_as").get(number=number))


def draft_state(workflow: Workflow, parsed: ParsedDraft) -> WorkflowState:
    return WorkflowState(parsed.definition, sign_in_name(workflow.run_as))


def version_state(version: WorkflowVersion) -> WorkflowState:
    """Raises DefinitionError for a version that can no longer be parsed."""
    return WorkflowState(parse(version.definition), sign_in_name(version.run_as))


def count_unfinished_runs(workflow: Workflow) -> dict[str, int]:
    """Number of unfinished runs of the published version, by state."""
    live = [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING]
    runs = ExecutionRun.objects.filter(workflow=workflow, version=workflow.published_id, status__in=live)
    return dict(runs.values_list("status").annotate(Count("id")).order_by("status"))
