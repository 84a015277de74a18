"""Tools for building: read, change and validate drafts, by the commands of the builder. None of them publishes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from automate_api.mcp.callers import Caller
from automate_api.mcp.tools.tool import (
    NUMBER,
    OBJECT,
    TEXT,
    WORKFLOW,
    Arguments,
    Hints,
    Tool,
    ToolError,
    ToolResult,
    get_workflow,
    object_schema,
    rows,
)
from automate_authoring.drafts import commands, requests
from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.errors import ConflictError, RefusedError, SeveralEditsError
from automate_authoring.drafts.problems import DraftProblem
from automate_authoring.drafts.values import draft_document
from automate_authoring.publishing.readiness import publishing_problems
from automate_governance.redaction.redactor import redact
from automate_governance.texts import translated
from automate_operations.notifications.texts import page_url
from automate_plugins import text

SCOPES = ("workflow:view", "workflow:change")
_UNDO, _REDO = "undo", "redo"
MOST_COMMANDS = 50
DRAFT_REV = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_BY_KEY = {"type": "object", "additionalProperties": NUMBER}
PROBLEMS = rows(level=TEXT, step=TEXT, trigger=TEXT, field=TEXT, reason=TEXT)
#: Properties of `describe_state`, and of `describe_conflict`.
STATE: dict[str, Any] = {
    "workflow": TEXT,
    "url": {"type": "string", "description": "The page where a person publishes."},
    "revs": {
        "type": "object",
        "properties": {
            "draft": NUMBER,
            "structure": NUMBER,
            "settings": NUMBER,
            "last_edit": {"type": ["integer", "null"]},
            "steps": _BY_KEY,
            "triggers": _BY_KEY,
        },
    },
    "published_version": {"type": ["integer", "null"]},
    "problems": PROBLEMS,
}
CONFLICT: dict[str, Any] = {"rev": NUMBER, "other_changes": rows(who=TEXT, what=TEXT)}
_DONE: dict[str, Any] = {"done": TEXT, "key": TEXT, "remarks": {"type": "array", "items": TEXT}}


def _read_draft(caller: Caller, arguments: Arguments) -> ToolResult:
    workflow = get_workflow(caller, arguments["workflow"])
    state = commands.load_state(workflow)
    content = describe_state(state) | {"document": draft_document(state.draft)}
    return ToolResult(content=redact(content, patterns=False), audited={"workflow": workflow.slug})


def _change_draft(caller: Caller, arguments: Arguments) -> ToolResult:
    workflow = get_workflow(caller, arguments["workflow"])
    if ("command" in arguments) is ("commands" in arguments):
        raise ToolError(translated(text("Give either command or commands.")))
    asked = [arguments["command"]] if "command" in arguments else arguments["commands"]
    audited = {"workflow": workflow.slug, "command": ", ".join(each["do"] for each in asked)[:200]}
    try:
        if "command" in arguments:
            states = [_run_command(caller, workflow.pk, arguments["command"])]
        else:
            states = _run_commands(caller, workflow.pk, arguments)
    except ConflictError as error:
        return describe_conflict(error, audited)
    content = describe_state(states[-1]) | {"changed": any(state.changed for state in states)}
    if "command" in arguments:
        content |= _done(states[0])
    else:
        content["edits"] = [_done(state) for state in states]
    return ToolResult(content=redact(content, patterns=False), audited=audited)


def _done(state: DraftState) -> dict[str, Any]:
    """What an edit did, the key of its step, and what was chosen for it."""
    done: dict[str, Any] = {"done": translated(state.done.words)}
    if state.done.selected:
        done["key"] = state.done.selected
    if state.done.remarks:
        done["remarks"] = [translated(each) for each in state.done.remarks]
    return done


def describe_conflict(error: ConflictError, audited: dict[str, Any]) -> ToolResult:
    """The answer to a change that was made for an older revision."""
    others = [{"who": each.who, "what": translated(each.words)} for each in error.others[:10]]
    content = {"rev": error.rev, "other_changes": others}
    return ToolResult(content=content, message=translated(str(error)), is_error=True, audited=audited)


def _run_commands(caller: Caller, workflow_id: int, arguments: Arguments) -> list[DraftState]:
    if "rev" not in arguments:
        raise ToolError(translated(text("Give rev with commands: it is revs.draft of the draft.")))
    read = []
    for number, command in enumerate(arguments["commands"], 1):
        try:
            read.append(requests.read_request({"rev": 0} | command))
        except RefusedError as error:
            raise SeveralEditsError(number, error) from error
    return commands.run_commands(workflow_id, read, rev=arguments["rev"], by=caller.owner)


def _run_command(caller: Caller, workflow_id: int, command: Mapping[str, Any]) -> DraftState:
    match command["do"]:
        case "undo":
            return commands.undo(workflow_id, last=command["rev"], by=caller.owner)
        case "redo":
            return commands.redo(workflow_id, last=command["rev"], by=caller.owner)
    return commands.run_command(workflow_id, requests.read_request(command), by=caller.owner)


def _validate_draft(caller: Caller, arguments: Arguments) -> ToolResult:
    workflow = get_workflow(caller, arguments["workflow"])
    state = commands.load_state(workflow)
    found = publishing_problems(workflow, state.parsed, state.draft, caller.owner, viewer=caller.owner)
    errors = sum(problem.level == "error" for problem in found)
    content = {"publishable": not errors, "problems": describe_problems(found)}
    return ToolResult(content=redact(content, patterns=False), audited={"workflow": workflow.slug})


def describe_problems(found: Iterable[DraftProblem]) -> list[dict[str, Any]]:
    """The problems of a draft, each with its place."""
    return [
        {
            name: value
            for name, value in (
                ("level", problem.level),
                ("step", problem.step),
                ("trigger", problem.trigger),
                ("field", problem.field),
                ("reason", translated(problem.reason)),
            )
            if value
        }
        for problem in found
    ]


def describe_state(state: DraftState) -> dict[str, Any]:
    """The revisions that commands name, the problems, and the page where a person publishes."""
    workflow = state.workflow
    return {
        "workflow": workflow.slug,
        "url": page_url("studio:builder", workflow.pk),
        "revs": {
            "draft": workflow.rev,
            "structure": workflow.structure_rev,
            "settings": workflow.settings_rev,
            "last_edit": state.undo_stack.last,
            "steps": {key: node.rev for key, node in state.draft.steps.items()},
            "triggers": {key: node.rev for key, node in state.draft.triggers.items()},
        },
        "published_version": workflow.published.number if workflow.published else None,
        "problems": describe_problems(state.problems),
    }


def _command_schemas() -> dict[str, Any]:
    """The JSON Schema of each command by its name."""
    parts = [*requests.TYPES.values()]
    _, schemas = msgspec.json.schema_components(parts, ref_template="#/$defs/{name}")
    found = {name: _for_clients(schemas[part.__name__]) for name, part in requests.TYPES.items()}
    for name in (_UNDO, _REDO):
        words = f"The last edit, by any author: {name} it."
        found[name] = object_schema({"do": {"const": name}, "rev": DRAFT_REV}, ["do"]) | {"description": words}
    return found


def _for_clients(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of msgspec in fewer words. `rev` is required where there is one command."""
    properties = {name: _without_defaults(each) for name, each in schema["properties"].items()}
    properties["do"], properties["rev"] = {"const": properties["do"]["enum"][0]}, DRAFT_REV
    required = [name for name in schema["required"] if name != "rev"]
    return object_schema(properties, required) | {"description": " ".join(schema.get("description", "").split())}


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field; the end of a text is `$` in the patterns of JSON Schema."""
    found = {name: value for name, value in schema.items() if name not in {"default", "title"}}
    return found | ({"pattern": found["pattern"].replace(r"\Z", "$")} if "pattern" in found else {})


def _one_of(names: Iterable[str], *required: str) -> dict[str, Any]:
    """One command of those names."""
    schema = {"type": "object", "anyOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
    return schema | ({"required": list(required)} if required else {})


_DESCRIPTION = """Change a draft by commands, as the builder does. It does not publish: a person does that, in the
builder. Give several `commands` together with `rev`, which is `revs.draft` of read_draft or the last change: all of
them are made in turn, or none. They need no `rev` of their own, and can name steps that earlier ones add: the key of a
new step is its name in lower case with underscores. Or give one `command` with `do`, its own `rev` and its fields:
`revs.steps.KEY` for commands on the fields of one step, `revs.triggers.KEY` for edit_trigger, `revs.settings` for
edit_settings, `revs.last_edit` for undo and redo, `revs.structure` for all others. After a conflict, read the draft
again. A list of steps is named by `parent`, the key of the step that holds it, and `slot`; both are empty at the top.
Expressions are written as {{ event.payload.name }}, {{ steps.KEY.output }}, {{ vars.NAME }}. The schema has the fields
of each command."""
_COMMANDS = {
    "type": "object",
    "properties": {"do": {"enum": [*requests.TYPES]}},
    "required": ["do"],
}
_MANY = {"type": "array", "minItems": 1, "maxItems": MOST_COMMANDS}
_CHANGE: dict[str, Any] = {
    "workflow": WORKFLOW,
    "command": {
        "type": "object",
        "properties": {"do": {"enum": [*requests.TYPES, _UNDO, _REDO]}, "rev": DRAFT_REV},
        "required": ["do", "rev"],
    },
    "commands": _MANY | {"items": _COMMANDS},
    "rev": DRAFT_REV,
}
#: What the answer checks itself: its reasons name the field and what it takes.
_LISTED = _CHANGE | {
    "command": _one_of([*requests.TYPES, _UNDO, _REDO], "do", "rev"),
    "commands": _MANY | {"items": _one_of(requests.TYPES)},
}

TOOLS = (
    Tool(
        name="read_draft",
        title="Read a draft",
        description="Read the draft of a workflow: its document, its problems, and the revisions for change_draft.",
        properties={"workflow": WORKFLOW},
        required=("workflow",),
        results=STATE | {"document": OBJECT},
        scopes=SCOPES,
        answer=_read_draft,
    ),
    Tool(
        name="change_draft",
        title="Change a draft",
        description=_DESCRIPTION,
        properties=_CHANGE,
        listed=object_schema(_LISTED, ["workflow"]) | {"$defs": _command_schemas()},
        required=("workflow",),
        results=STATE | {"changed": {"type": "boolean"}} | _DONE | {"edits": rows(**_DONE)} | CONFLICT,
        scopes=SCOPES,
        hints=Hints(destructive=True),
        answer=_change_draft,
    ),
    Tool(
        name="validate_draft",
        title="Validate a draft",
        description="List what keeps a draft from being published, and what the review warns of.",
        properties={"workflow": WORKFLOW},
        required=("workflow",),
        results={"publishable": {"type": "boolean"}, "problems": PROBLEMS},
        scopes=SCOPES,
        answer=_validate_draft,
    ),
)
