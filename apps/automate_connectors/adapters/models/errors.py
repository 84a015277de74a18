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


def invalid_row(wrong: dict[str, list[str]]) -> ConnectorError:
    """Return the error for a row that failed validation, by field."""
    reasons_by_field = [
        " ".join(reasons) if name == NON_FIELD_ERRORS else f"{name}: {' '.join(reasons)}"
        for name, reasons in wrong.items()
    ]
    return ConnectorError("; ".join(reasons_by_field), code="invalid_input", details={"fields": wrong})


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
