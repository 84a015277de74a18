"""Form of a poll or a service webhook: what its connector brings, its connection and inputs, and how the published one
stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.connector_triggers import CONNECTOR_KINDS
from automate_authoring.drafts.values import UNCHOSEN, TriggerNode
from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.adapters.polls import Poll
from automate_connectors.adapters.webhooks import Webhook
from automate_connectors.models import Connection
from automate_connectors.registry import connectors_with_triggers, find_poll, find_webhook
from automate_core.models import PollState, ServiceWebhook, Workflow
from automate_governance.permissions import User, permitted
from automate_governance.texts import translated
from automate_plugins.fields import FieldSpec
from automate_studio.builder.panel.forms import MISSING, FieldView, build_field_view
from automate_studio.builder.panel.parsing import changed_fields
from automate_studio.builder.panel.setup import TriggerFormView, build_trigger_field
from automate_studio.view_models.connector_status import TriggerStatus, poll_status, webhook_status
from automate_ui.describe import poll_name, webhook_name
from automate_ui.formatting import format_count

DEFAULT_INTERVAL = "15m"


_MEMBERS = {"poll": "polls", "service": "webhooks"}  #: of a connector, by the kind of trigger


@dataclass(frozen=True, kw_only=True)
class TriggerOffer:
    """A poll or webhook in the chooser of triggers; `request` are the fields of the command that adds it, as JSON.

    `is_ready`: it needs no connection, or the person has one.
    """

    name: str
    description: str
    icon: str
    hue: int
    request: str
    is_ready: bool


def trigger_offers(kind: str, user: User) -> list[TriggerOffer]:
    """The polls or the webhooks of the installed connectors. One query."""
    connected = set(permitted(user, "use", Connection.objects.all()).values_list("connector", flat=True))
    return [
        TriggerOffer(
            name=_name_of(kind, reference),
            description=translated(described.description),
            icon=adapter.icon,
            hue=adapter.hue,
            request=json.dumps(
                {"do": "add_trigger", "kind": kind, "config": json.dumps({CONNECTOR_KINDS[kind]: reference})}
            ),
            is_ready=adapter.code in connected or not adapter.needs_connection,
        )
        for reference, adapter, described in _described(kind)
    ]


def _described(kind: str) -> Iterator[tuple[str, ConnectorAdapter, Poll | Webhook]]:
    for adapter in connectors_with_triggers():
        for described in getattr(adapter, _MEMBERS[kind]):
            yield f"{adapter.code}.{described.name}", adapter, described


def _name_of(kind: str, reference: str) -> str:
    return poll_name(reference) if kind == "poll" else webhook_name(reference)


def find_described(node: TriggerNode) -> tuple[ConnectorAdapter, Poll | Webhook] | tuple[None, None]:
    """The connector, and the poll or webhook of a trigger; none while none is chosen, or when it is not installed."""
    find: Any = find_poll if node.kind == "poll" else find_webhook
    try:
        adapter, described = find(str(node.config.get(CONNECTOR_KINDS[node.kind], "")))
    except LookupError:
        return None, None
    return adapter, described


def input_specs(node: TriggerNode) -> tuple[FieldSpec, ...]:
    """The fields of its poll or webhook, required ones first; they take no expressions."""
    _, described = find_described(node)
    found = sorted(described.fields, key=lambda spec: not spec.required) if described else ()
    return tuple(replace(spec, literal=True) for spec in found)


def build_connector_form(state: DraftState, node: TriggerNode, user: User) -> TriggerFormView:
    """The form. Two queries."""
    adapter, described = find_described(node)
    chooser = CONNECTOR_KINDS[node.kind]
    present = str(node.config.get(chooser, ""))
    known = [(reference, _name_of(node.kind, reference)) for reference, _, _ in _described(node.kind)]
    choices = _with_current(known, present)
    fields = {chooser: build_trigger_field(node, chooser, "choice", choices=choices, text=present)}
    if node.config.get("connection") or (adapter is not None and adapter.takes_connection):
        fields["connection"] = _connection_field(node, adapter, user)
    inputs = _inputs(node)
    for spec in input_specs(node):
        fields[f"inputs.{spec.name}"] = build_field_view(
            spec, f"{node.key}.inputs.{spec.name}", inputs.get(spec.name, MISSING)
        )
    if node.kind == "poll":
        every = str(node.config.get("every", DEFAULT_INTERVAL))
        poll = described if isinstance(described, Poll) else None
        fields["every"] = build_trigger_field(node, "every", text=every, help=_interval_help(poll))
    elif isinstance(described, Webhook):
        fields |= _event_fields(node, described)
    status = _status(state.workflow, node)
    extra = {"status": status, "can_test": node.kind == "poll" and described is not None}
    return TriggerFormView(kind=node.kind, key=node.key, fields=fields, extra=extra)


def _status(workflow: Workflow, node: TriggerNode) -> TriggerStatus | None:
    """How the published trigger stands; None before it is published."""
    if node.kind == "poll":
        published = PollState.objects.filter(workflow=workflow, key=node.key).defer("cursor", "seen").first()
        return poll_status(published, workflow.status) if published else None
    registered = ServiceWebhook.objects.filter(workflow=workflow, key=node.key)
    webhook = registered.exclude(state=ServiceWebhook.State.REMOVING).first()
    return webhook_status(webhook) if webhook else None


def _event_fields(node: TriggerNode, webhook: Webhook) -> dict[str, FieldView]:
    """The choice of event types; none where there is nothing to choose."""
    chosen, listed = _events(node), dict(webhook.events)
    found: dict[str, FieldView] = {}
    if len(listed) > 1:
        found["events"] = build_trigger_field(
            node,
            "events",
            "checks",
            choices=[(kind, translated(label)) for kind, label in webhook.events],
            chosen=tuple(kind for kind in chosen if kind in listed),
            help=_("Leave all unchecked to start on each of them."),
        )
    if webhook.other_events:
        found["other_events"] = build_trigger_field(
            node,
            "other_events",
            text=", ".join(kind for kind in chosen if kind not in listed),
            help=_("Use the names of the service, separated by commas."),
        )
    return found


def _events(node: TriggerNode) -> list[str]:
    found = node.config.get("events")
    return [str(kind) for kind in found] if isinstance(found, list) else []


def _connection_field(node: TriggerNode, adapter: ConnectorAdapter | None, user: User) -> FieldView:
    present = str(node.config.get("connection", ""))
    usable = Connection.objects.filter(connector=adapter.code) if adapter else Connection.objects.none()
    known = list(permitted(user, "use", usable).order_by("name").values_list("slug", "name"))
    choices = _with_current(known, present, _("%(name)s (no permission to use it)"))
    return build_trigger_field(
        node, "connection", "choice", choices=choices, text="" if present == UNCHOSEN else present
    )


def _with_current(choices: list[tuple[str, str]], present: str, note: str = "%(name)s") -> list[tuple[str, str]]:
    """The choices, and the current value with the `note` if it is not among them."""
    missing = present and present != UNCHOSEN and present not in dict(choices)
    return [("", _("Choose")), *choices, *([(present, note % {"name": present})] if missing else [])]


def _interval_help(poll: Poll | None) -> str:
    if poll is None:
        return _("In seconds, or for example 15m or 2h.")
    said = ngettext(
        "In seconds, or for example 15m or 2h. At least %(count)s second.",
        "In seconds, or for example 15m or 2h. At least %(count)s seconds.",
        poll.least_seconds,
    )
    return said % {"count": format_count(poll.least_seconds)}


def _inputs(node: TriggerNode) -> dict[str, Any]:
    found = node.config.get("inputs")
    return found if isinstance(found, dict) else {}


def changed_connector(node: TriggerNode, post: QueryDict) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """(set values, emptied fields, invalid fields) of a posted form. Another poll or webhook begins without inputs."""
    chooser = CONNECTOR_KINDS[node.kind]
    chosen = post.get(chooser, str(node.config.get(chooser, "")))
    if chosen != str(node.config.get(chooser, "")):
        return {chooser: chosen, "inputs": {}}, _left_behind(node, chosen), {}
    found, unset = _changed_events(node, post) if node.kind == "service" else ({}, [])
    for name, default in (("connection", ""), ("every", DEFAULT_INTERVAL)):
        if name not in post:
            continue
        given, present = post.get(name, "").strip(), str(node.config.get(name, default))
        if given and given != present:
            found[name] = given
        elif not given and name in node.config:
            unset.append(name)
    inputs, prefix = _inputs(node), f"{node.key}.inputs."
    values, emptied, errors = changed_fields(input_specs(node), inputs, post, prefix)
    if values or emptied:
        kept = {name: value for name, value in inputs.items() if f"{prefix}{name}" not in emptied}
        found["inputs"] = kept | {name.removeprefix(prefix): value for name, value in values.items()}
    return found, unset, {name.removeprefix(f"{node.key}."): reason for name, reason in errors.items()}


def _changed_events(node: TriggerNode, post: QueryDict) -> tuple[dict[str, Any], list[str]]:
    """(set values, emptied fields) of the posted event types; those of a field that was not posted stay."""
    _, webhook = find_described(node)
    listed = webhook.event_types if isinstance(webhook, Webhook) else ()
    before = _events(node)
    checked: Iterable[str] = (kind for kind in before if kind in listed)
    others: Iterable[str] = (kind for kind in before if kind not in listed)
    if "events" in post:
        checked = [kind for kind in listed if kind in post.getlist("events")]
    if "other_events" in post:
        others = filter(None, (kind.strip() for kind in post.get("other_events", "").split(",")))
    events = list(dict.fromkeys([*checked, *others]))
    if events == before:
        return {}, []
    return ({"events": events}, []) if events else ({}, ["events"])


def _left_behind(node: TriggerNode, chosen: str) -> list[str]:
    """Fields that another poll or webhook does not take over: its event types, a connection of another connector."""
    before = str(node.config.get(CONNECTOR_KINDS[node.kind], ""))
    same = before.partition(".")[0] == chosen.partition(".")[0]
    lost = ["events", *([] if same else ["connection"])]
    return [name for name in lost if name in node.config]
