"""Calls about one webhook at a service: validated inputs in, a checked registration or a ConnectorError out."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.webhooks import EVENTS, Registration, Webhook
from automate_connectors.bounds.output_size import OutputSize
from automate_connectors.context import Context
from automate_connectors.invocation import check_params, encode_output, translate_errors
from automate_connectors.polling.calls import Found, check_result
from automate_plugins import text

LONGEST_ID = 500
LONGEST_SECRET = 500
MAX_DATA_BYTES = 10_000


@dataclass(frozen=True, kw_only=True)
class WebhookCalls:
    """The calls about one webhook of an adapter, at one URL. Each raises ConnectorError only."""

    adapter: ConnectorAdapter
    webhook: Webhook
    inputs: dict[str, Any]
    events: tuple[str, ...]
    url: str
    context: Context

    def find(self) -> Registration | None:
        """The registration that the service has; None without one, and where the service cannot tell."""
        if not self.adapter.can_find_webhooks:
            return None
        name, params = self._asked()
        found = translate_errors(lambda: self.adapter.find_webhook(name, params, self.url, self.context))
        return None if found is None else _checked(found)

    def register(self, secret: str) -> Registration:
        """Make a registration; of a service that makes the secret, with it."""
        name, params = self._asked()
        made = translate_errors(lambda: self.adapter.register_webhook(name, params, self.url, secret, self.context))
        return self._with_secret(_checked(made))

    def renew(self, registration: Registration, secret: str) -> Registration:
        """Extend a registration. Another one in its place has its secret, if the service makes that."""
        name, params = self._asked()
        renewed = _checked(
            translate_errors(
                lambda: self.adapter.renew_webhook(name, params, registration, self.url, secret, self.context)
            )
        )
        return renewed if renewed.id == registration.id else self._with_secret(renewed)

    def read_changes(self, registration: Registration) -> Found:
        """The changes behind the place that the registration has; the cursor is its new `data`."""
        name, params = self._asked()
        found = check_result(
            translate_errors(lambda: self.adapter.read_changes(name, params, registration, self.context))
        )
        _check_data(encode_output(found.cursor, OutputSize()))
        return found

    def remove(self, registration: Registration) -> None:
        """Remove a registration, whether or not it is still there."""
        name, params = self._asked()
        translate_errors(lambda: self.adapter.remove_webhook(name, params, registration, self.context))

    def _asked(self) -> tuple[str, dict[str, Any]]:
        params = check_params(self.webhook.fields, dict(self.inputs))
        return self.webhook.name, {**params, EVENTS: list(self.events)}

    def _with_secret(self, made: Registration) -> Registration:
        if self.webhook.makes_secret and not 1 <= len(made.secret) <= LONGEST_SECRET:
            raise _invalid(text("The service makes the secret of this webhook, and a registration must return it."))
        return made


def _checked(found: Any) -> Registration:
    if not isinstance(found, Registration):
        raise _invalid(text("A webhook must be a Registration, not %(type)s.", type=type(found).__name__))
    if not isinstance(found.id, str) or not 1 <= len(found.id) <= LONGEST_ID or "\0" in found.id:
        raise _invalid(text("The id of a registration must be a text of 1 to %(count)s characters.", count=LONGEST_ID))
    if found.expires is not None and (not isinstance(found.expires, dt.datetime) or found.expires.tzinfo is None):
        raise _invalid(text("The end of a registration must be a date and time with a time zone, or None."))
    document = encode_output(found.data, OutputSize())
    _check_data(document)
    secret = found.secret if isinstance(found.secret, str) else ""
    return Registration(id=found.id, expires=found.expires, data=msgspec.json.decode(document), secret=secret)


def _check_data(document: bytes) -> None:
    if not document.startswith(b"{") or len(document) > MAX_DATA_BYTES:
        size = MAX_DATA_BYTES // 1_000
        raise _invalid(text("The data of a registration must be a mapping of at most %(size)s KB.", size=size))


def _invalid(message: str) -> ConnectorError:
    return ConnectorError(message, code="invalid_output")
