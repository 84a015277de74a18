"""Options of a field, listed by the connector: channels, repositories, models. The editor of a step requests them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automate_connectors import connection_test, invocation
from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError, OptionsError
from automate_connectors.models import Connection
from automate_governance import audit
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.redaction.redactor import redact_text, redactor_context
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_plugins import text
from automate_plugins.texts import truncate

MAX_OPTIONS = 1_000


@dataclass(frozen=True)
class FieldOptions:
    """Options as (value, label), at most MAX_OPTIONS; `note` and its `code` say why they are substitutes."""

    options: list[tuple[str, str]]
    note: str = ""
    code: str = ""


def list_field_options(
    adapter: ConnectorAdapter, connection: Connection | None, name: str, params: dict[str, Any], by: Person
) -> FieldOptions:
    """Return the connector's options, or its substitutes for them; one call that changes nothing.

    Raises ConnectorError, whose message says what to do, and NotPermittedError.
    """
    if connection is not None:
        if not can(by, "use", connection):
            message = text("You need the Use permission for the connection %(name)s.", name=str(connection))
            raise NotPermittedError(message)
        audit.record(by, "connection.asked", connection, changes={"for": name})
    with redactor_context():
        return _call_options(adapter, connection, name, params, by)


def _call_options(
    adapter: ConnectorAdapter, connection: Connection | None, name: str, params: dict[str, Any], by: Person
) -> FieldOptions:
    try:
        return FieldOptions(
            invocation.list_options(adapter, name, params, connection_test.build_call_context(connection, by))[
                :MAX_OPTIONS
            ]
        )
    except OptionsError as error:
        return FieldOptions(error.instead[:MAX_OPTIONS], truncate(redact_text(error.message), 500), error.code)
    except ConnectorError as error:
        raise ConnectorError(truncate(redact_text(error.message), 500), code=error.code) from error
    except (SecretNotFoundError, SecretUnavailableError) as error:
        raise ConnectorError(str(error), code="secret_not_found") from error
