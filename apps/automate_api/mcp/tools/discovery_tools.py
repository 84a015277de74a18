"""Tools for building: search the actions of connectors and the templates of workflows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from automate_api.mcp.callers import Caller
from automate_api.mcp.tools.draft_tools import SCOPES
from automate_api.mcp.tools.tool import Arguments, Tool, ToolError, ToolResult
from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_core.authoring.library.files import Template, installed_templates
from automate_governance.permissions import permitted
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.fields import FieldSpec

_QUERY = {"type": "string", "maxLength": 200, "default": ""}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}


def _search_actions(caller: Caller, arguments: Arguments) -> ToolResult:
    found = [each for each in _actions() if _matches(arguments.get("query", ""), _words_of(*each))]
    shown = found[: arguments.get("limit", 10)]
    usable = permitted(caller.owner, "use", Connection.objects.all())
    slugs: dict[str, list[str]] = {}
    for connector, slug in usable.order_by("slug").values_list("connector", "slug"):
        slugs.setdefault(connector, []).append(slug)
    content = {"actions": [_described(*each, slugs) for each in shown], "found": len(found)}
    return ToolResult(content=content)


def _actions() -> Iterator[tuple[ConnectorAdapter, Action]]:
    for name in connectors.names():
        adapter = connectors.get(name)
        for action in adapter.actions:
            yield adapter, action


def _words_of(adapter: ConnectorAdapter, action: Action) -> str:
    texts = (adapter.name, adapter.description, action.label, action.description)
    return " ".join([adapter.code, action.name, *map(translated, texts)])


def _matches(query: str, words: str) -> bool:
    folded = words.casefold()
    return all(word in folded for word in query.casefold().split())


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


def _search_templates(caller: Caller, arguments: Arguments) -> ToolResult:
    templates = installed_templates()
    if slug := arguments.get("template"):
        if slug not in templates:
            raise ToolError(translated(text("There is no template %(template)s.", template=repr(slug))))
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


TOOLS = (
    Tool(
        name="search_actions",
        title="Search actions",
        description="Find actions for steps, by words of their names and descriptions, with their inputs.",
        properties={"query": _QUERY, "limit": _LIMIT},
        scopes=SCOPES,
        answer=_search_actions,
    ),
    Tool(
        name="search_templates",
        title="Search templates",
        description="Find workflow templates. With `template`, read the document of one, as an example to build from.",
        properties={"query": _QUERY, "limit": _LIMIT, "template": {"type": "string", "maxLength": 100}},
        scopes=SCOPES,
        answer=_search_templates,
    ),
)
