"""Fields of the payload that a step reads and that not every trigger sends: the step fails in runs of the others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from automate_core.definition.document import ActionStep, Definition, FormTrigger, ManualTrigger, Problem, Trigger
from automate_core.definition.slots import walk
from automate_plugins import text

#: An expression that is one field of the payload, perhaps with filters: the field, and what follows it.
_FIELD = re.compile(r"\{\{-?\s*event\.payload\.([A-Za-z_]\w*)((?:[.\[][^{}|]*?)?)\s*((?:\|[^{}]*?)?)\s*-?\}\}")


def find_payload_gaps(definition: Definition) -> Iterator[Problem]:
    """Warnings about inputs of steps, at their places; those of a single trigger have what it sends."""
    for place, step in walk(definition.steps):
        if not isinstance(step, ActionStep) or step.disabled:
            continue
        for name, value in step.inputs.items():
            for field, lacking in find_gaps(definition, value).items():
                reason = text(
                    "Runs that %(triggers)s starts may have no %(field)s, and this step then fails. Use a default.",
                    triggers=", ".join(lacking),
                    field=field,
                )
                yield Problem(f"{place}.inputs.{name}", reason)


def find_gaps(definition: Definition, value: Any) -> dict[str, list[str]]:
    """The keys of the triggers that may not send a field, by the fields that an input's value reads without default."""
    triggers = definition.enabled_triggers
    if len(triggers) < 2:
        return {}
    fields = sorted(_fields_without_default(value))
    found = {field: [each.key for each in triggers if _lacks(each, field, triggers)] for field in fields}
    return {field: lacking for field, lacking in found.items() if lacking}


def _lacks(trigger: Trigger, field: str, triggers: list[Trigger]) -> bool:
    """Whether the trigger's payload has no such field, or is of others whose inputs alone declare it."""
    if isinstance(trigger, ManualTrigger | FormTrigger):
        return all(each.name != field for each in trigger.inputs)
    return any(
        isinstance(other, ManualTrigger | FormTrigger) and any(each.name == field for each in other.inputs)
        for other in triggers
    )


def _fields_without_default(value: Any) -> set[str]:
    if isinstance(value, str):
        return {found[1] for found in _FIELD.finditer(value) if "default" not in found[3]}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {field for each in inner for field in _fields_without_default(each)}


def with_defaults(value: Any, names: Collection[str]) -> Any:
    """The value, with an empty text as the default of these fields of the payload."""
    if isinstance(value, dict):
        return {key: with_defaults(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [with_defaults(each, names) for each in value]
    if not isinstance(value, str):
        return value

    def complete(found: re.Match[str]) -> str:
        field, rest, filters = found[1], found[2].strip(), found[3].strip()
        if field not in names or "default" in filters:
            return found[0]
        parts = [f"event.payload.{field}{rest}", "default('')", filters.lstrip("| ")]
        return f"{{{{ {' | '.join(filter(None, parts))} }}}}"

    return _FIELD.sub(complete, value)
