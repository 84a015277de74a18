"""Comparisons that fail for the types of their values: `5,000 is text; 6152.0 is a number`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.definitions.compared_values import OF_TIMES
from automate_core.expressions.comparison import moment, number, primitive
from automate_core.expressions.operators import ORDERING
from automate_governance.texts import escape_invisible
from automate_plugins.fields import json_type

MAX_SHOWN = 60
_EQUAL, _STRICT = {"==": False, "!=": True}, {"===": False, "!==": True}


def describe_mismatch(operator: str, values: Sequence[Any]) -> str:
    """Why values of these types are never in that relation, or always; empty where they can be compared.

    A missing value has no type: the line shows that it is missing.
    """
    if operator in OF_TIMES:
        return _describe_times(values)
    for left, right in pairwise(values):
        if left is None or right is None or not _is_mismatch(operator, left, right):
            continue
        shown = {"left": _typed(left), "right": _typed(right)}
        if operator in {"!=", "!=="}:
            return _("%(left)s; %(right)s. This comparison is always true.") % shown
        return _("%(left)s; %(right)s. This comparison is never true.") % shown
    return ""


def _is_mismatch(operator: str, left: Any, right: Any) -> bool:
    if operator in _STRICT:
        return json_type(left) != json_type(right)
    if operator in _EQUAL:
        if isinstance(left, dict) or isinstance(right, dict):
            return type(left) is not type(right)
    elif operator not in ORDERING:
        return False
    if type(left) is type(right) and operator in _EQUAL:
        return False
    left, right = primitive(left), primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return False
    return math.isnan(number(left)) or math.isnan(number(right))


def _describe_times(values: Sequence[Any]) -> str:
    for value in values:
        if value is not None and moment(value) is None:
            return _("%(value)s is not a date and time. This comparison is never true.") % {"value": _shown(value)}
    return ""


def _typed(value: Any) -> str:
    shown = {"value": _shown(value)}
    match json_type(value):
        case "text":
            return _("%(value)s is text") % shown
        case "number":
            return _("%(value)s is a number") % shown
        case "boolean":
            return _("%(value)s is true or false") % shown
        case "list":
            return _("%(value)s is a list") % shown
    return _("%(value)s is a mapping") % shown


def _shown(value: Any) -> str:
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = escape_invisible(written[: MAX_SHOWN + 1])
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
