"""A tool of the server: its description, what its token needs, and the function that answers a call."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from automate_api.mcp.callers import Caller
from automate_api.v1.idempotency import check_key
from automate_api.v1.not_found import NotFoundError, not_found
from automate_authoring.drafts.errors import EditError
from automate_authoring.test_runs.start import NotTestableError
from automate_core.definition.document import DefinitionError
from automate_core.definition.form_validation import AnswersError
from automate_core.models import ExecutionRun, Workflow
from automate_core.runs.control import ControlError
from automate_core.triggers.manual import NotStartableError
from automate_governance.permissions import NotPermittedError, permitted
from automate_governance.texts import translated
from automate_plugins import text

type Arguments = Mapping[str, Any]
type Answer = Callable[[Caller, Arguments], "ToolResult | Pending"]

#: Arguments that several tools have.
WORKFLOW = {"type": "string", "description": "Slug of the workflow.", "maxLength": 100}
RUN = {"type": "string", "description": "ID of the run.", "minLength": 32, "maxLength": 36}
#: Properties of results that several tools have.
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
OBJECT = {"type": "object"}
MAX_RESULT = 100_000  #: characters of JSON
#: Errors of the core whose message is for the caller.
REFUSALS = (
    AnswersError,
    ControlError,
    DefinitionError,
    EditError,
    NotFoundError,
    NotPermittedError,
    NotStartableError,
    NotTestableError,
)


class ToolError(Exception):
    """The call cannot be carried out; the message says why, in plain text."""


class UnknownToolError(LookupError):
    """The token has no such tool: it does not exist, or the token may not know of it."""


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """The result of a call: one JSON object. With `is_error`, `message` says what went wrong.

    `audited` are facts of the call for the audit trail, without payloads.
    """

    content: dict[str, Any]
    message: str = ""
    is_error: bool = False
    audited: dict[str, Any] = field(default_factory=dict)

    def as_text(self) -> str:
        """The content for clients that read text: its JSON, after the message."""
        written = json.dumps(self.content, ensure_ascii=False, default=str)
        if len(written) > MAX_RESULT:
            written = translated(text("The result is too large. Open its URL, or request less data."))
        return "\n".join(filter(None, [self.message, written if self.content else ""]))


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A run that a call has started, which may end while the client waits.

    `read` gives its result as it is at the moment, and whether it is worth waiting longer.
    """

    run: uuid.UUID
    read: Callable[[Caller, uuid.UUID], tuple[ToolResult, bool]]


@dataclass(frozen=True, kw_only=True)
class Hints:
    """Effects of a call on other systems, as hints for the client, which cannot check them."""

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False


READS = Hints(read_only=True, idempotent=True)


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool. `scopes` are those that a token needs all of; `answer` is called in a thread, as the caller."""

    name: str
    title: str
    description: str
    properties: dict[str, Any]
    required: tuple[str, ...] = ()
    listed: dict[str, Any] | None = None  #: schema for clients that says more than what is checked before `answer`
    results: dict[str, Any]  #: properties of the result; none is required, since an error may have others of them
    scopes: tuple[str, ...]
    hints: Hints = READS
    answer: Answer

    @property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema that its arguments are checked with."""
        return object_schema(self.properties, self.required)

    @property
    def listed_schema(self) -> dict[str, Any]:
        """The JSON Schema of its arguments as clients see it."""
        return self.listed or self.input_schema

    @property
    def output_schema(self) -> dict[str, Any]:
        """The JSON Schema of its results."""
        return {"type": "object", "properties": self.results}


def object_schema(properties: Mapping[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    """The JSON Schema of an object with these properties and no others."""
    schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


def rows(**properties: Any) -> dict[str, Any]:
    """The JSON Schema of a list of objects that have these properties."""
    return {"type": "array", "items": {"type": "object", "properties": properties}}


def check_arguments(schema: Mapping[str, Any], arguments: Any) -> None:
    """Raise ToolError for arguments that do not match the schema, or that the database could not hold."""
    check_text(arguments)
    problem = best_match(Draft202012Validator(dict(schema)).iter_errors(arguments))
    if problem is not None:
        where = ".".join(map(str, problem.absolute_path))
        if problem.validator == "additionalProperties" and isinstance(problem.instance, dict):
            known = problem.schema.get("properties", {})
            unknown = next(name for name in problem.instance if name not in known)
            reason = text(
                "There is no field %(field)s here. Available: %(names)s.", field=repr(unknown), names=", ".join(known)
            )
            raise ToolError(f"{where}: {translated(reason)}" if where else translated(reason))
        raise ToolError(f"{where}: {problem.message[:500]}" if where else problem.message[:500])


def check_text(arguments: Any) -> None:
    """Raise ToolError for texts with characters that the database cannot hold."""
    try:
        written = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        written.encode()
    except (UnicodeEncodeError, ValueError, RecursionError):
        written = "\\u0000"
    if "\\u0000" in written:
        raise ToolError(translated(text("The arguments contain characters that are not allowed.")))


def read_key(key: Any) -> str | None:
    """A client's idempotency key, or None without one. Raises ToolError for one that is not, as the REST API does."""
    if key is None:
        return None
    if reason := check_key(key):
        raise ToolError(reason)
    text_key: str = key
    return text_key


def get_workflow(caller: Caller, slug: str) -> Workflow:
    """The workflow with that slug that the caller may view. Raises NotFoundError, as for one that does not exist."""
    workflows = Workflow.objects.select_related("published", "run_as")
    found = permitted(caller.owner, "view", workflows).filter(slug=slug).first()
    if found is None:
        raise not_found(Workflow, slug)
    return found


def read_run_id(arguments: Arguments) -> uuid.UUID:
    """The argument `run`. Raises ToolError."""
    try:
        return uuid.UUID(arguments["run"])
    except ValueError:
        raise ToolError(translated(text("%(run)s is not the id of a run.", run=repr(arguments["run"])))) from None


def wrong_cursor(cursor: str) -> ToolError:
    """The error of a cursor that no page of a list gave."""
    return ToolError(translated(text("%(cursor)s is no cursor of this list.", cursor=repr(cursor))))


def get_run(caller: Caller, run_id: uuid.UUID, verb: str = "view") -> ExecutionRun:
    """The run that the caller may do `verb` on. Raises NotFoundError, as for one that does not exist."""
    runs = ExecutionRun.objects.select_related("workflow", "version")
    found = permitted(caller.owner, verb, runs).filter(pk=run_id).first()
    if found is None:
        raise not_found(ExecutionRun, run_id)
    return found
