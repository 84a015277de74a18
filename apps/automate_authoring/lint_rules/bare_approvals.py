"""Approvals that show their approvers nothing of what they decide about."""

from __future__ import annotations

from collections.abc import Iterator

from automate_core.definition.document import ApprovalStep, Definition, FormTrigger, ManualTrigger, Problem
from automate_core.definition.slots import StepIndex
from automate_core.expressions.templating import expressions
from automate_governance.redaction.token_patterns import is_secret_name
from automate_plugins import text

_NOT_SHOWN = frozenset({"file", "consent"})


def find_bare_approvals(definition: Definition) -> Iterator[tuple[str, ApprovalStep]]:
    """(place, step) of approvals without a message, facts, or a question that begins with a value of the run."""
    for position in StepIndex(definition.steps, enabled_only=True):
        step = position.step
        if isinstance(step, ApprovalStep) and not (step.message.strip() or step.context or _has_values(step)):
            yield position.place, step


def bare_approval_problems(definition: Definition) -> Iterator[Problem]:
    """A warning for each. Approvers may lack the permission to view payloads: they see what the author shows them."""
    for place, _ in find_bare_approvals(definition):
        yield Problem(f"{place}.message", text("Approvers see no data of the run. Add a message that shows it."))


def answers_message(definition: Definition) -> str:
    """A message with the answers to the forms that start the workflow, one a line; empty without a form."""
    labels: dict[str, str] = {}
    for trigger in definition.enabled_triggers:
        if isinstance(trigger, FormTrigger | ManualTrigger):
            for each in trigger.inputs:
                if each.kind not in _NOT_SHOWN and not is_secret_name(each.name):
                    labels.setdefault(each.name, each.label or each.name)
    return "\n".join(f"{_plain(label)}: {{{{ event.payload.{name} | default('') }}}}" for name, label in labels.items())


def _plain(label: str) -> str:
    """A label that is no part of an expression."""
    return label.replace("{", "(").replace("}", ")")


def _has_values(step: ApprovalStep) -> bool:
    return any(isinstance(each.default, str) and bool(list(expressions(each.default))) for each in step.form)
