"""Events of the host's code: their JSON, the origin of a workflow's own writes, and the filters of model changes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from django.db import Error, connection

from automate_core.definition.document import ModelTrigger
from automate_core.triggers.model_registry import watched_models
from automate_plugins import text
from automate_plugins.texts import Text, joined

ORIGIN_HEADER = "automate-origin"
RUN_HEADER = "automate-origin-run"
DEPTH_HEADER = "automate-depth"
TEST_HEADER = "automate-test"  #: a sender's test: it starts only what asks for its very type

#: Texts, so that they are translated as values of another text.
_OPERATIONS = {
    "created": Text(text("created"), {}),
    "updated": Text(text("updated"), {}),
    "deleted": Text(text("deleted"), {}),
}


def as_json(value: Any, *, unknown: Callable[[Any], Any] | None = None) -> str:
    """A value as a JSON text: decimals are numbers, times are ISO 8601. `unknown` converts what no JSON can hold.

    NUL, which PostgreSQL cannot store, becomes the replacement character.
    """
    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=unknown)
    return encoder.encode(value).replace(b"\\u0000", b"\\ufffd").decode()


def check_json(value: Any) -> None:
    """Raise TypeError for a value that JSON, or its column in PostgreSQL, cannot hold: `as_json` would change it.

    Such are objects of unknown types, NaN and infinity, NUL and lone surrogates.
    """
    try:
        plain = msgspec.to_builtins(value, builtin_types=(Decimal,))
    except RecursionError as error:
        raise TypeError("a value contains itself, which JSON cannot hold") from error
    pending = [plain]
    while pending:
        match pending.pop():
            case str() as found if not is_storable(found):
                raise TypeError(f"the text {found[:50]!r} contains NUL or half of a character, which cannot be stored")
            case float() | Decimal() as found if not math.isfinite(found):
                raise TypeError(f"the number {found} is not finite, so that JSON cannot hold it")
            case Mapping() as found:
                pending += [*found, *found.values()]
            case list() | tuple() | set() | frozenset() as found:
                pending += found


def is_storable(value: str) -> bool:
    """Whether PostgreSQL can store the text: it has neither NUL nor lone surrogates."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def trigger_kind(source: str) -> str:
    """The kind of trigger that takes events of that source: `ExecutionRun.Origin`, or another word from outside."""
    return source.partition(":")[0][:8]


# --- matching ---------------------------------------------------------------------------------------------------------


def passes_change(config: Mapping[str, Any], payload: Mapping[str, Any], *, origin: str, workflow: str) -> bool:
    """Whether a change starts `workflow`, whose model trigger has that `ActiveTrigger.config`.

    `origin` is the workflow that made the change, from the event's header ORIGIN_HEADER; empty when none did.
    """
    return next(change_objections(config, payload, origin=origin, workflow=workflow), None) is None


def change_objections(
    config: Mapping[str, Any], payload: Mapping[str, Any], *, origin: str, workflow: str
) -> Iterator[str]:
    """Reasons why a change does not start `workflow`, a sentence each; none when it does."""
    trigger = msgspec.convert({**config, "kind": "model"}, ModelTrigger)
    operation = payload.get("operation")
    if operation not in trigger.on:
        on = joined((_OPERATIONS.get(each, each) for each in trigger.on), ", ")
        change = _OPERATIONS.get(operation, str(operation)) if isinstance(operation, str) else str(operation)
        yield text(
            "The trigger starts on: %(operations)s. This change: %(operation)s.", operations=on, operation=change
        )
    if trigger.fields and set(payload.get("changed", ())).isdisjoint(trigger.fields):
        yield text(
            "The trigger starts only if one of these fields changed: %(fields)s.", fields=", ".join(trigger.fields)
        )
    if origin == workflow and not trigger.own_changes:
        yield text("The workflow made this change itself. Its own changes do not start it again.")


# --- a workflow's own writes ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """The run that writes, and its workflow's slug."""

    run: str
    workflow: str
    depth: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the events of its changes."""
        return {ORIGIN_HEADER: self.workflow, RUN_HEADER: self.run, DEPTH_HEADER: str(self.depth + 1)}


_origin: ContextVar[Origin | None] = ContextVar("automate_origin", default=None)


def current_origin() -> Origin | None:
    """The run that writes in this context; None outside of runs."""
    return _origin.get()


@contextlib.contextmanager
def run_origin(run_id: Any, slug: str, depth: int = 0) -> Iterator[None]:
    """Mark writes through Django's connection in this block as the workflow's own.

    `depth` is the number of runs that started each other before this one. Where the database watches models, its
    session is marked before the first write; a block without writes costs nothing.
    """
    token = _origin.set(Origin(str(run_id), slug, depth))
    try:
        if watched_models("database"):
            with _database_origin(slug):
                yield
        else:
            yield
    finally:
        _origin.reset(token)


@contextlib.contextmanager
def _database_origin(slug: str) -> Iterator[None]:
    is_marked = False

    def mark_before_write(
        execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        nonlocal is_marked
        if not str(sql).lstrip().upper().startswith(_READING):
            is_marked = True
            _set_database_origin(slug)
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(mark_before_write):
            yield
    finally:
        if is_marked and connection.connection is not None:
            with contextlib.suppress(Error):  # a lost connection and an aborted transaction forget it by themselves
                _set_database_origin("")


_READING = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK")


def _set_database_origin(slug: str) -> None:
    """Mark this transaction if there is one, else the session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('automate.origin', %s, %s)", [slug, connection.in_atomic_block])
