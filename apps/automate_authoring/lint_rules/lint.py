"""Cautions about valid workflows. None of them prevents publishing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from automate_authoring.definitions.arithmetic import read_sum
from automate_authoring.lint_rules.bare_approvals import bare_approval_problems
from automate_authoring.lint_rules.blocked_addresses import find_blocked_addresses
from automate_authoring.lint_rules.nested_lists import find_nested_lists
from automate_authoring.lint_rules.number_comparisons import find_unequal_texts
from automate_authoring.lint_rules.open_routes import open_route_problems
from automate_authoring.lint_rules.payload_gaps import find_payload_gaps
from automate_authoring.lint_rules.unsent_callbacks import find_unsent_callbacks
from automate_connectors.adapters.base import Effect
from automate_connectors.registry import find_action
from automate_core.definition.document import (
    ActionStep,
    ApprovalStep,
    Definition,
    ModelTrigger,
    Problem,
    RepeatStep,
    RunTrigger,
    TryStep,
    WaitStep,
    WebhookTrigger,
    WorkflowStep,
)
from automate_core.definition.slots import StepIndex, StepPosition, walk
from automate_core.engine import assignees
from automate_core.expressions.json_logic import RuleError, read_rule
from automate_core.expressions.json_path import TemplateError, describe
from automate_core.expressions.templating import compile_value, expressions
from automate_governance.redaction.token_patterns import is_secret_name
from automate_plugins import ntext, text
from automate_plugins.texts import joined, marked

_MONEY = re.compile(r"(?:^|[^a-z])(?:pay(?:s|ment|out)?s?|charges?|refunds?|transfers?|payroll)(?:[^a-z]|$)")
_SENSITIVE = re.compile(
    r"(?i)passw|secret|token|api_?key|private_?key|ssn|social_security|iban|card_?number|cvv|cvc|passport|tax_?id"
    r"|national_id|birth|salary|diagnos|medical"
)
_OWN = {"data", "models"}  #: connectors whose actions stay on this site
_WRITES = {"models.create", "models.update", "models.delete"}


def find_cautions(definition: Definition) -> Iterator[Problem]:
    """Find cautions with their places in the document."""
    yield from _payments_without_error_handling(definition)
    yield from _starts_itself(definition)
    for place, _, reason in missing_approvers(definition):
        if not place.endswith(".groups"):  # an error already
            yield Problem(place, reason)
    yield from bare_approval_problems(definition)
    yield from open_route_problems(definition)
    yield from find_unsent_callbacks(definition)
    yield from find_payload_gaps(definition)
    yield from find_unequal_texts(definition)
    yield from (nested.problem for nested in find_nested_lists(definition))
    yield from find_blocked_addresses(definition)
    for place, step in walk(definition.steps):
        if isinstance(step, RepeatStep) and _never_ends(step):
            reason = ntext(
                "No step inside changes the condition. The loop runs %(count)s time and then fails.",
                "No step inside changes the condition. The loop runs %(count)s times and then fails.",
                step.maximum,
            )
            yield Problem(f"{place}.until", reason)
        elif isinstance(step, ActionStep):
            yield from _sends_outside(step, place)
            yield from _adds_texts(step, place)


# --- people ---------------------------------------------------------------------------------------------------------


def missing_approvers(definition: Definition) -> Iterator[tuple[str, ApprovalStep, str]]:
    """(place of a field, its approval, a sentence about the people or groups that there are not).

    Two queries, where any are named.
    """
    asked = [(place, step) for place, step in walk(definition.steps) if isinstance(step, ApprovalStep)]
    names = {name for _, step in asked for name in step.assignees if is_plain(name)}
    groups = {name for _, step in asked for name in step.groups if is_plain(name)}
    accounts = assignees.find_accounts(names) if names else {}
    lost_names = {name for name in names if name not in accounts or not accounts[name].is_active}
    lost_groups = groups - assignees.find_groups(groups).keys() if groups else set()
    for place, step in asked:
        people = [name for name in step.assignees if name in lost_names]
        unknown = [name for name in step.groups if name in lost_groups]
        is_answered = len(people) + len(unknown) < len(step.assignees) + len(step.groups)
        end = _NOT_ASKED if is_answered else _WAITS if accounts.keys() & set(people) else _FAILS
        if people:
            reason = text("No active person is called %(names)s.", names=", ".join(people))
            yield f"{place}.assignees", step, joined([reason, _WHOLE_NAME, end])
        if unknown:
            reason = text("No group is called %(names)s.", names=", ".join(unknown))
            yield f"{place}.groups", step, joined([reason, end])


_NOT_ASKED = text("Only the other approvers are asked.")
_WAITS = text("The approval would wait for an operator to reassign it.")
_FAILS = text("The step would fail.")
_WHOLE_NAME = text("Type the whole username.")


def is_plain(name: object) -> bool:
    """Whether it is a name and no expression, so that it is known before the run."""
    return isinstance(name, str) and bool(name) and "{" not in name


# --- money ------------------------------------------------------------------------------------------------------------


def _payments_without_error_handling(definition: Definition) -> Iterator[Problem]:
    """Steps that move money without an error handler of their own or of a try around them."""
    for position in StepIndex(definition.steps):
        step = position.step
        if isinstance(step, ActionStep) and step.on_error is None and not _is_caught(position) and _moves_money(step):
            reason = text("This step moves money. Choose what happens when it fails.")
            yield Problem(f"{position.place}.on_error", reason)


def _is_caught(position: StepPosition) -> bool:
    around = zip(position.parents, position.slots, strict=True)
    return any(isinstance(parent, TryStep) and slot.key == "steps" and parent.on_error for parent, slot in around)


def _moves_money(step: ActionStep) -> bool:
    """Whether its action says so, or reaches outside under a name, or at an address, that does."""
    try:
        _, action = find_action(step.action)
    except LookupError:
        return False
    if action.moves_money:
        return True
    if action.effect is not Effect.EFFECTFUL or str(step.inputs.get("method", "POST")).upper() in {"GET", "HEAD"}:
        return False
    named = (step.key, step.name, step.action, str(step.inputs.get("url", "")).partition("?")[0])
    reaches = step.action.partition(".")[0] not in _TALKS
    return reaches and any(_MONEY.search(text.lower().replace("_", " ")) for text in named)


_TALKS = {"email", "slack", "github", "llm", "data", "models"}  #: connectors that tell of money and move none


# --- going round ------------------------------------------------------------------------------------------------------


def _starts_itself(definition: Definition) -> Iterator[Problem]:
    """Steps that may cause an event that a trigger of the same workflow takes."""
    for index, trigger in enumerate(definition.triggers):
        for place, step in walk(definition.steps):
            if step.disabled:
                continue
            match trigger, step:
                case ModelTrigger(own_changes=True), ActionStep() if _writes(step, trigger.model):
                    reason = text("This step changes %(model)s, which starts this workflow again.", model=trigger.model)
                    yield Problem(f"{place}.inputs.model", reason)
                case RunTrigger(), WorkflowStep() if step.workflow and step.workflow == trigger.workflow:
                    reason = text("The end of %(workflow)s starts this workflow again.", workflow=step.workflow)
                    yield Problem(f"{place}.workflow", reason)
                case WebhookTrigger(), ActionStep() if f"/hooks/{trigger.endpoint}/" in str(step.inputs.get("url", "")):
                    reason = text(
                        "Requests to the webhook %(endpoint)s start this workflow again.", endpoint=trigger.endpoint
                    )
                    yield Problem(f"{place}.inputs.url", reason)
                case _:
                    pass
        if isinstance(trigger, ModelTrigger) and trigger.own_changes:
            reason = text("Changes that this workflow makes start it again.")
            yield Problem(f"triggers[{index}].own_changes", reason)


def _writes(step: ActionStep, model: str) -> bool:
    return step.action in _WRITES and str(step.inputs.get("model", "")).lower() == model.lower()


def _never_ends(step: RepeatStep) -> bool:
    """Whether nothing that happens inside can make its condition hold."""
    try:
        paths = [path.split(".") for path in read_rule(step.until).paths]
    except RuleError:
        return False  # an error already
    if step.until is True or '"now"' in json.dumps(step.until):
        return False
    inner = [each for _, each in walk(step.steps)]
    given = {("steps", each.key) for each in inner}
    given |= {("vars", each.save_as) for each in inner if isinstance(each, ActionStep) and each.save_as}
    given |= {("callbacks", each.key) for each in inner if isinstance(each, WaitStep)}
    return not any(path[0] == "index" or tuple(path[:2]) in given for path in paths) and bool(inner)


# --- sums -------------------------------------------------------------------------------------------------------------


def _adds_texts(step: ActionStep, place: str) -> Iterator[Problem]:
    """Inputs that look like a sum and are none, since its operators stand outside the braces."""
    for name, value in step.inputs.items():
        for found in filter(None, map(read_sum, expressions(value))):
            if found.certain:
                reason = text("This text is not calculated. Write %(expression)s instead.", expression=found.whole)
                yield Problem(f"{place}.inputs.{name}", reason)


# --- what leaves ------------------------------------------------------------------------------------------------------


def _sends_outside(step: ActionStep, place: str) -> Iterator[Problem]:
    """Inputs that hold what sounds sensitive, of actions that reach outside."""
    try:
        adapter, action = find_action(step.action)
    except LookupError:
        return
    if adapter.code in _OWN or action.effect is not Effect.EFFECTFUL:
        return
    for name, value in step.inputs.items():
        for path in _sensitive(value):
            reason = text(
                "%(path)s may be sensitive. %(connector)s sends it outside this site.",
                path=path,
                connector=marked(adapter.name),
            )
            yield Problem(f"{place}.inputs.{name}", reason)


def _sensitive(value: Any) -> Iterator[str]:
    if not _SENSITIVE.search(json.dumps(value)):
        return
    try:
        paths = compile_value(value).paths
    except TemplateError:
        return  # an error already
    for path in sorted(paths):
        if any(is_secret_name(str(part)) or _SENSITIVE.search(str(part)) for part in path[1:]):
            yield describe(path)
