"""The clipboard: steps and triggers as a document that any workflow can insert."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automate_authoring.drafts import insertion
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.drafts.values import UNCHOSEN, Draft, StepNode, step_document
from automate_core.definition.document import SCHEMA
from automate_plugins import text


def build_clip(draft: Draft, keys: Iterable[str]) -> dict[str, Any]:
    """The document of these steps or triggers, with all inside them. Raises RefusedError."""
    lists = draft.lists()
    found: dict[str, Any] = {"schema": SCHEMA, "steps": [], "triggers": []}
    for key in keys:
        if key in draft.steps:
            found["steps"].append(step_document(key, draft, lists))
        elif key in draft.triggers:
            found["triggers"].append(draft.triggers[key].document())
        else:
            raise RefusedError(text("The step %(key)s no longer exists.", key=repr(key)), "key")
    return found


def clip_connections(documents: Any) -> set[str]:
    """The connections that steps of a clip name, at any depth."""
    return {node["connection"] for node in _mappings(documents) if _names(node, "connection")}


def clip_endpoints(documents: Any) -> set[str]:
    """The webhook endpoints that triggers of a clip name."""
    return {node["endpoint"] for node in _mappings(documents) if _names(node, "endpoint")}


def _names(node: dict[str, Any], name: str) -> bool:
    return isinstance(node.get(name), str) and node[name] not in {"", UNCHOSEN}


def _mappings(value: Any) -> Iterable[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _mappings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _mappings(item)


def read_clip(document: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """(steps, triggers) of a clip. Raises RefusedError."""
    if document.get("schema") != SCHEMA:
        raise RefusedError(text("The clipboard does not contain workflow steps. Copy steps and paste again."), "clip")
    insertion.check_storable(document, "clip")
    steps, triggers = document.get("steps", []), document.get("triggers", [])
    if not (isinstance(steps, list) and isinstance(triggers, list) and (steps or triggers)):
        raise RefusedError(text("The clipboard is empty. Copy steps and paste again."), "clip")
    return steps, triggers


def loses_connection(node: StepNode, usable: set[str]) -> bool:
    """Whether the person who pastes the step may not use its connection."""
    return bool(node.connection) and node.connection != UNCHOSEN and node.connection not in usable
