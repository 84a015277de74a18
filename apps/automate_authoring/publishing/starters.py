"""Four eyes: approvals that the person who started the run could decide, and leaving that person out."""

from __future__ import annotations

from collections.abc import Iterator

from automate_authoring.drafts.problems import DraftProblem
from automate_core.definition.document import ApprovalStep, Definition, FormTrigger, ManualTrigger
from automate_core.definition.slots import walk
from automate_core.triggers.manual import STARTED_BY
from automate_plugins import text

FIELD = "excluded"
STARTER = f"{{{{ first(event.headers['{STARTED_BY}'], '') }}}}"  # empty for runs that no person started


def starter_warnings(definition: Definition) -> Iterator[DraftProblem]:
    """Warn of approvals that the person who starts the run could decide.

    None where an expression excludes people already, and none where no trigger names a person.
    """
    if not any(_names_a_person(trigger) for trigger in definition.enabled_triggers):
        return
    for step in _approvals(definition):
        if not any("{{" in name for name in step.excluded):
            reason = text("The person who starts a run can approve it here. Exclude them if two people have to decide.")
            yield DraftProblem(level="warning", reason=reason, step=step.key, field=FIELD)


def find_exclusions(definition: Definition) -> Iterator[tuple[str, list[str]]]:
    """(key of an approval that is warned of, the value of `excluded` against it)."""
    warned = {problem.step for problem in starter_warnings(definition)}
    return ((step.key, [*step.excluded, STARTER]) for step in _approvals(definition) if step.key in warned)


def _approvals(definition: Definition) -> Iterator[ApprovalStep]:
    return (step for _, step in walk(definition.steps) if isinstance(step, ApprovalStep) and not step.disabled)


def _names_a_person(trigger: object) -> bool:
    return isinstance(trigger, ManualTrigger) or (isinstance(trigger, FormTrigger) and trigger.access == "signed_in")
