"""Requests to change a draft, one type for each command.

`rev` is the state that the person saw: the structure's for what adds, moves or takes away, the step's or trigger's for
what changes its fields, that of the workflow's settings for those. A list of steps is named by the key of the step that
holds it and its slot, both empty at the top.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from automate_authoring.drafts.errors import RefusedError
from automate_core.definition.document import DefinitionError, Key, Name
from automate_core.definition.parsing import convert
from automate_plugins import text

Rev = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Index = Annotated[int, Meta(ge=0, le=100_000)]
KeyOrNone = Annotated[str, Meta(pattern=r"^([a-z][a-z0-9_]{0,63})?\Z")]
type Kind = Literal[
    "action", "branch", "parallel", "for_each", "repeat", "wait", "approval", "workflow", "try", "stop", "reply"
]
type Container = Literal["branch", "parallel", "for_each", "repeat", "try"]


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    rev: Rev


class _ToPlace(_Request, frozen=True, kw_only=True):
    """`index` counts the steps of the list, without the one that is moved; none is the end."""

    parent: KeyOrNone = ""
    slot: KeyOrNone = ""
    index: Index | None = None


class Add(_ToPlace, frozen=True, kw_only=True, tag="add"):
    """A new step; `action` says which one when it is an action, which may come with `inputs`.

    With the `preset` `form_page` or `callback`, a wait begins with a form or as one for a callback, and a time limit;
    with `stops`, an approval ends the run
    when it is rejected and when nobody responds in time.
    """

    kind: Kind
    action: Name = ""
    preset: Literal["", "form_page", "callback", "stops"] = ""
    name: Name = ""
    inputs: dict[str, Any] = msgspec.field(default_factory=dict)


class Move(_ToPlace, frozen=True, kw_only=True, tag="move"):
    """A step with all inside it, to any list but those inside itself."""

    key: Key


class Paste(_ToPlace, frozen=True, kw_only=True, tag="paste"):
    """Insert a clip of `clipboard.build_clip`, of this workflow or another."""

    clip: dict[str, Any]


class Duplicate(_Request, frozen=True, kw_only=True, tag="duplicate"):
    """A copy of a step and all inside it, behind it."""

    key: Key


class Delete(_Request, frozen=True, kw_only=True, tag="delete"):
    """A step and all inside it."""

    key: Key


class Wrap(_Request, frozen=True, kw_only=True, tag="wrap"):
    """Put a step into a new one of that kind, in its place; of a loop over a list, `items` may say which list."""

    key: Key
    kind: Container
    items: Annotated[str, Meta(max_length=2_000)] = ""


class Unwrap(_Request, frozen=True, kw_only=True, tag="unwrap"):
    """Put what a step holds in its place."""

    key: Key


class Rename(_Request, frozen=True, kw_only=True, tag="rename"):
    """Change the label. References use the key, which stays."""

    key: Key
    name: Name


class Disable(_Request, frozen=True, kw_only=True, tag="disable"):
    """Pass a step over, or no more."""

    key: Key
    disabled: bool


class Edit(_Request, frozen=True, kw_only=True, tag="edit"):
    """Fields of a step by the names they have in its document; `inputs.NAME` is one input of an action."""

    key: Key
    set: dict[str, Any] = msgspec.field(default_factory=dict)
    unset: list[str] = msgspec.field(default_factory=list)


class RenameInput(_Request, frozen=True, kw_only=True, tag="rename_input"):
    """Rename an input and keep its value."""

    key: Key
    name: str
    to: str


class AddSlot(_Request, frozen=True, kw_only=True, tag="add_arm"):
    """A route, a track or an outcome; of a branch `when` is its condition."""

    key: Key
    name: Name = ""
    when: Any = None
    index: Index | None = None


class RemoveSlot(_Request, frozen=True, kw_only=True, tag="remove_arm"):
    """A route, track or outcome, with the steps in it."""

    key: Key
    arm: Key


class MoveSlot(_Request, frozen=True, kw_only=True, tag="move_arm"):
    """Move a slot among the named slots of its step; routes are evaluated in this order."""

    key: Key
    arm: Key
    index: Index


class RenameSlot(_Request, frozen=True, kw_only=True, tag="rename_arm"):
    """Change the label."""

    key: Key
    arm: Key
    name: Name


class EditCondition(_Request, frozen=True, kw_only=True, tag="edit_condition"):
    """Change the condition of a route."""

    key: Key
    arm: Key
    when: Any


class AddTrigger(_Request, frozen=True, kw_only=True, tag="add_trigger"):
    """Add a trigger; `config` holds the fields of its kind, and `filter`."""

    kind: Literal["webhook", "schedule", "model", "manual", "event", "run", "poll", "service", "form", "mail"]
    config: dict[str, Any] = msgspec.field(default_factory=dict)


class EditTrigger(_Request, frozen=True, kw_only=True, tag="edit_trigger"):
    """Fields of a trigger."""

    key: Key
    set: dict[str, Any] = msgspec.field(default_factory=dict)
    unset: list[str] = msgspec.field(default_factory=list)


class RemoveTrigger(_Request, frozen=True, kw_only=True, tag="remove_trigger"):
    """No longer start by it."""

    key: Key


class EditSettings(_Request, frozen=True, kw_only=True, tag="edit_settings"):
    """The workflow's own fields, and `run_as`, a user name."""

    set: dict[str, Any]


type Request = (
    Add
    | Move
    | Paste
    | Duplicate
    | Delete
    | Wrap
    | Unwrap
    | Rename
    | Disable
    | Edit
    | RenameInput
    | AddSlot
    | RemoveSlot
    | MoveSlot
    | RenameSlot
    | EditCondition
    | AddTrigger
    | EditTrigger
    | RemoveTrigger
    | EditSettings
)
msgspec.json.Decoder(Request)  # before threads do so: see the end of definition.document
TYPES: dict[str, type[Struct]] = {str(part.__struct_config__.tag): part for part in get_args(Request.__value__)}


def read_request(document: Any, *, lax: bool = False) -> Request:
    """A request's document, with `do` naming the command. Raises RefusedError.

    `lax` takes numbers and booleans that are written as text, as forms send them.
    """
    try:
        request: Request = convert(document, Request, strict=not lax)
    except DefinitionError as error:
        problem = error.problems[0]
        raise RefusedError(_unknown_kind(document, problem.path) or problem.reason, problem.path) from error
    return request


def _unknown_kind(document: Any, path: str) -> str:
    """The kinds that the command takes, when the document names another one; else nothing."""
    part = TYPES.get(str(document.get("do"))) if path == "kind" else None
    hint = get_type_hints(part).get("kind") if part else None
    kinds = get_args(getattr(hint, "__value__", hint))
    given = document.get("kind") if kinds else None
    if not isinstance(given, str) or given in kinds:
        return ""
    return text("%(value)s is not allowed here. Use one of: %(kinds)s.", value=repr(given), kinds=", ".join(kinds))
