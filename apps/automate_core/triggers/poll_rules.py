"""Checks of poll triggers: the poll, its fields, its interval and its connection, as the connector describes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_connectors.registry import find_poll
from automate_core.definition.document import PollTrigger, Problem
from automate_core.definition.plain_secrets import plain_secrets
from automate_core.definition.validators import validates
from automate_core.expressions.durations import parse_duration
from automate_plugins import ntext, text
from automate_plugins.fields import FieldSpec


@validates(PollTrigger)
def poll_problems(trigger: PollTrigger, place: str) -> Iterator[Problem]:
    """What keeps a poll from being asked."""
    if not trigger.poll:
        return  # reported as a field that is missing
    try:
        adapter, poll = find_poll(trigger.poll)
    except LookupError as error:
        yield Problem(f"{place}.poll", str(error))
        return
    yield from connection_problems(adapter, trigger.connection, place)
    yield from input_problems(poll.fields, trigger.inputs, f"{place}.inputs")
    try:
        seconds = parse_duration(trigger.every)
    except ValueError as error:
        yield Problem(f"{place}.every", str(error))
        return
    if seconds < poll.least_seconds:
        least = poll.least_seconds
        reason = ntext("Must be at least %(count)s second.", "Must be at least %(count)s seconds.", least)
        yield Problem(f"{place}.every", reason)


def connection_problems(adapter: ConnectorAdapter, connection: str, place: str) -> Iterator[Problem]:
    """A connection that a trigger of this connector lacks, or cannot have."""
    if not connection and adapter.needs_connection:
        yield Problem(f"{place}.connection", text("Choose a connection."), missing=True)
    elif connection and not adapter.takes_connection:
        yield Problem(f"{place}.connection", text("The connector %(name)s has no connections.", name=adapter.code))


def input_problems(specs: tuple[FieldSpec, ...], inputs: dict[str, Any], place: str) -> Iterator[Problem]:
    """Inputs of a trigger that do not fit its fields, or that hold expressions or secrets."""
    fields = {field.name: field for field in specs}
    for name, value in inputs.items():
        if name not in fields:
            known = ", ".join(fields) or "-"
            reason = text("This trigger has no input %(field)s. Available: %(names)s.", field=repr(name), names=known)
            yield Problem(f"{place}.{name}", reason)
        elif _has_expression(value):
            reason = text("Expressions cannot be used here, because there is no event yet.")
            yield Problem(f"{place}.{name}", reason)
    for name, field in fields.items():
        value = inputs.get(name)
        if (name in inputs or field.default is None) and (problem := field.problem(value)):
            yield Problem(f"{place}.{name}", problem, missing=value is None)
    for name in plain_secrets(Action(name="trigger", fields=specs), inputs):
        yield Problem(f"{place}.{name}", text("This is a secret in plain text. Store it in a connection."))


def _has_expression(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_expression, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and ("{{" in value or "{%" in value)
