"""Effects: what happens outside, in a thread of its own, with no transaction and no database connection held."""

from __future__ import annotations

import functools
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connections
from django.utils.functional import SimpleLazyObject

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import invoke
from automate_connectors.models import Connection
from automate_core.conf import setting
from automate_core.engine.journal import LogRecord, idempotency_key
from automate_core.engine.walk import Effect, EffectOutcome
from automate_core.models import Workflow
from automate_egress import HttpSession
from automate_governance.permissions import Person, permitted
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EffectCall:
    """An effect with all that a thread needs to perform it."""

    job_id: uuid.UUID
    effect: Effect
    run: dict[str, Any]
    workflow_id: int


def perform(call: EffectCall) -> EffectOutcome:
    """Call the connector. Never raises: whatever goes wrong is the outcome's error."""
    step, node = call.effect.step, call.effect.node
    outcome = EffectOutcome()

    def write(message: str, level: str = "info") -> None:
        outcome.logs.append(LogRecord(step.path, step.attempt, level, message))

    @functools.cache
    def run_as() -> Person:
        return Workflow.objects.select_related("run_as").get(pk=call.workflow_id).run_as

    deadline = time.monotonic() + node.timeout
    try:
        config, hosts = _connection(node.connection, run_as) if node.connection else ({}, None)
        context = {
            "connection": config,
            "http": HttpSession(internal_hosts=setting("AUTOMATE_EGRESS_ALLOW"), bound_hosts=hosts, deadline=deadline),
            "idempotency_key": idempotency_key(call.run["id"], step.path),
            "deadline": deadline,
            "cancelled": lambda: False,
            "log": write,
            "run": call.run,
            "user": SimpleLazyObject(run_as),
        }
        if node.adapter is None or node.action is None:  # the walk never yields such an effect
            raise ConnectorError(node.missing, code="connector_not_found")
        outcome.output = invoke(node.adapter, node.action, call.effect.params, context)
    except ConnectorError as error:
        outcome.error = error
    except DatabaseError as error:
        outcome.error = ConnectorError(f"the database is away: {error}", code="database_away", retryable=True)
    except Exception as error:  # a thread that dies would leave its run running for ever
        log.exception("run %s: the effect of %s could not be performed", call.run["id"], step.path)
        outcome.error = ConnectorError(f"{type(error).__name__}: {error}", code="internal_error")
    finally:
        connections.close_all()
    if outcome.error is not None:
        write(outcome.error.message, level="error")
    return outcome


def _connection(slug: str, run_as: Callable[[], Person]) -> tuple[dict[str, Any], list[str]]:
    """A connection with its secrets, if the run-as user may still use it. Raises ConnectorError."""
    connection = permitted(run_as(), "use", Connection.objects.filter(slug=slug)).first()
    if connection is None:
        raise ConnectorError(
            f"{run_as()} may not use the connection {slug!r}, or it is gone", code="connection_not_usable"
        )
    try:
        config = connection.resolved()
    except SecretNotFoundError as error:
        raise ConnectorError(f"connection {slug!r}: {error}", code="secret_not_found") from error
    except SecretUnavailableError as error:
        raise ConnectorError(f"connection {slug!r}: {error}", code="secret_unavailable", retryable=True) from error
    connections.close_all()  # none is held while the effect goes on
    return config, connection.hosts()
