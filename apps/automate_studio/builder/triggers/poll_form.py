"""Form of a poll trigger: the poll, its connection and inputs, its interval, and how the published one stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.adapters.polls import Poll
from automate_connectors.models import Connection
from automate_connectors.registry import connectors, find_poll
from automate_core.authoring.drafts.commands import DraftState
from automate_core.authoring.drafts.values import UNCHOSEN, TriggerNode
from automate_core.models import PollState
from automate_governance.permissions import User, permitted
from automate_governance.texts import translated
from automate_plugins.fields import FieldSpec
from automate_studio.builder.panel.forms import MISSING, FieldView, build_field_view
from automate_studio.builder.panel.parsing import changed_fields
from automate_studio.builder.panel.setup import TriggerFormView, build_trigger_field
from automate_studio.ui.describe import poll_name
from automate_studio.ui.formatting import format_count
from automate_studio.view_models.poll_status import poll_status

DEFAULT_INTERVAL = "15m"


@dataclass(frozen=True, kw_only=True)
class PollOffer:
    """A poll in the chooser of triggers; `request` are the fields of the command that adds it, as JSON."""

    name: str
    description: str
    icon: str
    hue: int
    request: str


def poll_offers() -> list[PollOffer]:
    """The polls of the installed connectors."""
    return [
        PollOffer(
            name=poll_name(reference),
            description=translated(poll.description),
            icon=adapter.icon,
            hue=adapter.hue,
            request=json.dumps({"do": "add_trigger", "kind": "poll", "config": json.dumps({"poll": reference})}),
        )
        for reference, adapter, poll in _polls()
    ]


def _polls() -> Iterator[tuple[str, ConnectorAdapter, Poll]]:
    for name in connectors.names():
        adapter = connectors.get(name)
        for poll in adapter.polls:
            yield f"{adapter.code}.{poll.name}", adapter, poll


def find_trigger_poll(node: TriggerNode) -> tuple[ConnectorAdapter, Poll] | tuple[None, None]:
    """The connector and the poll of a trigger; none while none is chosen, or when it is not installed."""
    try:
        return find_poll(str(node.config.get("poll", "")))
    except LookupError:
        return None, None


def input_specs(node: TriggerNode) -> tuple[FieldSpec, ...]:
    """The fields of its poll, which take no expressions."""
    _, poll = find_trigger_poll(node)
    return tuple(replace(spec, literal=True) for spec in poll.fields) if poll else ()


def build_poll_form(state: DraftState, node: TriggerNode, user: User) -> TriggerFormView:
    """The form. Two queries."""
    adapter, poll = find_trigger_poll(node)
    present = str(node.config.get("poll", ""))
    choices = _with_current([(reference, poll_name(reference)) for reference, _, _ in _polls()], present)
    fields = {"poll": build_trigger_field(node, "poll", "choice", choices=choices, text=present)}
    if node.config.get("connection") or (adapter is not None and adapter.takes_connection):
        fields["connection"] = _connection_field(node, adapter, user)
    inputs = _inputs(node)
    for spec in input_specs(node):
        fields[f"inputs.{spec.name}"] = build_field_view(
            spec, f"{node.key}.inputs.{spec.name}", inputs.get(spec.name, MISSING)
        )
    fields["every"] = build_trigger_field(
        node, "every", text=str(node.config.get("every", DEFAULT_INTERVAL)), help=_interval_help(poll)
    )
    published = PollState.objects.filter(workflow=state.workflow, key=node.key).defer("cursor", "seen").first()
    status = poll_status(published, state.workflow.status) if published else None
    return TriggerFormView(
        kind=node.kind, key=node.key, fields=fields, extra={"status": status, "can_test": poll is not None}
    )


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


def changed_poll(node: TriggerNode, post: QueryDict) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """(set values, emptied fields, invalid fields) of a posted form. Another poll begins without inputs."""
    chosen = post.get("poll", str(node.config.get("poll", "")))
    if chosen != str(node.config.get("poll", "")):
        return {"poll": chosen, "inputs": {}}, _left_behind(node, chosen), {}
    found: dict[str, Any] = {}
    unset: list[str] = []
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


def _left_behind(node: TriggerNode, chosen: str) -> list[str]:
    """Fields that another poll does not take over: a connection of another connector."""
    before = str(node.config.get("poll", ""))
    same = before.partition(".")[0] == chosen.partition(".")[0]
    return ["connection"] if "connection" in node.config and not same else []
