"""Why the database stores nothing: it is full, read-only or away. Pages, the API and commands name it."""

from __future__ import annotations

import django.db
import psycopg
from psycopg import errors

from automate_core.database import is_away
from automate_plugins import text

FULL = text(
    "The database is full: nothing was stored. Tell an administrator that its disk needs space. Then do this again."
)
READ_ONLY = text(
    "The database is read-only: nothing was stored. Tell an administrator that it must accept changes. Then do this"
    " again."
)
AWAY = text(
    "The database cannot be reached. Try again in a minute, and check first whether your change was stored. Tell an"
    " administrator if this happens again."
)


def database_fault(error: BaseException | None) -> str | None:
    """The sentences about the database's fault behind an error of psycopg or Django; None if it is another error."""
    cause = error.__cause__ if isinstance(error, django.db.Error) else error
    if isinstance(cause, errors.DiskFull):
        return FULL
    if isinstance(cause, errors.ReadOnlySqlTransaction):
        return READ_ONLY
    if not isinstance(cause, psycopg.Error) or not is_away(cause):
        return None
    is_clash = (cause.sqlstate or "").startswith("40")  # with another transaction: no fault of the database
    return None if is_clash else AWAY
