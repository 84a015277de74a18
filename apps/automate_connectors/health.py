"""The health of a connection, found by tests and by the steps that use it, written when it changes.

A step's report counts only for the state that it read. The signal `recovered` resolves waits for the connection, in the
transaction that writes its health.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.dispatch import Signal
from django.utils import timezone

from automate_connectors.adapters.base import NEEDS_RECONNECT, REFUSED, ConnectorError
from automate_connectors.models import Connection
from automate_connectors.web import ANSWERED_BY
from automate_governance.redaction.redactor import redact_text
from automate_governance.texts import kept_text

MIN_SECONDS_BETWEEN_CHANGES = 10
USED_EVERY = dt.timedelta(minutes=5)

#: Sent with `connection` when it works again, or may: steps that wait for it try again.
recovered = Signal()

Health = Connection.Health


def record_use(connection: Connection) -> None:
    """Record that a step called it. Writes at most every USED_EVERY, whatever the number of processes."""
    if connection.last_used_at is None or connection.last_used_at < timezone.now() - USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - USED_EVERY)
        _row(connection).filter(stale).update(last_used_at=Now())


def is_refusal(error: ConnectorError) -> bool:
    """Return whether an error rejects these credentials; another host's answer after a redirect does not."""
    return error.code in REFUSED and ANSWERED_BY not in error.details


def record_success(connection: Connection) -> None:
    """Record that a step was accepted. Writes only when the health changes, and seldom where it alternates."""
    if connection.health == Health.WORKING:
        return
    rows = _unchanged(connection)
    if connection.health == Health.FAILING:
        rows = rows.filter(health_since__lt=Now() - dt.timedelta(seconds=MIN_SECONDS_BETWEEN_CHANGES))
    with transaction.atomic():
        if _set_health(rows, Health.WORKING, "") and connection.health == Health.RECONNECT:
            _send_recovered(connection)


def record_refusal(connection: Connection, code: str, message: str) -> None:
    """Record that a step's credentials were rejected, with a code of `REFUSED`. Writes only a change."""
    found = Health.RECONNECT if code == NEEDS_RECONNECT else Health.FAILING
    if connection.health not in {found, Health.RECONNECT}:
        _set_health(_unchanged(connection), found, message)


def require_reconnect(connection: Connection, message: str) -> None:
    """Record that only a person can repair it. The caller holds the lock on its token."""
    _set_health(_row(connection).exclude(health=Health.RECONNECT), Health.RECONNECT, message)


def record_test(connection: Connection, code: str, message: str) -> None:
    """Record the end of a test; an empty `code` means success. After a failed test, waiting steps go on waiting."""
    row = _row(connection)
    row.update(tested_at=Now())
    if not code:
        _set_health(row, Health.WORKING, message)
        _send_recovered(connection)
    elif code == NEEDS_RECONNECT:
        _set_health(row, Health.RECONNECT, message)
    elif not _set_health(row.exclude(health=Health.RECONNECT), Health.FAILING, message):
        row.update(**_note(message))


def record_sign_in(connection: Connection) -> None:
    """Record that a person signed in."""
    _set_health(_row(connection), Health.WORKING, "")
    _send_recovered(connection)


def record_lost_secret(connection: Connection, message: str) -> None:
    """Record that the value of one of its secrets was lost: it has to be entered, or a person has to sign in, again."""
    setup = connection.sign_in
    found = Health.RECONNECT if setup and setup.needs_person else Health.FAILING
    _set_health(_row(connection), found, message)


def reset_health(connection: Connection) -> None:
    """Record changed credentials or another address: the health is unknown, and waiting steps retry."""
    _set_health(_row(connection), Health.UNKNOWN, "")
    _send_recovered(connection)


def _row(connection: Connection) -> QuerySet[Connection]:
    return Connection.objects.filter(pk=connection.pk)


def _unchanged(connection: Connection) -> QuerySet[Connection]:
    return _row(connection).filter(health_rev=connection.health_rev)


def _set_health(rows: QuerySet[Connection], health: str, note: str) -> bool:
    """Write a state; `health_since` is when it began. Returns whether a row was written."""
    values: dict[str, Any] = {"health": health, **_note(note), "health_rev": F("health_rev") + 1}
    same = rows.filter(Q(health=health) & Q(health_since__isnull=False)).update(**values)
    return bool(same or rows.update(**values, health_since=Now()))


def _note(message: str) -> dict[str, Any]:
    """Columns of a note: what it says in English, and what it is translated from."""
    note = redact_text(message.replace("\0", "\ufffd"))[:500]
    return {"health_note": note, "health_text": kept_text(message, note)}


def _send_recovered(connection: Connection) -> None:
    recovered.send(Connection, connection=connection)
