"""`operation: ID` in an action: what the file does not say is taken from the OpenAPI document beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from automate_connectors.declared.openapi.actions import action_of, find_operation
from automate_connectors.declared.openapi.reader import Api
from automate_connectors.declared.parsing import Fault, FaultyDocumentError
from automate_connectors.declared.yaml_files import DocumentError
from automate_plugins import text
from automate_plugins.texts import joined, marked


def expand(value: Any, read_beside: Callable[[str], bytes]) -> Any:
    """Return the value of a `connector.yaml`, its operations written out. Raises FaultyDocumentError.

    `read_beside` reads the OpenAPI document by its name, and raises DocumentError.
    """
    actions = value.get("actions") if isinstance(value, dict) else None
    if not isinstance(actions, list) or not any(isinstance(each, dict) and "operation" in each for each in actions):
        return value
    api = _read(value.get("openapi"), read_beside)
    return {**value, "actions": [_expanded(api, each, index) for index, each in enumerate(actions)]}


def _read(name: Any, read_beside: Callable[[str], bytes]) -> Api:
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise FaultyDocumentError([Fault(("openapi",), text("openapi names a file in the folder of the connector."))])
    try:
        return Api(read_beside(name))
    except DocumentError as error:
        reason = joined([name, marked(error.reason)], ": ")
        raise FaultyDocumentError([Fault(("openapi",), reason)]) from error


def _expanded(api: Api, action: Any, index: int) -> Any:
    if not isinstance(action, dict):
        return action
    try:
        return expand_action(api, action)
    except DocumentError as error:
        raise FaultyDocumentError([Fault(("actions", index, "operation"), error.reason)]) from error
    except FaultyDocumentError as error:
        raise FaultyDocumentError(
            [Fault(("actions", index, *each.place), each.reason) for each in error.faults]
        ) from error


def expand_action(api: Api, action: dict[str, Any]) -> dict[str, Any]:
    """Return an action with its operation written out, if it names one. Raises DocumentError, FaultyDocumentError."""
    if not isinstance(action.get("operation"), str):
        return action
    return overlay(action_of(api, find_operation(api, action["operation"])), action)


def overlay(made: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    """Return the action `made` as `action` changes it: `fields` by name, without those in `without`.

    Raises FaultyDocumentError.
    """
    changes = {name: each for name, each in action.items() if name not in {"fields", "without"}}
    without, written = action.get("without", []), action.get("fields", [])
    if not isinstance(without, list) or not isinstance(written, list):
        return action
    fields = {field["name"]: field for field in made.get("fields", [])}
    if unknown := [name for name in without if name not in fields]:
        reason = text("There is no field %(name)s.", name=repr(unknown[0]))
        raise FaultyDocumentError([Fault(("without",), reason)])
    for field in written:
        name = field.get("name") if isinstance(field, dict) else None
        fields[name] = {**fields.get(name, {}), **field} if isinstance(name, str) else field
    return {**made, **changes, "fields": [field for name, field in fields.items() if name not in without]}
