"""Dependencies that a definition names: connections, hosts, models and other workflows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from automate_connectors.models import Connection
from automate_core.definition.document import CONNECTOR_TRIGGERS, ActionStep, Definition, ModelTrigger, WorkflowStep
from automate_core.definition.slots import walk
from automate_egress.policy import ascii_host
from automate_governance.permissions import User, permitted
from automate_plugins import text

AT_RUN_TIME = text("host only known at run time")


@dataclass
class Dependencies:
    """Names in order; `models` maps each to the operations on it, `hosts` to the connections and steps that use it.

    `connections` are (name, connector); of one that the person may not view, only the slug, without its hosts.
    """

    connections: list[tuple[str, str]] = field(default_factory=list)
    hosts: dict[str, list[str]] = field(default_factory=dict)
    models: dict[str, list[str]] = field(default_factory=dict)
    workflows: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.connections or self.hosts or self.models or self.workflows)


def find_dependencies(definition: Definition, user: User) -> Dependencies:
    """Find the dependencies that this person may view. One query."""
    steps = [step for _, step in walk(definition.steps) if not step.disabled]
    actions = [step for step in steps if isinstance(step, ActionStep)]
    found = Dependencies(workflows=sorted({step.workflow for step in steps if isinstance(step, WorkflowStep)}))
    for trigger in definition.triggers:
        if isinstance(trigger, ModelTrigger):
            _add_use(found.models, trigger.model, _("trigger"))
    by_connector = [trigger for trigger in definition.triggers if isinstance(trigger, CONNECTOR_TRIGGERS)]
    named = {step.connection for step in actions if step.connection}
    named |= {trigger.connection for trigger in by_connector if trigger.connection}
    known = {each.slug: each for each in permitted(user, "view", Connection.objects.filter(slug__in=named))}
    for slug in sorted(named):
        connection = known.get(slug)
        found.connections.append((connection.name, connection.connector) if connection else (slug, ""))
        for host in _connection_hosts(connection) if connection else ():
            _add_use(found.hosts, host, connection.name if connection else slug)
    for step in actions:
        if step.action.startswith("models.") and step.inputs.get("model"):
            _add_use(found.models, str(step.inputs["model"]), step.action.removeprefix("models."))
        for host in _hosts(step.inputs):
            _add_use(found.hosts, host, step.name or step.key)
    for trigger in by_connector:
        for host in _hosts(trigger.inputs):
            _add_use(found.hosts, host, _("trigger"))
    return found


def _add_use(names: dict[str, list[str]], name: str, what: str) -> None:
    present = names.setdefault(name, [])
    if what not in present:
        present.append(what)


def _connection_hosts(connection: Connection) -> Iterator[str]:
    """The hosts of a connection, those of its addresses with their ports."""
    ports: dict[str, list[str]] = {}
    for value in connection.config.values():
        if isinstance(value, str) and "://" in value and (host := _host_and_port(value)):
            ports.setdefault(host.partition(":")[0], []).append(host)
    for name in map(ascii_host, connection.hosts()):
        yield from ports.get(name, [name])


def _host_and_port(url: str) -> str:
    """The host of an address, with its port where the address names one; "" without a host."""
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        return f"{name if '{' in name else ascii_host(name)}{port}" if name else ""
    except ValueError:
        return ""


def _hosts(inputs: Mapping[str, Any]) -> Iterator[str]:
    """The hosts of addresses among the inputs of a step or a trigger."""
    for name, value in inputs.items():
        if not isinstance(value, str) or not (value.startswith(("http://", "https://")) or name == "url"):
            continue
        if value.startswith("/"):
            continue  # it follows the connection's address, whatever else is put in
        host = _host_and_port(value)
        if "{" in (host or value):
            yield AT_RUN_TIME
        elif host:
            yield host
