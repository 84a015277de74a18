"""Test calls: one real call of an action of a draft, with a connection that the person may use.

A connector that was never saved has no connection. Its call takes settings that are entered for it and stored nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError
from automate_connectors.connection_test import build_call_context, build_settings_context
from automate_connectors.invocation import invoke
from automate_connectors.models import Connection
from automate_connectors.stored.drafts import check_administers
from automate_connectors.stored.models import DeclaredConnectorDraft
from automate_governance import audit
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.redaction.redactor import redact, redact_text, redactor_context
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import truncate


@dataclass(frozen=True, kw_only=True)
class CallResult:
    """The output of a call, or a message that says why there is none. `seconds` is its duration."""

    output: Any = None
    error: str = ""
    seconds: float = 0.0


def can_call(action: Action) -> bool:
    """Return whether a call can be tested: files are not passed on outside a run."""
    kinds = {each.kind for each in (*(action.fields or ()), *(action.outputs or ()))}
    return FieldKind.FILE not in kinds


@sensitive_variables()
def run_test_call(
    adapter: ConnectorAdapter, action: Action, connection: Connection, params: dict[str, Any], *, by: Person
) -> CallResult:
    """Call the action once and return what came of it, secrets masked. Audited. Raises NotPermittedError."""
    check_administers(by)
    if not can(by, "use", connection):
        message = text("You need the Use permission for the connection %(name)s.", name=str(connection))
        raise NotPermittedError(message)
    with transaction.atomic():  # before the call: an effect without its entry would be worse
        changes = {"action": f"{adapter.code}.{action.name}"}
        audit.record(by, "connection.called", connection, changes=changes)
    with redactor_context():
        return _call(adapter, action, params, lambda: build_call_context(connection, by))


@sensitive_variables()
def run_draft_call(
    draft: DeclaredConnectorDraft,
    adapter: ConnectorAdapter,
    action: Action,
    config: dict[str, Any],
    params: dict[str, Any],
    *,
    by: Person,
) -> CallResult:
    """Call an action of a draft once, with settings that are stored nowhere: their secrets are plain values.

    They are sent to the hosts of their own URLs, else to those of the draft, and masked in the result. Audited. Raises
    NotPermittedError.
    """
    check_administers(by)
    secrets = [str(config[spec.name]) for spec in adapter.config_fields if _is_secret(spec) and config.get(spec.name)]
    try:
        adapter.validate_config(config)
    except (ConnectorError, ValueError) as error:
        return CallResult(error=str(error))
    hosts = Connection(config=config).hosts() or list(adapter.own_hosts(config))
    with transaction.atomic():
        changes = {"action": f"{adapter.code}.{action.name}", "hosts": ", ".join(hosts)}
        audit.record(by, "connector.called", draft, changes=changes)
    with redactor_context() as redactor:
        redactor.learn(*secrets)  # also plain words: nothing but this result is shown
        return _call(adapter, action, params, lambda: build_settings_context(dict(config), hosts, by))


def _is_secret(spec: FieldSpec) -> bool:
    return spec.kind is FieldKind.SECRET


@sensitive_variables()
def _call(
    adapter: ConnectorAdapter, action: Action, params: dict[str, Any], make_context: Callable[[], dict[str, Any]]
) -> CallResult:
    """What came of a call; the secrets that the redactor knows are masked."""
    started = time.monotonic()
    output, error = _invoke(adapter, action, params, make_context)
    return CallResult(output=redact(output), error=error, seconds=time.monotonic() - started)


@sensitive_variables()
def _invoke(
    adapter: ConnectorAdapter, action: Action, params: dict[str, Any], make_context: Callable[[], dict[str, Any]]
) -> tuple[Any, str]:
    try:
        return msgspec.json.decode(invoke(adapter, action, params, make_context())), ""
    except ConnectorError as error:
        return None, truncate(redact_text(error.message), 500)
    except (SecretNotFoundError, SecretUnavailableError) as error:
        return None, str(error)
