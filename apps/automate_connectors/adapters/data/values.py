"""Single values and mappings."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.data.pure_action import MAX_DEPTH, invalid_input
from automate_plugins import text
from automate_plugins.fields import json_type


def _set(params: dict[str, Any]) -> Any:
    return params


def _pick(params: dict[str, Any]) -> dict[str, Any]:
    source, fields = params["source"], params["fields"]
    missing = [name for name in fields if name not in source]
    if missing:
        raise ConnectorError(
            text(
                "The source has no %(missing)s. It has: %(known)s.",
                missing=", ".join(map(str, missing)),
                known=", ".join(source),
            ),
            code="missing_field",
        )
    return {name: source[name] for name in fields}


def _log(params: dict[str, Any]) -> dict[str, Any]:
    return {"message": params["message"]}


def _merge(params: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for index, source in enumerate(params["sources"]):
        if not isinstance(source, dict):
            raise invalid_input(
                text("%(name)s must be a mapping (got %(type)s).", name=f"sources[{index}]", type=json_type(source))
            )
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


PURE_ACTIONS = {
    "set": _set,
    "pick": _pick,
    "merge": _merge,
    "log": _log,
}
