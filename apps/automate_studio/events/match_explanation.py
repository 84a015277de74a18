"""Match explanations of an event, for its page and for a workflow's check page."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automate_authoring import match_explanation
from automate_authoring.match_explanation import MatchOutcome, TriggerExplanation
from automate_core.models import Event, Workflow
from automate_governance.permissions import Person, permitted
from automate_governance.texts import translated
from automate_studio.view_models.condition_lines import ConditionLine, explanation_lines
from automate_studio.view_models.event_sources import KINDS
from automate_ui.formatting import state_word

_OUTCOME_TEXTS = {
    MatchOutcome.STARTED: (gettext_lazy("Started a run"), "succeeded"),
    MatchOutcome.MATCHES: (gettext_lazy("Matches now"), "waiting"),
    MatchOutcome.REFUSED: (gettext_lazy("No match"), "skipped"),
    MatchOutcome.OTHER_TYPE: (gettext_lazy("Other type"), "pending"),
    MatchOutcome.UNPUBLISHED: (gettext_lazy("Not published"), "pending"),
    MatchOutcome.UNKNOWN: (gettext_lazy("Unknown"), "pending"),
}
_OF_ITS_TYPE = {MatchOutcome.STARTED, MatchOutcome.MATCHES, MatchOutcome.REFUSED}


@dataclass(frozen=True, kw_only=True)
class WorkflowMatch:
    """Explanation for one workflow. `state` is its colour and glyph; `may_sample`: the event can be its builder's
    sample.
    """

    match: TriggerExplanation
    text: str
    state: str
    trigger: str
    line: ConditionLine | None
    may_sample: bool

    @property
    def is_long(self) -> bool:
        """Whether the explanation starts open."""
        return self.match.outcome in {MatchOutcome.REFUSED, MatchOutcome.MATCHES}


@dataclass(frozen=True, kw_only=True)
class MatchExplanation:
    """Explanation of an event: `notes` for all workflows, then each workflow."""

    notes: list[str]
    explanations: list[WorkflowMatch]
    may_read: bool
    more: bool

    @property
    def samples(self) -> list[Workflow]:
        """Workflows whose builder can use the event as a sample, each once."""
        return list(
            {view.match.workflow.pk: view.match.workflow for view in self.explanations if view.may_sample}.values()
        )


def build_match_explanation(event: Event, person: Person, workflow: Workflow | None = None) -> MatchExplanation:
    """Explanation for all workflows that the person may view, or for one."""
    told = match_explanation.explain_match(event, by=person, workflow=workflow)
    keys = {match.workflow.pk for match in told.explanations}
    change = permitted(person, "change", Workflow.objects.filter(pk__in=keys))
    editable = set(permitted(person, "view_payload", change).values_list("pk", flat=True)) if told.may_read else set()
    return MatchExplanation(
        notes=told.notes,
        explanations=[_workflow_match(each, may_sample=each.workflow.pk in editable) for each in told.explanations],
        may_read=told.may_read,
        more=told.more,
    )


def _workflow_match(match: TriggerExplanation, *, may_sample: bool) -> WorkflowMatch:
    said, state = _OUTCOME_TEXTS[match.outcome]
    kind = translated(KINDS.get("app" if match.kind == "event" else match.kind, ("", ""))[0])
    takes = match.takes or (_("any type") if match.kind in {"webhook", "event"} else "")
    return WorkflowMatch(
        match=match,
        text=state_word(match.run.status) if match.run else str(said),
        state=str(match.run.status) if match.run else state,
        trigger=", ".join(filter(None, [kind, takes])),
        line=explanation_lines(match.explanation) if match.explanation else None,
        may_sample=may_sample and match.outcome in _OF_ITS_TYPE,
    )
