"""Data connector: shape values inside a run. Pure: no input, no output, nothing to configure."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_plugins.fields import FieldKind, FieldSpec

_LEVELS = (("debug", "Debug"), ("info", "Info"), ("warning", "Warning"), ("error", "Error"))


class DataConnector(ConnectorAdapter):
    """`set` gives its inputs as the output, `pick` keeps some fields of a mapping, `log` writes a line to the run."""

    code = "data"
    name = "Data"
    description = "Set values, pick fields and write log lines"
    icon = "database"
    hue = 225
    actions = (
        Action(
            name="set",
            label="Set values",
            description="The inputs become the step's output",
            effect=Effect.PURE,
        ),
        Action(
            name="pick",
            label="Pick fields",
            description="Keep the named fields of a mapping",
            effect=Effect.PURE,
            fields=(
                FieldSpec(name="source", label="Source", kind=FieldKind.MAPPING, required=True),
                FieldSpec(name="fields", label="Fields", kind=FieldKind.LIST, required=True),
            ),
        ),
        Action(
            name="log",
            label="Write to log",
            description="Write one line to the run's log",
            effect=Effect.PURE,
            fields=(
                FieldSpec(name="message", label="Message", kind=FieldKind.LONG_TEXT, required=True),
                FieldSpec(name="level", label="Level", kind=FieldKind.CHOICE, choices=_LEVELS, default="info"),
            ),
        ),
    )

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Dispatch on the action's name."""
        match action:
            case "set":
                return params
            case "pick":
                return _pick(params["source"], params["fields"])
            case "log":
                context["log"](params["message"], level=params["level"])
                return {"message": params["message"]}
        raise ConnectorError(f"data has no action {action!r}", code="unknown_action")


def _pick(source: dict[str, Any], fields: list[Any]) -> dict[str, Any]:
    missing = [name for name in fields if name not in source]
    if missing:
        raise ConnectorError(
            f"the source has no {', '.join(map(str, missing))}; it has {', '.join(source)}", code="missing_field"
        )
    return {name: source[name] for name in fields}
