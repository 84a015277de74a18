"""Test calls: one real call of an action of a draft or a version, with a connection that the person may use."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError
from automate_connectors.connection_test import build_call_context
from automate_connectors.invocation import invoke
from automate_connectors.models import Connection
from automate_connectors.stored.drafts import check_administers
from automate_governance import audit
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.redaction.redactor import redact, redact_text, redactor_context
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_plugins import text
from automate_plugins.fields import FieldKind
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
    started = time.monotonic()
    with redactor_context():
        output, error = _call(adapter, action, connection, params, by)
        return CallResult(output=redact(output), error=error, seconds=time.monotonic() - started)


@sensitive_variables()
def _call(
    adapter: ConnectorAdapter, action: Action, connection: Connection, params: dict[str, Any], by: Person
) -> tuple[Any, str]:
    try:
        return msgspec.json.decode(invoke(adapter, action, params, build_call_context(connection, by))), ""
    except ConnectorError as error:
        return None, truncate(redact_text(error.message), 500)
    except (SecretNotFoundError, SecretUnavailableError) as error:
        return None, str(error)
