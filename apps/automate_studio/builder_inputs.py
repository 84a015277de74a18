"""What a person fills in before a start by hand, as a small list of fields that is edited row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from automate_core.drafts.commands import State
from automate_core.drafts.planting import free_key
from automate_core.drafts.values import TriggerNode
from automate_studio import words
from automate_studio.builder_setup import Field, Setup, made

MOST = 50
KINDS = (
    ("text", "Text"),
    ("long_text", "Long text"),
    ("number", "Number"),
    ("boolean", "Yes or no"),
    ("choice", "One of a list"),
    ("date", "Date"),
)


@dataclass(frozen=True, kw_only=True)
class InputRow:
    """One field that a person fills in before a start by hand. `place` begins the names: `inputs.0.`."""

    place: str
    index: int
    fields: dict[str, Field]
    required: bool
    last: bool
    error: str


def of(state: State, node: TriggerNode) -> Setup:
    """The form of a start by hand."""
    rows = _inputs(node)
    return made(
        node,
        Field(id=f"t-{node.key}-inputs", name="inputs", label="Asked for"),
        rows=[
            _row(node, index, document, last=index == len(rows) - 1, error=_problem_of(state, node, index))
            for index, document in enumerate(rows)
        ],
        may_add=len(rows) < MOST,
    )


def _inputs(node: TriggerNode) -> list[dict[str, Any]]:
    value = node.config.get("inputs", [])
    return [dict(each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _problem_of(state: State, node: TriggerNode, index: int) -> str:
    place = f"inputs[{index}]"
    found = (each for each in state.problems if each.trigger == node.key)
    reasons = (each.reason for each in found if each.field == place or each.field.startswith(f"{place}."))
    return next(map(words.sentence, reasons), "")


def _row(node: TriggerNode, index: int, document: Mapping[str, Any], *, last: bool, error: str) -> InputRow:
    place = f"inputs.{index}."

    def shown(name: str, label: str, value: Any, **options: Any) -> Field:
        return Field(
            id=f"t-{node.key}-inputs-{index}-{name}", name=f"{place}{name}", label=label, value=str(value), **options
        )

    choices = document.get("choices")
    listed = ", ".join(map(str, choices)) if isinstance(choices, list) else ""
    return InputRow(
        place=place,
        index=index,
        required=document.get("required") is True,
        last=last,
        error=error,
        fields={
            "label": shown("label", "Label", document.get("label", "")),
            "name": shown("name", "Name in the payload", document.get("name", "")),
            "kind": shown("kind", "Kind", document.get("kind", "text"), kind="choice", choices=KINDS),
            "choices": shown("choices", "Choices, separated by commas", listed, placeholder="late, broken"),
            "help": shown("help", "Help", document.get("help", "")),
        },
    )


def read(node: TriggerNode, post: QueryDict) -> dict[str, Any]:
    """The rows of the form after what `act` says: `add`, `remove:N`, `up:N`, `down:N`."""
    rows: list[dict[str, Any]] = []
    while len(rows) < MOST and f"inputs.{len(rows)}.name" in post:
        rows.append(_read_row(post, f"inputs.{len(rows)}."))
    if not rows and not post.get("act") and "rows" not in post:
        return {}
    act, _, place = post.get("act", "").partition(":")
    if not act and [_said(row) for row in rows] == [_said(row) for row in _inputs(node)]:
        return {}
    at = int(place) if place.isascii() and place.isdigit() and int(place[:4]) < len(rows) else None
    if act == "add":
        rows.append({"name": free_key("field", {row["name"] for row in rows}), "kind": "text"})
    elif act == "remove" and at is not None:
        del rows[at]
    elif act in {"up", "down"} and at is not None:
        to = min(max(at + (1 if act == "down" else -1), 0), len(rows) - 1)
        rows.insert(to, rows.pop(at))
    return {"inputs": rows}


def _read_row(post: QueryDict, place: str) -> dict[str, Any]:
    kind = post.get(f"{place}kind", "text")
    given = {name: post.get(f"{place}{name}", "").strip() for name in ("label", "help")}
    row: dict[str, Any] = {"name": post.get(f"{place}name", "").strip(), "kind": kind}
    row |= {name: text for name, text in given.items() if text}
    if choices := [each.strip() for each in post.get(f"{place}choices", "").split(",") if each.strip()]:
        row["choices"] = choices
    return {**row, "required": True} if post.get(f"{place}required") else row


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what goes without saying."""
    return {name: value for name, value in row.items() if value and (name, value) != ("kind", "text")}
