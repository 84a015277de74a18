"""Single values and mappings."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.data.pure_action import MAX_DEPTH, invalid_input, pure_action
from automate_plugins.fields import FieldKind, FieldSpec, json_type

_LEVELS = (("debug", "Debug"), ("info", "Info"), ("warning", "Warning"), ("error", "Error"))


def _set(params: dict[str, Any]) -> Any:
    return params


def _pick(params: dict[str, Any]) -> dict[str, Any]:
    source, fields = params["source"], params["fields"]
    missing = [name for name in fields if name not in source]
    if missing:
        raise ConnectorError(
            f"the source has no {', '.join(map(str, missing))}; it has {', '.join(source)}", code="missing_field"
        )
    return {name: source[name] for name in fields}


def _log(params: dict[str, Any]) -> dict[str, Any]:
    return {"message": params["message"]}


def _merge(params: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for index, source in enumerate(params["sources"]):
        if not isinstance(source, dict):
            raise invalid_input(f"sources[{index}] is a {json_type(source)}, not a mapping")
        merged = _merged(merged, source, deep=MAX_DEPTH if params.get("deep") else 1)
    return merged


def _merged(first: dict[str, Any], second: dict[str, Any], *, deep: int) -> dict[str, Any]:
    if not deep:
        return second
    merged = {**first, **second}
    if deep > 1:
        for name in first.keys() & second.keys():
            if isinstance(first[name], dict) and isinstance(second[name], dict):
                merged[name] = _merged(first[name], second[name], deep=deep - 1)
    return merged


PURE_ACTIONS = (
    pure_action(_set, "set", "Set values", "The inputs become the step's output", None),
    pure_action(
        _pick,
        "pick",
        "Pick fields",
        "Keep the named fields of a mapping",
        FieldSpec(name="source", label="Source", kind=FieldKind.MAPPING, required=True),
        FieldSpec(name="fields", label="Fields", kind=FieldKind.LIST, required=True),
    ),
    pure_action(
        _merge,
        "merge",
        "Merge mappings",
        "One mapping out of several; later ones win",
        FieldSpec(name="sources", label="Mappings", kind=FieldKind.LIST, required=True),
        FieldSpec(name="deep", label="Merge inner mappings too", kind=FieldKind.BOOLEAN, default=False),
    ),
    pure_action(
        _log,
        "log",
        "Write to log",
        "Write one line to the run's log",
        FieldSpec(name="message", label="Message", kind=FieldKind.LONG_TEXT, required=True),
        FieldSpec(name="level", label="Level", kind=FieldKind.CHOICE, choices=_LEVELS, default="info"),
    ),
)
