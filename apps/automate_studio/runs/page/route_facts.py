"""Why a branch took its route: each condition that it decided, as the step recorded it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from automate_core.definition.document import BranchStep
from automate_core.definition.step_names import title_of_key
from automate_core.expressions.json_logic import RuleError, read_rule
from automate_core.models import StepRun
from automate_governance.texts import escape_invisible
from automate_studio.view_models.condition_lines import ConditionLine, value_text
from automate_ui.describe import describe_condition
from automate_ui.formatting import as_sentence


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
        observed = _observed(decided.get("values") or {}, _paths(route.when)) if may_see else ""
        lines.append(ConditionLine(text=said, passed=bool(decided.get("holds")), observed=observed))
    return lines


def _paths(rule: Any) -> tuple[str, ...]:
    try:
        return read_rule(rule).paths
    except RuleError:
        return ()


def _observed(values: Mapping[str, Any], paths: tuple[str, ...]) -> str:
    """The value of the only field of a condition, or those of several with their names."""
    if len(values) == len(paths) == 1:
        return value_text(next(iter(values.values())))
    return ", ".join(f"{escape_invisible(path.rpartition('.')[2])} {value_text(each)}" for path, each in values.items())
