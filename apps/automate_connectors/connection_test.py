"""Tests of connections: one real call that changes nothing, by a person who may use or change the connection."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from automate_connectors import health
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.credentials import resolve_config
from automate_connectors.invocation import check_connection
from automate_connectors.models import Connection
from automate_connectors.oauth.grant_binding import terms_hash
from automate_connectors.oauth.tokens import get_access_token
from automate_connectors.outbound import outbound_clients
from automate_governance import audit
from automate_governance.models import StoredSecret
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.redaction.redactor import learn_entered, redact_text, redactor_context
from automate_governance.redaction.token_patterns import MASK
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.texts import kept_text
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError
from automate_plugins.texts import marked, restored, truncate

TEST_SECONDS = 15.0
REMEMBERED_SECONDS = 600  #: for which a test of a form that passed counts
_PASSED = "automate_connectors.passed_test"  #: in the session


@dataclass(frozen=True, kw_only=True)
class ConnectionTestResult:
    """The result of a test: a message for people, and its duration in seconds. An empty `code` means success."""

    code: str = ""
    message: str
    seconds: float = 0.0

    @property
    def works(self) -> bool:
        """Whether the connection works."""
        return not self.code


def can_be_tested(connection: Connection) -> bool:
    """Return whether there is a call to make: the connector's check, or renewing a sign-in."""
    try:
        return connection.adapter.can_check or bool(connection.oauth)
    except PluginNotFoundError:
        return False


def run_connection_test(connection: Connection, by: Person) -> ConnectionTestResult:
    """Test the connection, record its health, and resolve waits for it when it works. Raises NotPermittedError.

    Without a check the health becomes unknown, and waiting steps retry.
    """
    if not (can(by, "use", connection) or can(by, "change", connection)):
        message = text("You need the Use or Change permission for the connection %(name)s.", name=str(connection))
        raise NotPermittedError(message)
    if not can_be_tested(connection):
        with transaction.atomic():
            health.reset_health(connection)
            audit.record(by, "connection.released", connection)
        return ConnectionTestResult(message=text("This connector has no test. Waiting steps retry now."))
    with redactor_context():
        trial = _timed(connection)
    with transaction.atomic():
        health.record_test(connection, trial.code, trial.message)
        audit.record(by, "connection.tested", connection, changes={"works": trial.works, "said": marked(trial.message)})
    return trial


@sensitive_variables()
def run_unsaved_connection_test(connection: Connection, given: Mapping[str, str], by: Person) -> ConnectionTestResult:
    """Test a connection before it is saved; `given` holds plain values of references that are not stored yet.

    The form checks whether `by` may save it and use its secrets. The health of a stored connection stays as it is.
    """
    if connection.oauth or not can_be_tested(connection):
        message = text("Not tested. This connector has no test.")
        if setup := connection.sign_in:
            message = text("Not tested. Save the connection, then test it.")
            if setup.needs_person:
                message = text("Not tested. Save the connection, then sign in.")
        return ConnectionTestResult(code="not_tested", message=message)
    with redactor_context():
        learn_entered(*given.values())
        trial = _timed(connection, given)
    changes = {"saved": False, "works": trial.works, "said": marked(trial.message)}
    with transaction.atomic():
        audit.record(by, "connection.tested", connection, changes=changes)
    return trial


@sensitive_variables()
def _timed(connection: Connection, given: Mapping[str, str] = MappingProxyType({})) -> ConnectionTestResult:
    started = time.monotonic()
    code, message = _call(connection, given)
    for value in given.values():  # also those of plain words, which redaction leaves alone
        message = message.replace(value, MASK) if value in message else message
    shown = truncate(redact_text(message), 500)
    return ConnectionTestResult(code=code, message=shown, seconds=time.monotonic() - started)


@sensitive_variables()
def _call(connection: Connection, given: Mapping[str, str] = MappingProxyType({})) -> tuple[str, str]:
    """Return (error code, message for people)."""
    try:
        if not connection.adapter.can_check:
            get_access_token(connection)
            return "", text("The sign-in is valid.")
        return "", check_connection(connection.adapter, build_call_context(connection, None, given))
    except ConnectorError as error:
        return error.code, error.message
    except SecretNotFoundError as error:
        return "secret_not_found", str(error)
    except SecretUnavailableError as error:
        return "secret_unavailable", str(error)


@sensitive_variables()
def build_call_context(
    connection: Connection | None, user: Person | None, given: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Return a connector's context, as for `execute`, without a run and a step.

    Without a connection it reaches no host.
    """
    config = resolve_config(connection, given) if connection else {}
    return build_settings_context(config, connection.hosts() if connection else (), user)


def build_settings_context(config: dict[str, Any], hosts: Iterable[str], user: Person | None) -> dict[str, Any]:
    """Return a connector's context for settings with plain secrets, which may be sent to these `hosts` alone."""
    deadline = time.monotonic() + TEST_SECONDS
    return {
        "connection": config,
        **outbound_clients(bound_hosts=hosts, deadline=deadline),
        "idempotency_key": uuid.uuid4().hex,
        "deadline": deadline,
        "cancelled": lambda: False,
        "log": lambda message, level="info": None,
        "run": {},
        "step": {},
        "user": user,
    }


# --- a test of a form that passed: saving exactly these settings records it ------------------------------------------


@sensitive_variables()
def remember_passed_test(request: HttpRequest, connection: Connection, given: Mapping[str, str], message: str) -> None:
    """Remember what passed; `given` holds plain values of references that are not stored yet."""
    until = time.time() + REMEMBERED_SECONDS
    told = {"message": message, "text": kept_text(message, message)}
    request.session[_PASSED] = {"digest": _digest(connection, given), "until": until, **told}


def forget_passed_test(request: HttpRequest) -> None:
    """Forget it: a later test did not pass."""
    request.session.pop(_PASSED, None)


@sensitive_variables()
def read_passed_test(request: HttpRequest, connection: Connection, given: Mapping[str, str]) -> str | None:
    """The message of the test that passed with exactly these settings; None without one. Call it before they are
    stored.
    """
    kept = request.session.get(_PASSED)
    if not kept or kept["until"] < time.time() or kept["digest"] != _digest(connection, given):
        return None
    return restored(kept["text"], kept["message"])


@sensitive_variables()
def _digest(connection: Connection, given: Mapping[str, str]) -> str:
    """A keyed hash of the settings with the values of new secrets, and the versions of stored ones."""
    names = [reference.partition(":")[2] for listed in connection.references().values() for reference in listed]
    stored = StoredSecret.objects.filter(name__in=names).order_by("pk").values_list("pk", "version")
    told = [connection.slug, terms_hash(connection), sorted(given.items()), list(stored)]
    return salted_hmac(_PASSED, json.dumps(told), algorithm="sha256").hexdigest()
