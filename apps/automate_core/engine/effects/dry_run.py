"""The actions of a dry run: local ones happen in a sandbox that is rolled back, outside ones are only described."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import describe_call, encode_output, invoke
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_core.engine import assignees
from automate_core.engine.effects import orm_change_recorder
from automate_core.engine.program import ActionNode
from automate_core.engine.records import LogRecord, attempt_key
from automate_core.triggers.host_events import run_origin
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person, permitted
from automate_plugins import text
from automate_plugins.fields import FieldKind

if TYPE_CHECKING:
    from automate_core.engine.effects.call import EffectCall
    from automate_core.engine.outcomes import EffectOutcome


def perform(call: EffectCall, node: ActionNode, outcome: EffectOutcome) -> None:
    """Fill the outcome with the effects and the output that the step would have. Raises ConnectorError."""
    run_as = assignees.load_run_as(call.walk.run.version_id)
    if node.transactional:
        _in_sandbox(call, node, outcome, run_as)
    else:
        _describe(call, node, outcome, run_as)


def _in_sandbox(call: EffectCall, node: ActionNode, outcome: EffectOutcome, run_as: Person) -> None:
    walk, step = call.walk, call.effect.step
    if node.adapter is None or node.action is None:
        raise ConnectorError(node.missing, code="connector_not_found")
    act = functools.partial(
        invoke, node.adapter, node.action, call.effect.params, _context(call, {}, outcome) | {"user": run_as}
    )

    def work() -> tuple[bytes, list[dict[str, Any]]]:
        origin = run_origin(walk.run.id, walk.program.workflow, walk.run.depth)
        with origin, orm_change_recorder.record_orm_changes() as changes:
            output = act()
        return output, changes.describe(run_as)

    connections.close_all()  # this thread holds none while it waits for the sandbox's
    try:
        outcome.output, outcome.effects = walk.sandbox().run(work, seconds=node.timeout)
    except DatabaseError as error:
        raise ConnectorError(
            text("The database rejected the change: %(reason)s", reason=str(error)), code="database_error"
        ) from error
    outcome.logs.append(
        LogRecord(step.path, step.attempt, "info", text("Executed in a transaction that is rolled back."))
    )


def _describe(call: EffectCall, node: ActionNode, outcome: EffectOutcome, run_as: Person) -> None:
    if node.adapter is None or node.action is None:
        raise ConnectorError(node.missing, code="connector_not_found")
    step, options = call.effect.step, call.walk.program.test_options
    where = {"connector": node.adapter.code, "name": node.adapter.name, "connection": node.connection}
    config = _config(node.connection, run_as) if node.connection else {}
    if node.adapter.can_describe:
        description = describe_call(node.adapter, node.action, call.effect.params, _context(call, config, outcome))
        outcome.effects = [{"kind": "call", **where, "summary": description.pop("summary", ""), "details": description}]
    else:
        summary = text("Not executed: a dry run neither calls services nor reads or writes files.")
        outcome.effects = [{"kind": "unknown", **where, "summary": summary, "details": {}}]
    outcome.logs.append(LogRecord(step.path, step.attempt, "info", outcome.effects[0]["summary"]))
    outcome.output = encode_output(options.stubs.get(node.key) if options else None)


def _config(slug: str, run_as: Person) -> dict[str, Any]:
    """The configuration of a connection without its secrets. Raises ConnectorError when it may not be used."""
    connection = permitted(run_as, "use", Connection.objects.filter(slug=slug)).first()
    if connection is None:
        raise ConnectorError(
            text(
                "The connection %(connection)s does not exist, or %(person)s does not have permission to use it.",
                connection=slug,
                person=sign_in_name(run_as),
            ),
            code="connection_not_usable",
        )
    fields = connectors.get(connection.connector).config_fields
    secret = {field.name for field in fields if field.kind is FieldKind.SECRET} | connection.references().keys()
    return {name: value for name, value in connection.config.items() if name not in secret}


def _context(call: EffectCall, config: dict[str, Any], outcome: EffectOutcome) -> dict[str, Any]:
    """The context of a real call, without secrets and network access."""
    step, walk = call.effect.step, call.walk

    def write(message: str, level: str = "info") -> None:
        outcome.logs.append(LogRecord(step.path, step.attempt, level, message))

    return {
        "connection": config,
        "idempotency_key": attempt_key(walk.run.id, step),
        "deadline": time.monotonic() + call.effect.node.timeout,
        "cancelled": lambda: walk.cancelled,
        "log": write,
        "run": walk.run_info,
        "step": {"path": step.path, "attempt": step.attempt},
    }
