"""What a workflow declares of its events so that its runs are found by it: `order_no: event.payload.order.no`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automate_core.definition import Definition
from automate_core.lookups import TemplateError, as_text
from automate_core.templating import Template, compile_value
from automate_governance.redaction import redactor

MOST = 10
LONGEST = 200  #: characters of a value that are kept


def written(expression: str) -> str:
    """The template of an expression: the braces may be left out."""
    return expression if "{{" in expression else f"{{{{ {expression} }}}}"


def compiled(declared: Mapping[str, str]) -> dict[str, Template]:
    """The templates by name. Raises TemplateError."""
    return {name: compile_value(written(expression)) for name, expression in declared.items()}


def values(templates: Mapping[str, Template], event: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, str]:
    """The values that an event gives, without those that it lacks and without what is no single value."""
    found = {}
    for name, template in templates.items():
        try:
            value = template.render({"event": event, "vars": variables})
        except TemplateError:
            continue
        if isinstance(value, str | int | float) and (text := normal(as_text(value))):
            found[name] = text
    return found


def of(definition: Definition, event: Mapping[str, Any]) -> dict[str, str]:
    """The same for a definition; none when it can no longer be compiled."""
    try:
        return values(compiled(definition.search_terms), event, definition.vars)
    except TemplateError:
        return {}


def normal(value: str) -> str:
    """A value as it is stored and asked for: no secret, no NUL, no space around it, not too long."""
    return redactor.text(value.replace("\0", "").encode("utf-8", "replace").decode()).strip()[:LONGEST]
