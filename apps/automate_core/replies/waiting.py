"""Wait for the reply to an event: of a delivery, an API start, or `automate_core.api.start`.

    [ingested] = EventIngestor().ingest(event)
    outcome = wait_for_reply(ingested.event_id, seconds=10)

A wait costs nothing but its caller's own thread, or none with `wait_for_reply_async`: the hub of the process holds the
one database connection. `wait_in_thread` is for views that a WSGI server calls, whose threads are few, and
`wait_in_thread_async` for asynchronous views of Django, whose middleware holds a thread of each request.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field

import msgspec
from django.db import transaction

from automate_core import artifacts
from automate_core.conf import setting
from automate_core.definition import reply_rules
from automate_core.models.events import LONGEST_REPLY_SECONDS
from automate_core.replies.reply_hub import EventState, hub

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallerReply:
    """The reply of a reply step. `content_type` is one of `reply_rules.CONTENT_TYPES`."""

    status: int
    content_type: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplyOutcome:
    """The outcome of a wait for a reply.

    `reply` is None when none came: in time, or at all (`is_over`), because every run of the event has ended or none was
    started. `run_id` and `status` are of the run that replied, else of the first that the event started; both are empty
    while there is none.
    """

    event_id: str
    reply: CallerReply | None = None
    run_id: str = ""
    status: str = ""
    is_over: bool = False


def wait_for_reply(event_id: str | uuid.UUID, seconds: float) -> ReplyOutcome:
    """Wait for the reply to a stored event, at most `seconds` (and never longer than 30).

    It returns at once when the event has its reply already, as for a repeated idempotency key, and within half a second
    of the end of its last run. Also without any reply step, so that it serves to wait for a run's end. Raises
    RuntimeError inside a transaction, whose event no worker can see yet.
    """
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("wait_for_reply() cannot be called inside a transaction: the run starts after its commit")
    watch = hub.watch(str(event_id))
    try:
        watch.settled.result(min(max(seconds, 0), LONGEST_REPLY_SECONDS))
    except (TimeoutError, CancelledError):
        pass
    finally:
        hub.forget(watch)
    return _build_outcome(watch.event_id, watch.state)


async def wait_for_reply_async(event_id: str | uuid.UUID, seconds: float) -> ReplyOutcome:
    """The same as `wait_for_reply`, without a thread. The event has to be committed."""
    watch = hub.watch(str(event_id))
    try:
        await asyncio.wait_for(asyncio.wrap_future(watch.settled), min(max(seconds, 0), LONGEST_REPLY_SECONDS))
    except TimeoutError:
        pass
    finally:
        hub.forget(watch)
    if watch.state.output_file:  # read from a storage that may be far away
        return await asyncio.to_thread(_build_outcome, watch.event_id, watch.state)
    return _build_outcome(watch.event_id, watch.state)


class _ThreadLimit:
    """Threads of this process that wait at this moment; at most AUTOMATE_REPLY_THREADS."""

    def __init__(self) -> None:
        self._waiting = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more may wait. Then it has to `give_back`."""
        with self._lock:
            if self._waiting >= setting("AUTOMATE_REPLY_THREADS"):
                return False
            self._waiting += 1
            return True

    def give_back(self) -> None:
        with self._lock:
            self._waiting -= 1


_threads = _ThreadLimit()


def wait_in_thread(event_id: str | uuid.UUID, seconds: float) -> ReplyOutcome | None:
    """`wait_for_reply` for a synchronous view, which holds one of the server's threads.

    None at once when AUTOMATE_REPLY_THREADS of them wait already, and inside a transaction.
    """
    if transaction.get_connection().in_atomic_block or not _threads.take():
        return None
    try:
        return wait_for_reply(event_id, seconds)
    finally:
        _threads.give_back()


async def wait_in_thread_async(event_id: str | uuid.UUID, seconds: float) -> ReplyOutcome | None:
    """`wait_for_reply_async` for an asynchronous view of Django: a synchronous middleware holds a thread meanwhile.

    None at once when AUTOMATE_REPLY_THREADS wait already, as in `wait_in_thread`.
    """
    if not _threads.take():
        return None
    try:
        return await wait_for_reply_async(event_id, seconds)
    finally:
        _threads.give_back()


def _build_outcome(event_id: str, state: EventState) -> ReplyOutcome:
    reply = None
    if state.output is not None:
        try:
            reply = _read_reply(state)
        except artifacts.ArtifactError as error:
            log.error("the reply to event %s cannot be read: %s", event_id, error.message)
    return ReplyOutcome(event_id, reply, state.run_id, state.status, is_over=state.is_settled)


def _read_reply(state: EventState) -> CallerReply:
    """Raises ArtifactError."""
    document = artifacts.read(state.output_file) if state.output_file else (state.output or "{}").encode()
    output = msgspec.json.decode(document)
    content = b""
    if "body" in output:
        body, is_json = output["body"], reply_rules.is_json_type(output["content_type"])
        content = msgspec.json.encode(body) if is_json else str(body).encode()
    return CallerReply(output["status"], output["content_type"], content, output["headers"])
