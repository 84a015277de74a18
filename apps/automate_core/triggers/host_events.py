"""Events of the host's code: their JSON, the origin of a workflow's own writes, and the filters of model changes."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from django.db import Error, connection
from django.utils import timezone

from automate_core.definition.document import ModelTrigger
from automate_core.triggers.model_registry import watched_models
from automate_plugins import text
from automate_plugins.texts import Text, joined

ORIGIN_HEADER = "automate-origin"
RUN_HEADER = "automate-origin-run"
DEPTH_HEADER = "automate-depth"
ROOT_HEADER = "automate-root"  #: of a call: the run that the calls began with
CALL_SOURCE = "call:"
TEST_HEADER = "automate-test"  #: a sender's test: it starts only what asks for its very type

#: Sources of events that only the platform makes: their headers name the calling run and its depth.
_PLATFORM_SOURCES = (CALL_SOURCE, "run:", "model:")

EXACT_DIGITS = 15  #: of a decimal that a number of JSON holds as it is
_LARGEST_EXPONENT = 300  # of such a number

#: Texts, so that they are translated as values of another text.
_OPERATIONS = {
    "created": Text(text("created"), {}),
    "updated": Text(text("updated"), {}),
    "deleted": Text(text("deleted"), {}),
}


def platform_headers(source: str, headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The headers of an event that only the platform makes; empty for others, whose senders choose theirs."""
    return headers if source.startswith(_PLATFORM_SOURCES) else {}


def as_json(value: Any, *, unknown: Callable[[Any], Any] | None = None) -> str:
    """A value as a JSON text: decimals are numbers, times are ISO 8601. `unknown` converts what no JSON can hold.

    NUL, which PostgreSQL cannot store, becomes the replacement character.
    """
    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=unknown)
    return encoder.encode(value).replace(b"\\u0000", b"\\ufffd").decode()


def plain_values(value: Any, place: str = "") -> Any:
    """A value of the host's code in values of JSON: without any rounding, and with times that name their moment.

    UUIDs, dates and times become texts. A naive time is one of the project's time zone. A decimal becomes a number
    while a number of JSON is exact for it, with up to EXACT_DIGITS digits, else a text.

    Raises TypeError for what JSON, or its column in PostgreSQL, cannot hold: objects of unknown types, NaN and
    infinity, NUL and lone surrogates. It names the field, below `place`.
    """
    try:
        return _plain(msgspec.to_builtins(value, builtin_types=(Decimal, dt.datetime)))
    except RecursionError as error:
        raise TypeError("a value contains itself, which JSON cannot hold") from error
    except TypeError as error:
        for name, each in _members(value):
            plain_values(each, f"{place}.{name}" if place else str(name))
        raise TypeError(f"{place}: {error}" if place else str(error)) from None


def _members(value: Any) -> Iterable[tuple[Any, Any]]:
    match value:
        case Mapping():
            return value.items()
        case list() | tuple():
            return enumerate(value)
    return ()


def _plain(value: Any) -> Any:
    match value:
        case str() if not is_storable(value):
            raise TypeError(f"the text {value[:50]!r} contains NUL or half of a character, which cannot be stored")
        case Decimal() if not value.is_finite():
            raise TypeError(f"the number {value} is not finite, so that JSON cannot hold it")
        case float() if not math.isfinite(value):
            raise TypeError(f"the number {value} is not finite, so that JSON cannot hold it")
        case Decimal():
            return _plain_number(value)
        case dt.datetime():
            aware = timezone.make_aware(value, timezone.get_default_timezone()) if timezone.is_naive(value) else value
            return msgspec.to_builtins(aware)
        case Mapping():
            return {_plain(key): _plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(each) for each in value]
    return value


def _plain_number(value: Decimal) -> float | int | str:
    if len(value.normalize().as_tuple().digits) > EXACT_DIGITS or abs(value.adjusted()) > _LARGEST_EXPONENT:
        return str(value)
    return int(value) if value == value.to_integral_value() and value.adjusted() < EXACT_DIGITS else float(value)


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
