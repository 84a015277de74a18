"""Calls of connectors for triggers: the rules of a step's call, leases, and how failures are counted and waited for."""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connections

from automate_connectors import credentials
from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.context import Context
from automate_connectors.limits.calls import WAITS_FOR_LIMIT, CallSlot
from automate_connectors.limits.requests import count_requests
from automate_connectors.models import Connection
from automate_connectors.outbound import outbound_clients
from automate_core.conf import setting
from automate_core.models import PollState, ServiceWebhook
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_governance.redaction.redactor import redact_text
from automate_governance.texts import kept_text
from automate_plugins import text

log = logging.getLogger(__name__)

GRACE_SECONDS = 30.0  #: that a lease lasts longer than the call may take
SPREAD = 0.1  #: of a time to wait, by which calls are put apart
LONGEST_BACKOFF = 3_600.0  #: seconds, unless the interval is longer
LONGEST_WAIT = 86_400.0  #: seconds that a service may ask to wait
LEASED = ("token", "lease_until", "next_at")  #: fields that a lease changes
FAILED = ("failures", "error", "error_code", "error_text")  #: and those of a failure


@dataclass(frozen=True, kw_only=True)
class TriggerCall:
    """A connector made ready for calls of a trigger. No connection to the database is open meanwhile."""

    context: Context
    used: credentials.OpenConnection | None

    def perform[T](self, act: Callable[[], T]) -> T:
        """The result of `act`; the health of the connection is recorded. Raises ConnectorError."""
        return self.used.perform(act) if self.used else act()


@contextmanager
def open_call(
    adapter: ConnectorAdapter, connection: str, *, run_as: Person | None, workflow: str, key: str
) -> Iterator[TriggerCall]:
    """Open a call for the run-as user, by the rules of a step's: the user is active and may use the connection.

    `workflow` is a slug, and `key` the idempotency key. Each request counts under the limit of the connection. Raises
    ConnectorError, with the code `waits_for_rate_limit` for a call that may not start yet.
    """
    if run_as is None or not run_as.is_active:
        user = sign_in_name(run_as) if run_as else "-"
        raise ConnectorError(text("The run-as user %(user)s is not active.", user=user), code="run_as_inactive")
    deadline = time.monotonic() + call_seconds()
    with CallSlot(uuid.uuid4(), key, workflow, call_seconds()) as slot:

        def admit(used: Connection) -> None:
            if used.connector != adapter.code:
                message = text("The connection %(name)s is one of another connector.", name=connection)
                raise ConnectorError(message, code="connection_not_usable")
            slot.take(used)

        used = credentials.open_connection(connection, lambda: run_as, workflow, admit) if connection else None
        clients = outbound_clients(bound_hosts=used.hosts if used else None, deadline=deadline)
        if slot.limits_requests:
            clients["http"] = count_requests(clients["http"], slot, deadline, lambda: False)
        context = Context(
            {
                "connection": used.config if used else {},
                **clients,
                "idempotency_key": key,
                "deadline": deadline,
                "cancelled": lambda: False,
                "log": lambda message, level="info": log.debug("%s: %s", key, redact_text(str(message))),
                "run": {"workflow": workflow},
                "step": {},
                "user": run_as,
            }
        )
        connections.close_all()  # none is held while the service is asked
        yield TriggerCall(context=context, used=used)


def call_seconds() -> float:
    """How long a call may take."""
    return float(setting("AUTOMATE_STEP_TIMEOUT_SECONDS"))


def take_lease(state: PollState | ServiceWebhook, lost: ConnectorError, at: dt.datetime, interval: float) -> bool:
    """Take the lease of a row that is due, in place. Whether it is leased: not one that ended its worker twice.

    A lease that ran out counts as the failure `lost`: its worker died, or the call did not return.
    """
    is_lost = state.lease_until is not None
    state.token += 1
    if is_lost:
        count_failure(state, lost, at, interval)
    if is_lost and state.failures > 1:
        return False
    state.lease_until = state.next_at = at + dt.timedelta(seconds=call_seconds() + GRACE_SECONDS)
    return True


def count_failure(state: PollState | ServiceWebhook, error: ConnectorError, at: dt.datetime, interval: float) -> None:
    """Count a failure, in place, and end the lease; `next_at` becomes the time of the next attempt.

    A call that waits for the rate limit of its connection has not failed: it is put back.
    """
    state.lease_until = None
    if error.code == WAITS_FOR_LIMIT:
        state.next_at = at + dt.timedelta(seconds=spread(error.retry_after or 0.0))
        return
    message = redact_text(error.message.replace("\0", "\ufffd"))[:500]
    state.failures += 1
    state.error, state.error_code, state.error_text = message, error.code[:100], kept_text(error.message, message)
    wait = max(backoff_seconds(interval, state.failures), min(error.retry_after or 0.0, LONGEST_WAIT))
    state.next_at = at + dt.timedelta(seconds=spread(wait))


def count_success(state: PollState | ServiceWebhook) -> None:
    """Forget the failures, in place, and end the lease."""
    state.failures, state.error, state.error_code, state.error_text = 0, "", "", None
    state.lease_until = None


def backoff_seconds(interval: float, failures: int) -> float:
    """Seconds to wait after so many failures in succession: the interval, then twice as long each time."""
    return max(interval, min(interval * 2.0 ** min(failures - 1, 20), LONGEST_BACKOFF))


def spread(seconds: float) -> float:
    """Up to a tenth longer: what was published, or resumed, together does not stay together."""
    return seconds * (1 + SPREAD * random.random())  # noqa: S311 - no secret
