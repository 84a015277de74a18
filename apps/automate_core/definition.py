"""A workflow as one document: what YAML files hold, what versions freeze, what the engine walks.

The same document everywhere, with natural keys (slugs, step keys, names of connections) and a schema number.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

SCHEMA = 1
MAX_STEPS = 1_000
MAX_NESTING = 20

_KEY = r"^[a-z][a-z0-9_]{0,63}\Z"
_SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*\Z"
_PATTERNS = {
    _KEY: "must be lower-case letters, digits and underscores, beginning with a letter",
    _SLUG: "must be lower-case letters and digits, with single dashes between",
}
Key = Annotated[str, Meta(pattern=_KEY)]
Slug = Annotated[str, Meta(pattern=_SLUG, max_length=100)]
Name = Annotated[str, Meta(max_length=200)]
ConnectionSlug = Annotated[str, Meta(max_length=100)]


class DefinitionError(ValueError):
    """A document that is no workflow: every fault found, each with its path."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Problem:
    """One fault: `path` is the place in the document (`steps[1].arms[0].when`), `reason` says what to mend.

    `line` is the one in the file that it was read from, counted from 1.
    """

    path: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        where = [f"line {self.line}"] if self.line else []
        return ": ".join([*where, *([self.path] if self.path else []), self.reason])


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of a document share: unknown fields are refused, defaults are left out when written."""


class Retry(_Part, frozen=True, kw_only=True):
    """Attempts in all, and the delay before the next: `base * factor**n` seconds, at most `cap`, half of it random."""

    attempts: Annotated[int, Meta(ge=1, le=50)] = 1
    base: Annotated[float, Meta(ge=0, le=3600)] = 2.0
    factor: Annotated[float, Meta(ge=1, le=10)] = 2.0
    cap: Annotated[float, Meta(ge=0, le=86_400)] = 900.0


class ActionStep(_Part, frozen=True, kw_only=True, tag_field="kind", tag="action"):
    """Call `connector.action` with rendered inputs."""

    key: Key
    name: Name = ""
    action: Name
    connection: ConnectionSlug = ""
    inputs: dict[str, Any] = msgspec.field(default_factory=dict)
    retry: Retry | None = None
    timeout: Annotated[float, Meta(gt=0, le=3600)] | None = None
    notes: str = ""


class Arm(_Part, frozen=True, kw_only=True):
    """One route of a branch: taken when the rule `when` holds."""

    key: Key
    name: Name = ""
    when: Any
    steps: list[Step] = msgspec.field(default_factory=list)


class BranchStep(_Part, frozen=True, kw_only=True, tag_field="kind", tag="branch"):
    """Take the first arm whose condition holds, else `otherwise`."""

    key: Key
    name: Name = ""
    arms: Annotated[list[Arm], Meta(min_length=1)]
    otherwise: list[Step] = msgspec.field(default_factory=list)
    notes: str = ""


class StopStep(_Part, frozen=True, kw_only=True, tag_field="kind", tag="stop"):
    """End the run, as succeeded or failed, with a message."""

    key: Key
    name: Name = ""
    outcome: Literal["succeeded", "failed"] = "succeeded"
    message: str = ""
    notes: str = ""


type Step = ActionStep | BranchStep | StopStep
OTHERWISE = "otherwise"


class WebhookTrigger(_Part, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """Deliveries to `endpoint`, of type `event` (empty takes all), for which the rule `filter` holds."""

    key: Key = "webhook"
    endpoint: Slug
    event: Name = ""
    filter: Any = None

    @property
    def source(self) -> str:
        """The source of the events it takes."""
        return f"webhook:{self.endpoint}"


class Definition(_Part, frozen=True, kw_only=True):
    """A whole workflow."""

    schema: Literal[1] = 1
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    slug: Slug
    description: str = ""
    tags: list[str] = msgspec.field(default_factory=list)
    timezone: str = "UTC"
    triggers: list[WebhookTrigger] = msgspec.field(default_factory=list)
    steps: list[Step] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class Slot:
    """A list of steps inside a container: a branch has one for each arm and one for otherwise."""

    key: str
    place: str
    steps: list[Step]


def slots(step: Step) -> list[Slot]:
    """The lists of steps inside `step`, in evaluation order; none for a step that holds no others."""
    if isinstance(step, BranchStep):
        arms = [Slot(arm.key, f"arms[{index}].steps", arm.steps) for index, arm in enumerate(step.arms)]
        return [*arms, Slot(OTHERWISE, OTHERWISE, step.otherwise)]
    return []


def walk(steps: list[Step], place: str = "steps") -> Iterator[tuple[str, Step]]:
    """Every step below `steps` in reading order, each with its place in the document."""
    for index, step in enumerate(steps):
        here = f"{place}[{index}]"
        yield here, step
        for slot in slots(step):
            yield from walk(slot.steps, f"{here}.{slot.place}")


def parse(document: Any) -> Definition:
    """Read a document's shape. Raises DefinitionError. What it says is checked by `validation.problems`."""
    try:
        definition = msgspec.convert(_with_kinds(document), Definition)
    except msgspec.ValidationError as error:
        raise DefinitionError([_problem(str(error))]) from error
    except RecursionError:
        raise DefinitionError([Problem("steps", f"nested more than {MAX_NESTING} deep")]) from None
    return definition


def to_document(definition: Definition) -> dict[str, Any]:
    """The document of a definition, defaults left out. `parse` reads it back the same."""
    document: dict[str, Any] = msgspec.to_builtins(definition)
    return {"schema": SCHEMA, **document}


_KINDS = {"steps": "action", "otherwise": "action", "triggers": "webhook"}


def _with_kinds(node: Any, depth: int = 0) -> Any:
    """`kind` may be left out of actions and webhooks, the commonest kinds."""
    if depth > 4 * MAX_NESTING:
        raise RecursionError
    if not isinstance(node, dict):
        return node
    filled = dict(node)
    for name, kind in _KINDS.items():
        if isinstance(filled.get(name), list):
            filled[name] = [
                _with_kinds({"kind": kind, **item}, depth + 1) if isinstance(item, dict) else item
                for item in filled[name]
            ]
    if isinstance(filled.get("arms"), list):
        filled["arms"] = [_with_kinds(arm, depth + 1) for arm in filled["arms"]]
    return filled


_AT = re.compile(r"(?P<reason>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?", re.DOTALL)


_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>.*)`$")


def _problem(message: str) -> Problem:
    match = _AT.fullmatch(message)
    if match is None:
        return Problem("", message)
    path = (match["path"] or "").lstrip(".")
    reason = next((words for pattern, words in _PATTERNS.items() if repr(pattern) in message), match["reason"])
    reason = reason[:1].lower() + reason[1:]
    if unknown := _UNKNOWN_FIELD.search(reason):
        fields = next(fields for pattern, fields in _FIELDS_AT if re.search(pattern, path))
        close = difflib.get_close_matches(unknown["name"], fields, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(fields)}"
        reason = f"there is no {unknown['name']!r} here; {hint}"
        path = f"{path}.{unknown['name']}".lstrip(".")
    elif path.endswith(".kind"):
        reason += f"; a step is {', '.join(_STEPS)}" if "steps" in path else "; a trigger is webhook"
    elif not path and "got `null`" in reason:
        reason = "there is nothing in it"
    return Problem(path, reason)


def _fields(*parts: type[Struct]) -> list[str]:
    """The names that may stand in any of these parts."""
    return list(dict.fromkeys(name for part in parts for name in ("kind", *part.__struct_fields__)))


_STEP_PARTS = (ActionStep, BranchStep, StopStep)
_STEPS = [str(part.__struct_config__.tag) for part in _STEP_PARTS]
_FIELDS_AT = (
    (r"retry$", _fields(Retry)[1:]),
    (r"arms\[\d+\]$", _fields(Arm)[1:]),
    (r"(steps|otherwise)\[\d+\]$", _fields(*_STEP_PARTS)),
    (r"triggers\[\d+\]$", _fields(WebhookTrigger)),
    (r"", _fields(Definition)[1:]),
)
