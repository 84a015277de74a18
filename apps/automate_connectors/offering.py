"""What a connector offers for a field: channels, repositories, models; asked for by whoever edits a step."""

from __future__ import annotations

from typing import Any

from automate_connectors import invocation, trial
from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError, NotedOptions
from automate_connectors.models import Connection
from automate_governance import audit
from automate_governance.permissions import Person, can
from automate_governance.redaction import redactor
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError

MOST = 1_000


def offered(
    adapter: ConnectorAdapter, connection: Connection | None, name: str, params: dict[str, Any], by: Person
) -> NotedOptions:
    """(value, label) of what is there, at most MOST, with a note or an empty one; one call that changes nothing.

    Raises ConnectorError, whose message tells what to do, and trial.NotPermittedError.
    """
    if connection is not None:
        if not can(by, "use", connection):
            raise trial.NotPermittedError(f"{by.get_username()} may not use {connection}")
        audit.record(by, "connection.asked", connection, changes={"for": name})
    try:
        found = invocation.options(adapter, name, params, trial.context(connection, by))
    except ConnectorError as error:
        raise ConnectorError(redactor.text(error.message)[:500], code=error.code) from error
    except (SecretNotFoundError, SecretUnavailableError) as error:
        raise ConnectorError(str(error), code="secret_not_found") from error
    note = redactor.text(found.note)[:500] if isinstance(found, NotedOptions) else ""
    return NotedOptions(found[:MOST], note)
