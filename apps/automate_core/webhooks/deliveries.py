"""One delivery from its first byte to its answer: the same function for Django's view and for the ASGI application."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from django.http import UnreadablePostError

from automate_core.outbox.ingest import IngestResult, NewEvent
from automate_core.replies.waiting import ReplyOutcome
from automate_core.webhooks import rates
from automate_core.webhooks.answers import TOO_LARGE, Answer, error_answer, too_many_answer
from automate_core.webhooks.receivers import AcceptedDelivery, Receiver
from automate_core.webhooks.schemes.signing import Delivery
from automate_core.webhooks.tally import tally

log = logging.getLogger(__name__)


class Exchange(Protocol):
    """One request and what its server offers: how a body is read, a receiver found and events stored."""

    slug: str
    address: str

    async def read_delivery(self) -> Delivery | None:
        """The request with its body; None for a body over AUTOMATE_HOOK_BODY_BYTES.

        Raises ConnectionResetError or UnreadablePostError for a sender that goes away.
        """

    async def find_receiver(self) -> Receiver:
        """The receiver of the slug. Raises SecretUnavailableError."""

    async def run_blocking[Result](self, act: Callable[[], Result]) -> Result:
        """The result of code that may block, where that stops nothing else."""

    async def ingest(self, events: Sequence[NewEvent]) -> Sequence[IngestResult]:
        """Store the events, all or none."""

    async def wait_for_reply(self, event_id: str, seconds: float) -> ReplyOutcome | None:
        """Wait for the reply of the event's runs; None where the server cannot wait.

        Raises ConnectionResetError for a sender that goes away.
        """


async def answer_delivery(exchange: Exchange) -> Answer:
    """Rate limit, body, signature, outbox, answer. Raises only what `read_delivery` raises for a lost sender."""
    source = rates.source(exchange.slug, exchange.address)
    if answer := too_many_answer(rates.deliveries.take(source)):  # before anything is read
        tally.count_rejected(None, "rate")
        return answer
    try:
        delivery = await exchange.read_delivery()
        if delivery is None:
            tally.count_rejected(None, "size")
            return TOO_LARGE
        receiver = await exchange.find_receiver()
        receive = functools.partial(receiver.receive, delivery, source)
        accepted = await exchange.run_blocking(receive) if receiver.may_block else receive()
        if isinstance(accepted, Answer):
            return accepted
        ingested = await exchange.ingest(accepted.events)
        if receiver.reply_seconds and not accepted.is_batch:
            return await _answer_with_reply(exchange, receiver.reply_seconds, accepted, ingested[0])
        return accepted.answer(ingested)
    except (ConnectionResetError, UnreadablePostError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the sender is asked to come again
        return error_answer(error)


async def _answer_with_reply(
    exchange: Exchange, seconds: int, accepted: AcceptedDelivery, ingested: IngestResult
) -> Answer:
    """The reply of the run, or the usual answer when none came. Raises ConnectionResetError for a lost sender.

    An error here is none of the delivery's, which is in the outbox.
    """
    try:
        outcome = await exchange.wait_for_reply(ingested.event_id, seconds)
        if outcome is not None:
            return accepted.answer_with_reply(ingested, outcome)
    except ConnectionResetError:
        raise
    except Exception:
        log.exception("the reply to event %s is not sent", ingested.event_id)
    return accepted.answer([ingested])


def run_without_loop[Result](coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that never waits, such as one of a synchronous exchange. No event loop is needed."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        result: Result = finished.value
        return result
    coroutine.close()
    raise RuntimeError("a synchronous exchange has waited")
