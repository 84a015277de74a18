"""Rules, triggers and recipients in words."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from automate_core.definition.document import (
    TIMEOUT,
    ApprovalStep,
    BranchStep,
    EventTrigger,
    ManualTrigger,
    ModelTrigger,
    RunTrigger,
    ScheduleTrigger,
    Step,
    Trigger,
    TryStep,
    WebhookTrigger,
)
from automate_core.definition.scope import RunCondition
from automate_core.definition.step_names import title_of_key
from automate_core.models import NotificationRule

_BETWEEN = {
    "==": "is",
    "===": "is",
    "!=": "is not",
    "!==": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "in": "is in",
    "contains": "contains",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "matches": "matches",
    "before": "is before",
    "after": "is after",
    "not_before": "is at or after",
    "not_after": "is at or before",
    "same_date": "is on the day of",
}
_AFTER = {"exists": "exists", "!!": "is set", "!": "is not set", "empty": "is empty"}


def describe_condition(rule: Any) -> str:
    """A rule as a sentence: `kind is issues and labels contains bug`. Names are cut to their last part."""
    if not isinstance(rule, dict) or len(rule) != 1:
        return _describe_value(rule)
    [(operator, given)] = rule.items()
    arguments = given if isinstance(given, list) else [given]
    if operator == "var":
        return str(arguments[0] if arguments else "").rpartition(".")[2] or "…"
    if operator in {"and", "or"}:
        return f" {operator} ".join(_describe_part(argument) for argument in arguments)
    if operator == "now":
        return f"now {arguments[0]}" if arguments else "now"
    if operator == "!" and arguments and _describe_operator(arguments[0]) not in {"", "var"}:
        return f"not ({describe_condition(arguments[0])})"
    if operator in _AFTER and arguments:
        return f"{describe_condition(arguments[0])} {_AFTER[operator]}"
    if operator in _BETWEEN and len(arguments) == 2:
        return f"{describe_condition(arguments[0])} {_BETWEEN[operator]} {describe_condition(arguments[1])}"
    return f"{operator}({', '.join(describe_condition(argument) for argument in arguments)})"


def _describe_part(rule: Any) -> str:
    """A part of a longer condition, in brackets if it has several parts itself."""
    return f"({describe_condition(rule)})" if _describe_operator(rule) in {"and", "or"} else describe_condition(rule)


def _describe_operator(rule: Any) -> str:
    return str(next(iter(rule))) if isinstance(rule, dict) and len(rule) == 1 else ""


def describe_trigger(part: Trigger) -> tuple[str, str]:
    """(kind of trigger, details): `("Webhook", "github, issues")`."""
    match part:
        case WebhookTrigger():
            return "Webhook", ", ".join(filter(None, [part.endpoint, part.event or "any event"]))
        case ScheduleTrigger():
            return "Schedule", part.cron or f"every {part.every}"
        case ModelTrigger():
            return "Model change", f"{part.model} {' or '.join(part.on)}"
        case ManualTrigger():
            return "By hand", ", ".join(field.label or field.name for field in part.inputs) or "no inputs"
        case EventTrigger():
            return "Event", part.event
        case RunTrigger():
            return "Workflow ended", f"{part.workflow}, {part.on}"


def _describe_value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_describe_value(item) for item in value)
    if isinstance(value, bool):  # 0 and 1 are numbers
        return "true" if value else "false"
    return "nothing" if value is None else "{}" if isinstance(value, dict) else str(value)


def describe_recipients(rule: NotificationRule) -> list[str]:
    """Recipients of a rule in words."""
    match rule.channel:
        case NotificationRule.Channel.SLACK:
            return [f"Slack {rule.room} by {rule.connection}"]
        case NotificationRule.Channel.WEBHOOK:
            return [f"Webhook {urlsplit(rule.url).netloc}"]
    return [*(["the owner"] if rule.to_owner else []), *map(str, rule.people.all()), *rule.addresses]


def describe_run_condition(condition: RunCondition | None) -> str:
    """The words after "only if"; empty for a step that always has run."""
    if condition is None:
        return ""
    step, slot = condition.step, condition.slot
    label = step_label(step)
    if slot is None:
        return f"{label} is on"
    if isinstance(step, BranchStep):
        return f"{label} took {slot.name or slot.key if slot.place.startswith('arms') else 'Otherwise'}"
    if slot.key == TIMEOUT:
        return f"{label} ran out of time"
    if isinstance(step, ApprovalStep):
        return f"{label} gave {slot.name or slot.key}"
    if isinstance(step, TryStep) and slot.key == "steps":
        return "it got that far" if condition.is_enclosing else f"{label} went well"
    return f"{label} failed"


def step_label(step: Step) -> str:
    """The step's own name, else its key as a title."""
    return step.name or title_of_key(step.key)
