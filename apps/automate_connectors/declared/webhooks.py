"""Registrations of a document's webhooks: calls of its actions that make one, list them, and remove one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from automate_connectors.adapters.base import NEEDS_RECONNECT, ConnectorError
from automate_connectors.adapters.webhooks import EVENTS, Registration
from automate_connectors.declared.document import ActionPart, Clock, Document, WebhookCall, WebhookPart
from automate_connectors.declared.polls import Call
from automate_connectors.declared.templates import fill, names_in
from automate_connectors.paging import value_at
from automate_connectors.web import as_text
from automate_plugins import text
from automate_plugins.texts import marked

URL, SECRET, ID = "url", "secret", "id"  #: names in the inputs of calls, beside EVENTS and the inputs of the trigger
TAKEN = "webhook_taken"  #: code of the error where another URL is registered, and there is room for one alone
NAMES = frozenset({URL, SECRET, ID, EVENTS})

type MakeCall = Callable[[str, dict[str, Any]], Call]


def register(
    document: Document, rule: WebhookPart, params: Mapping[str, Any], url: str, secret: str, call: MakeCall
) -> Registration:
    """Make a registration. Raises ConnectorError, EgressError.

    Where the service has room for one alone, that of another URL is not replaced: the code is `webhook_taken`.
    """
    names = {**params, URL: url, SECRET: secret}
    if not rule.id:
        _check_free(document, rule, params, url, call)
    made = call(rule.register.action, _inputs(document, rule.register, names)).output()
    registration = _registration(rule, made, url)
    own = value_at(made, rule.secret) if rule.secret else ""
    return Registration(id=registration.id, expires=registration.expires, secret=as_text(own or ""))


def find(
    document: Document, rule: WebhookPart, params: Mapping[str, Any], url: str, call: MakeCall
) -> Registration | None:
    """The registration with the URL, or None. Raises ConnectorError, EgressError."""
    listed = _read_list(document, rule, params, url, call)
    found = next((item for item in listed if value_at(item, rule.listing.url) == url), None)
    return None if found is None else _registration(rule, found, url)


def _read_list(
    document: Document, rule: WebhookPart, params: Mapping[str, Any], url: str, call: MakeCall
) -> list[dict[str, Any]]:
    """The registrations of the service. Raises ConnectorError, EgressError."""
    asked = rule.listing
    output = call(asked.action, _inputs(document, asked, {**params, URL: url})).read_list(asked.items, lambda _: False)
    listed = output.items if isinstance(output.items, list) else [output.items]
    if not all(isinstance(item, dict) for item in listed):
        reason = text("The response has no list of items at %(path)s.", path=asked.items or "items")
        raise ConnectorError(reason, code="invalid_answer")
    return listed


def _check_free(document: Document, rule: WebhookPart, params: Mapping[str, Any], url: str, call: MakeCall) -> None:
    """Raise ConnectorError where another URL is registered. Only its host is named: the path may be a secret."""
    urls = [as_text(value_at(item, rule.listing.url) or "") for item in _read_list(document, rule, params, url, call)]
    other = next((each for each in urls if each and each != url), "")
    if not other:
        return
    own = url.rstrip("/").rpartition("/")[0]
    if other.startswith(f"{own}/"):
        reason = text(
            "Another workflow of this site has its webhook at this %(service)s account, which takes one alone."
            " Pause that workflow, or use another account.",
            service=marked(document.name),
        )
    else:
        reason = text(
            "%(service)s sends to %(host)s already, and takes one webhook alone. Remove that one there, or use another"
            " account.",
            service=marked(document.name),
            host=urlsplit(other).hostname or other[:100],
        )
    raise ConnectorError(reason, code=TAKEN, retryable=True)


def remove(
    document: Document, rule: WebhookPart, params: Mapping[str, Any], registration: Registration, call: MakeCall
) -> None:
    """Remove a registration; one that is not there is none. Raises ConnectorError, EgressError.

    Without an id of its own, another URL may have taken its place, which stays.
    """
    if not rule.id and find(document, rule, params, registration.id, call) is None:
        return
    try:
        call(rule.remove.action, _inputs(document, rule.remove, {**params, ID: registration.id})).output()
    except ConnectorError as error:
        if error.details.get("status") not in {404, 410} or error.code == NEEDS_RECONNECT:
            raise


def _registration(rule: WebhookPart, found: Any, url: str) -> Registration:
    """Raises ConnectorError for an answer without an id."""
    identifier = value_at(found, rule.id) if rule.id else url
    if identifier in (None, ""):
        raise ConnectorError(text("The response has no value at %(path)s.", path=rule.id), code="invalid_answer")
    return Registration(id=as_text(identifier), expires=_expiry(rule, found))


def _expiry(rule: WebhookPart, found: Any) -> dt.datetime | None:
    value = value_at(found, rule.expires) if rule.expires else None
    if value in (None, ""):
        return None
    try:
        if rule.expires_in is Clock.ISO:
            ends = dt.datetime.fromisoformat(str(value))
            return ends if ends.tzinfo else ends.replace(tzinfo=dt.UTC)
        seconds = float(value) / (1_000 if rule.expires_in is Clock.MILLISECONDS else 1)
        return dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (ValueError, TypeError, OverflowError) as error:
        reason = text("%(value)s is not a time.", value=repr(value)[:100])
        raise ConnectorError(reason, code="invalid_answer") from error


def _inputs(document: Document, asked: WebhookCall, names: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of an action: those of the trigger with the same name, and the written ones, filled in."""
    action = document.action(asked.action)
    sent = {spec.name: names[spec.name] for spec in _own(action) if names.get(spec.name) not in (None, "")}
    defaults = {spec.name: spec.default for spec in action.fields if spec.default is not None}
    return {**defaults, **sent, **{name: _filled(value, names) for name, value in asked.params.items()}}


def _own(action: ActionPart) -> list[Any]:
    """The fields of an action that an input of the trigger may fill; the others are written in full."""
    return [spec for spec in action.fields if spec.name not in NAMES]


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    """A written input: a text that is one `{name}` alone is the value of it, as it is."""
    if not isinstance(value, str):
        return value
    used = names_in(value)
    if len(used) == 1 and value == f"{{{used[0]}}}":
        return names.get(used[0])
    return fill(value, names)
