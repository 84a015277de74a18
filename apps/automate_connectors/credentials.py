"""The connection of a step: the check of its use, its resolved secrets, and its health."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.db import DatabaseError, connections

from automate_connectors import health
from automate_connectors.adapters.base import NEEDS_RECONNECT, ConnectorError
from automate_connectors.models import Connection, is_secret_reference
from automate_connectors.oauth.tokens import get_access_token
from automate_governance.audit import payload_views
from automate_governance.permissions import Person, permitted
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import resolve
from automate_plugins import text

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """A connection in use. `config` holds plain secrets, and becomes `context["connection"]`."""

    connection: Connection
    config: dict[str, Any]
    hosts: list[str]

    def perform[T](self, act: Callable[[], T]) -> T:
        """Return the result of `act`, and record the connection's health. Raises ConnectorError.

        An access token that was rejected before its time is renewed once, and `act` called again.
        """
        try:
            output = self._with_new_token(act)
        except ConnectorError as error:
            if health.is_refusal(error):
                self._report(health.record_refusal, error.code, error.message)
            raise
        finally:
            self._report(health.record_use)
        self._report(health.record_success)
        return output

    def _with_new_token[T](self, act: Callable[[], T]) -> T:
        try:
            return act()
        except ConnectorError as error:
            if not health.is_refusal(error) or not self.connection.oauth:
                raise
        renewed = get_access_token(self.connection, rejected=self.config["access_token"])
        self.config.update(self.connection.with_token(self.config, renewed))
        connections.close_all()
        return act()

    def _report(self, write: Callable[..., None], *values: str) -> None:
        """Write the health; a database error does not change how the step ended."""
        try:
            write(self.connection, *values)
        except DatabaseError as error:
            log.warning("the health of the connection %s was not written: %s", self.connection.slug, error)


def open_connection(
    slug: str,
    run_as: Callable[[], Person],
    workflow: str,
    admit: Callable[[Connection], None] = lambda connection: None,
) -> OpenConnection:
    """Resolve a connection for the run-as user, who must be permitted to use it. Raises ConnectorError.

    `admit` may refuse the call before a secret is read, by its own ConnectorError (`limits.calls.CallSlot.acquire`).
    A connection that needs a person is not tried (`needs_reconnect`). The use is audited, with the slug of `workflow`.
    """
    connection = permitted(run_as(), "use", Connection.objects.filter(slug=slug)).first()
    if connection is None:
        raise ConnectorError(
            text(
                "The connection %(connection)s does not exist, or %(person)s does not have permission to use it.",
                connection=slug,
                person=str(run_as()),
            ),
            code="connection_not_usable",
        )
    if connection.health == Connection.Health.RECONNECT:
        message = text("Reconnect the connection %(connection)s, then re-run.", connection=slug)
        raise ConnectorError(message, code=NEEDS_RECONNECT)
    admit(connection)
    try:
        config = resolve_config(connection)
    except SecretNotFoundError as error:
        message = text("Connection %(connection)s: %(reason)s", connection=slug, reason=str(error))
        raise ConnectorError(message, code="secret_not_found") from error
    except SecretUnavailableError as error:
        message = text("Connection %(connection)s: %(reason)s", connection=slug, reason=str(error))
        raise ConnectorError(message, code="secret_unavailable", retryable=True) from error
    payload_views.record_secret_use(run_as(), connection.secrets_in_use(), connection, workflow)
    connections.close_all()  # none is held while the effect goes on
    return OpenConnection(connection, config, connection.hosts())


def resolve_config(connection: Connection, given: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return the configuration with plain secret values, for `context["connection"]` alone.

    `given` holds the values of references that are not stored yet. Raises SecretNotFoundError, SecretUnavailableError,
    and ConnectorError when there is no access token.
    """
    config = {
        name: (given.get(value) or resolve(value).reveal()) if is_secret_reference(value) else value
        for name, value in connection.config.items()
    }
    return connection.with_token(config, get_access_token(connection)) if connection.oauth else config
