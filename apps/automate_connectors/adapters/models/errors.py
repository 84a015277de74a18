"""Errors of the database and of model validation, with what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.core.exceptions import NON_FIELD_ERRORS
from django.db import DataError, Error, IntegrityError, connection
from django.db.models.deletion import ProtectedError, RestrictedError

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.model_allowlist import AllowedModel
from automate_plugins import text
from automate_plugins.texts import joined

MAX_LISTED_ROWS = 100  #: invalid rows in the details of an error
_SHOWN_ROWS = 5

type Wrong = dict[str, list[str]]


def invalid_row(wrong: Wrong) -> ConnectorError:
    """Return the error for a row that failed validation, by field."""
    return ConnectorError(_reasons(wrong), code="invalid_input", details={"fields": wrong})


def invalid_rows(wrong: dict[int, Wrong]) -> ConnectorError:
    """Return the error for the rows that failed validation, by their index and field."""
    rows = [{"index": index, "fields": fields} for index, fields in wrong.items()]
    shown = [
        text("Row %(number)s: %(reason)s", number=index + 1, reason=_reasons(fields))
        for index, fields in list(wrong.items())[:_SHOWN_ROWS]
    ]
    if len(wrong) > _SHOWN_ROWS:
        shown.append(text("%(count)s rows are invalid.", count=len(wrong)))
    return ConnectorError(joined(shown), code="invalid_input", details={"rows": rows[:MAX_LISTED_ROWS]})


def _reasons(wrong: Wrong) -> str:
    return "; ".join(
        " ".join(reasons) if name == NON_FIELD_ERRORS else f"{name}: {' '.join(reasons)}"
        for name, reasons in wrong.items()
    )


_TIMED_OUT = {
    "57014": text("The database statement timed out."),
    "55P03": text("Another session locked the row for too long."),
}


@contextlib.contextmanager
def translate_database_errors(entry: AllowedModel) -> Iterator[None]:
    """Turn database errors into ConnectorError. The surrounding transaction is rolled back.

    Deferred constraints, such as those of foreign keys, are checked here.
    """
    try:
        yield
        connection.check_constraints()
    except (ProtectedError, RestrictedError) as error:
        kept = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
        labels = sorted({row._meta.label_lower for row in kept})
        message = text("%(model)s is still referenced by %(others)s.", model=entry.label, others=", ".join(labels))
        raise ConnectorError(message, code="protected") from error
    except IntegrityError as error:
        raise ConnectorError(
            text("The database rejected the change: %(reason)s", reason=_first_line(error)), code="conflict"
        ) from error
    except DataError as error:
        raise ConnectorError(
            text("A value does not fit its column: %(reason)s", reason=_first_line(error)), code="invalid_input"
        ) from error
    except Error as error:
        state = getattr(error.__cause__, "sqlstate", None) or ""
        raise ConnectorError(
            _TIMED_OUT.get(state) or text("The database is unavailable: %(reason)s", reason=_first_line(error)),
            code="timeout" if state in _TIMED_OUT else "database_away",
            retryable=True,
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
