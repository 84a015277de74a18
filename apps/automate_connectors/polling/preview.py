"""Items that a poll finds now, for a person who sets it up: one call that changes nothing and starts nothing."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.polls import Poll
from automate_connectors.connection_test import build_call_context
from automate_connectors.context import Context
from automate_connectors.models import Connection
from automate_connectors.outbound import outbound_clients
from automate_connectors.polling.calls import FoundItem, call_poll
from automate_governance import audit
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.redaction.redactor import current_redactor, redact_text, redactor_context
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_plugins import text
from automate_plugins.texts import truncate

MAX_SHOWN = 10


def find_now(
    adapter: ConnectorAdapter, poll: Poll, connection: Connection | None, params: dict[str, Any], by: Person
) -> list[FoundItem]:
    """Return the newest items, the newest first, at most MAX_SHOWN; secrets in their data are masked.

    Raises ConnectorError, whose message says what to do, and NotPermittedError.
    """
    if connection is not None:
        if not can(by, "use", connection):
            message = text("You need the Use permission for the connection %(name)s.", name=str(connection))
            raise NotPermittedError(message)
        audit.record(by, "connection.asked", connection, changes={"for": poll.name})
    with redactor_context():
        try:
            found = call_poll(adapter, poll, params, None, _context(connection, by))
        except ConnectorError as error:
            message = truncate(redact_text(error.message), 500)
            raise ConnectorError(message, code=error.code, retryable=error.retryable) from error
        except (SecretNotFoundError, SecretUnavailableError) as error:
            raise ConnectorError(str(error), code="secret_not_found") from error
        newest = found.items[-MAX_SHOWN:][::-1]
        return [
            FoundItem(id=item.id, time=item.time, data=current_redactor().document(item.data.decode()).encode())
            for item in newest
        ]


def _context(connection: Connection | None, by: Person) -> Context:
    """The context of a step's call; a connector without connections reaches any public host, as in a step."""
    given = build_call_context(connection, by)
    if connection is None:
        given |= outbound_clients(deadline=given["deadline"])
    return Context(given)
