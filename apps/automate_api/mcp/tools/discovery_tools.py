"""Tools for building: search the actions of connectors and the templates of workflows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from automate_api.mcp.callers import Caller
from automate_api.mcp.tools.draft_tools import SCOPES
from automate_api.mcp.tools.tool import NUMBER, OBJECT, TEXT, Arguments, Tool, ToolResult, rows, wrong_cursor
from automate_api.v1.not_found import not_found
from automate_authoring.drafts.parsing import STEPS, TRIGGERS
from automate_authoring.drafts.values import KIND_LABELS, TRIGGER_LABELS
from automate_authoring.library.files import Template, installed_templates
from automate_authoring.step_search import Entry, search_steps
from automate_authoring.step_words import KIND_DESCRIPTIONS, TRIGGER_DESCRIPTIONS
from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_connectors.models import Connection
from automate_governance.permissions import permitted
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.fields import FieldSpec

_QUERY = {"type": "string", "maxLength": 200, "default": ""}
_NOTHING = text(
    "Nothing has these words. Name the system, such as slack, or the task, such as send, create or wait. For a system"
    " without a connector, search for http request."
)
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}


def _search_actions(caller: Caller, arguments: Arguments) -> ToolResult:
    query, start = arguments.get("query", ""), _read_cursor(arguments.get("cursor", "0"))
    usable = permitted(caller.owner, "use", Connection.objects.all())
    slugs: dict[str, list[str]] = {}
    for connector, slug in usable.order_by("slug").values_list("connector", "slug"):
        slugs.setdefault(connector, []).append(slug)
    found = search_steps(query, slugs.keys())
    end = start + arguments.get("limit", 10)
    content: dict[str, Any] = {"actions": [_entry(each, slugs) for each in found[start:end]], "found": len(found)}
    if end < len(found):
        content["next"] = str(end)
    if not found:
        content["hint"] = translated(_NOTHING)
    return ToolResult(content=content)


def _read_cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit()):
        raise wrong_cursor(cursor)
    return int(cursor)


def _entry(entry: Entry, connections: dict[str, list[str]]) -> dict[str, Any]:
    """An action; or a kind of step or trigger, with the fields of its document."""
    if entry.adapter and entry.action:
        return {"kind": "action"} | _described(entry.adapter, entry.action, connections)
    label = TRIGGER_LABELS[entry.trigger] if entry.trigger else KIND_LABELS[entry.kind]
    words = TRIGGER_DESCRIPTIONS[entry.trigger] if entry.trigger else KIND_DESCRIPTIONS[entry.kind]
    part = TRIGGERS[entry.trigger] if entry.trigger else STEPS[entry.kind]
    fields = [each for each in msgspec.structs.fields(part) if each.name not in {"key", "name", "notes", "disabled"}]
    return {
        "kind": entry.kind,
        "title": translated(label),
        "description": translated(words),
        "fields": [{"name": each.encode_name} | ({"required": True} if each.required else {}) for each in fields],
    } | ({"trigger": entry.trigger} if entry.trigger else {})


def _described(adapter: ConnectorAdapter, action: Action, connections: dict[str, list[str]]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "action": f"{adapter.code}.{action.name}",
        "title": f"{translated(adapter.name)}: {translated(action.label) or action.name}",
        "description": translated(action.description or adapter.description),
        "effect": action.effect.value,
        "inputs": None if action.fields is None else _fields(action.fields),
        "outputs": _fields(action.outputs),
    }
    if adapter.takes_connection:
        described["connections"] = connections.get(adapter.code, [])
    return described


def _fields(fields: Iterable[FieldSpec]) -> list[dict[str, Any]]:
    return [
        {"name": field.name, "kind": field.kind.value}
        | ({"required": True} if field.required else {})
        | ({"help": translated(field.help)} if field.help else {})
        | ({"choices": [value for value, _ in field.choices]} if field.choices else {})
        | ({"columns": _fields(field.columns)} if field.columns else {})
        for field in fields
    ]


def _matches(query: str, words: str) -> bool:
    folded = words.casefold()
    return all(word in folded for word in query.casefold().split())


def _search_templates(caller: Caller, arguments: Arguments) -> ToolResult:
    templates = installed_templates()
    if slug := arguments.get("template"):
        if slug not in templates:
            raise not_found(Template, slug)
        return ToolResult(content=_template(templates[slug]) | {"document": templates[slug].document["workflow"]})
    query = arguments.get("query", "")
    found = [each for each in templates.values() if _matches(query, f"{each.slug} {each.name} {each.summary}")]
    shown = [_template(each) for each in found[: arguments.get("limit", 10)]]
    return ToolResult(content={"templates": shown, "found": len(found)})


def _template(template: Template) -> dict[str, Any]:
    return {
        "template": template.slug,
        "name": template.name,
        "summary": template.summary,
        "category": template.category,
        "needs": msgspec.to_builtins(template.needs),
    }


_FIELDS = {"type": ["array", "null"], "items": {"type": "object", "properties": {"name": TEXT}}}
_FOUND = {
    "kind": TEXT,
    "action": TEXT,
    "trigger": TEXT,
    "title": TEXT,
    "description": TEXT,
    "effect": TEXT,
    "fields": _FIELDS,
    "inputs": _FIELDS,
    "outputs": _FIELDS,
    "connections": {"type": "array", "items": TEXT},
}
_TEMPLATE = {"template": TEXT, "name": TEXT, "summary": TEXT, "category": TEXT, "needs": OBJECT}
TOOLS = (
    Tool(
        name="search_actions",
        title="Search actions",
        description=(
            "Find what a workflow can be built of: actions with their inputs, kinds of steps such as a branch, a loop, "
            "a wait or an approval, and triggers. Say in a few words what it should do. The best come first; pass "
            "`next` as `cursor` for more. Add an action with its `action`, a step with its `kind`, a trigger with its "
            "`trigger` as the kind of add_trigger."
        ),
        properties={"query": _QUERY, "limit": _LIMIT, "cursor": {"type": "string", "maxLength": 9, "default": "0"}},
        results={"actions": rows(**_FOUND), "found": NUMBER, "next": TEXT, "hint": TEXT},
        scopes=SCOPES,
        answer=_search_actions,
    ),
    Tool(
        name="search_templates",
        title="Search templates",
        description="Find workflow templates. With `template`, read the document of one, as an example to build from.",
        properties={"query": _QUERY, "limit": _LIMIT, "template": {"type": "string", "maxLength": 100}},
        results={"templates": rows(**_TEMPLATE), "found": NUMBER, **_TEMPLATE, "document": OBJECT},
        scopes=SCOPES,
        answer=_search_templates,
    ),
)
