"""Whether a connection works: found out by tests and by the steps that use it, written when it changes.

Steps report what they read: a report about a state that somebody has changed meanwhile counts for nothing. What waits
for a connection is told by the signal `recovered`, in the transaction that says so.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.dispatch import Signal
from django.utils import timezone

from automate_connectors.adapters.base import REFUSED, ConnectorError
from automate_connectors.models import Connection
from automate_connectors.web import ANSWERED_BY
from automate_governance.redaction.redactor import redact_text

NEEDS_RECONNECT = "needs_reconnect"
MIN_SECONDS_BETWEEN_CHANGES = 10
USED_EVERY = dt.timedelta(minutes=5)

#: Sent with `connection` when it works again, or may: steps that wait for it try again.
recovered = Signal()

Health = Connection.Health


def record_use(connection: Connection) -> None:
    """A step called it. Writes at most every `USED_EVERY`, however many processes do so at once."""
    if connection.last_used_at is None or connection.last_used_at < timezone.now() - USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - USED_EVERY)
        _row(connection).filter(stale).update(last_used_at=Now())


def is_refusal(error: ConnectorError) -> bool:
    """Whether an error says that these credentials are not let in: not when another host said so, after a redirect."""
    return error.code in REFUSED and ANSWERED_BY not in error.details


def record_success(connection: Connection) -> None:
    """A step was let in. Writes only when that is news, and not at each turn of one that goes to and fro."""
    if connection.health == Health.WORKING:
        return
    rows = _unchanged(connection)
    if connection.health == Health.FAILING:
        rows = rows.filter(health_since__lt=Now() - dt.timedelta(seconds=MIN_SECONDS_BETWEEN_CHANGES))
    with transaction.atomic():
        if _set_health(rows, Health.WORKING, "") and connection.health == Health.RECONNECT:
            _send_recovered(connection)


def record_refusal(connection: Connection, code: str, message: str) -> None:
    """A step's credentials were refused, with one of the codes `REFUSED`. Writes only when that is news."""
    found = Health.RECONNECT if code == NEEDS_RECONNECT else Health.FAILING
    if connection.health not in {found, Health.RECONNECT}:
        _set_health(_unchanged(connection), found, message)


def require_reconnect(connection: Connection, message: str) -> None:
    """Only a person can mend it. For whoever holds the lock on its token."""
    _set_health(_row(connection).exclude(health=Health.RECONNECT), Health.RECONNECT, message)


def record_test(connection: Connection, code: str, message: str) -> None:
    """A test came to an end; an empty `code` says that it works. One that failed leaves steps waiting that wait."""
    row = _row(connection)
    row.update(tested_at=Now())
    if not code:
        _set_health(row, Health.WORKING, message)
        _send_recovered(connection)
    elif code == NEEDS_RECONNECT:
        _set_health(row, Health.RECONNECT, message)
    elif not _set_health(row.exclude(health=Health.RECONNECT), Health.FAILING, message):
        row.update(health_note=_note(message))


def record_sign_in(connection: Connection) -> None:
    """Somebody signed in."""
    _set_health(_row(connection), Health.WORKING, "")
    _send_recovered(connection)


def reset_health(connection: Connection) -> None:
    """Somebody gave it other credentials or another address: nothing is known, and what waited may try."""
    _set_health(_row(connection), Health.UNKNOWN, "")
    _send_recovered(connection)


def _row(connection: Connection) -> QuerySet[Connection]:
    return Connection.objects.filter(pk=connection.pk)


def _unchanged(connection: Connection) -> QuerySet[Connection]:
    return _row(connection).filter(health_rev=connection.health_rev)


def _set_health(rows: QuerySet[Connection], health: str, note: str) -> bool:
    """Write a state; `health_since` is when it was first so."""
    values: dict[str, Any] = {"health": health, "health_note": _note(note), "health_rev": F("health_rev") + 1}
    same = rows.filter(Q(health=health) & Q(health_since__isnull=False)).update(**values)
    return bool(same or rows.update(**values, health_since=Now()))


def _note(message: str) -> str:
    return redact_text(message.replace("\0", "\ufffd"))[:500]


def _send_recovered(connection: Connection) -> None:
    recovered.send(Connection, connection=connection)
