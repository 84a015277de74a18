"""Why a branch took its route: each condition that it decided, as the step recorded it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from automate_core.definition.document import BranchStep
from automate_core.definition.step_names import title_of_key
from automate_core.expressions.json_logic import RuleError, read_rule
from automate_core.models import StepRun
from automate_governance.texts import escape_invisible
from automate_studio.view_models.compared_types import describe_mismatch
from automate_studio.view_models.condition_lines import ConditionLine, value_text
from automate_ui.describe import describe_condition
from automate_ui.formatting import as_sentence

_OF_ITEMS = frozenset({"all", "any", "some", "none"})


def route_lines(step: BranchStep, attempt: StepRun, *, may_see: bool) -> list[ConditionLine]:
    """A line per decided route; empty where none was recorded. Values are for people who may view payloads."""
    recorded = attempt.input.get("conditions") if isinstance(attempt.input, dict) else None
    routes = {route.key: route for route in step.arms}
    lines: list[ConditionLine] = []
    for decided in recorded if isinstance(recorded, list) else ():
        route = routes.get(str(decided.get("route")))
        if route is None:
            return []  # of another version's routes
        said = _("%(route)s: %(condition)s") % {
            "route": escape_invisible(route.name or title_of_key(route.key)),
            "condition": as_sentence(escape_invisible(describe_condition(route.when)), stop=""),
        }
        values = decided.get("values") or {} if may_see else {}
        observed = _observed(values, _paths(route.when)) if may_see else ""
        note = next(_mismatches(route.when, values), "")
        lines.append(ConditionLine(text=said, passed=bool(decided.get("holds")), observed=observed, note=note))
    return lines


def _paths(rule: Any) -> tuple[str, ...]:
    try:
        return read_rule(rule).paths
    except RuleError:
        return ()


def _mismatches(rule: Any, values: Mapping[str, Any]) -> Iterator[str]:
    """Why comparisons of these recorded values never hold, or always, for the types of the values."""
    if not isinstance(rule, dict) or not rule:
        return
    [(operator, given)] = rule.items()
    if operator in _OF_ITEMS:
        return  # whose names are those of an item
    operands = given if isinstance(given, list) else [given]
    looked_up = [_known(operand, values) for operand in operands]
    if all(looked_up) and (note := describe_mismatch(operator, [value for known in looked_up for value in known])):
        yield note
    for operand in operands:
        yield from _mismatches(operand, values)


def _known(operand: Any, values: Mapping[str, Any]) -> list[Any]:
    """The value of a literal or of a recorded variable, in a list; empty for anything else."""
    if isinstance(operand, dict):
        path = operand.get("var")
        return [values[path]] if isinstance(path, str) and path in values else []
    return [] if isinstance(operand, list) else [operand]


def _observed(values: Mapping[str, Any], paths: tuple[str, ...]) -> str:
    """The value of the only field of a condition, or those of several with their names."""
    if len(values) == len(paths) == 1:
        return value_text(next(iter(values.values())))
    return ", ".join(f"{escape_invisible(path.rpartition('.')[2])} {value_text(each)}" for path, each in values.items())
