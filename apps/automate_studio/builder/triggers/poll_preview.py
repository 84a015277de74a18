"""Items that a poll of a draft finds now: to look at and to use as the sample. No event is created."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_authoring.drafts import commands
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.drafts.parsing import parse_trigger
from automate_authoring.drafts.values import TriggerNode
from automate_authoring.publishing.readiness import record_poll_test
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.polls import Poll
from automate_connectors.models import Connection
from automate_connectors.polling.calls import FoundItem
from automate_connectors.polling.preview import find_now
from automate_core.definition.document import PollTrigger
from automate_core.models import Workflow
from automate_governance.permissions import NotPermittedError, Person, permitted
from automate_governance.texts import escape_invisible
from automate_studio.builder.triggers.connector_form import find_described
from automate_studio.builder.triggers.waiting import get_trigger_or_404
from automate_studio.samples.choice import EDITED, MAX_EDITED, choose_sample
from automate_ui.formatting import as_sentence
from automate_ui.json.editor import write_text
from automate_ui.navigation.http import current_person
from automate_ui.request_params import get_editable_workflow

MOST_FIELDS = 12
_MOST_SHOWN = 120


@dataclass(frozen=True, kw_only=True)
class ShownItem:
    """An item for the template. `payload` is the event's, as JSON; empty when that is too large for a sample."""

    id: str
    time: dt.datetime | None
    fields: list[tuple[str, str]]
    payload: str


@require_POST
def test_poll(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """What the poll finds now, or why it cannot be asked; with `payload`, use that as the person's sample."""
    state = commands.load_state(get_editable_workflow(request, pk))
    get_trigger_or_404(request, state, key)
    person, node = current_person(request), state.draft.triggers[key]
    if node.kind != "poll":
        raise Http404
    context: dict[str, Any] = {"key": key, "workflow": state.workflow, "items": [], "problem": "", "chosen": False}
    if "payload" in request.POST:
        try:
            choose_sample(state, {"choose": EDITED, "payload": request.POST["payload"]}, by=person)
            context["chosen"] = True
        except RefusedError as error:
            context["problem"] = as_sentence(str(error))
    else:
        try:
            context["items"] = [_shown(item) for item in _find(node, person)]
            _record_test(state.workflow, node)
        except NotPermittedError as error:
            raise PermissionDenied from error
        except ConnectorError as error:
            context["problem"] = as_sentence(error.message)
            _record_test(state.workflow, node, error.message)
    return TemplateResponse(request, "automate_studio/builder/triggers/poll_found.html", context)


def _record_test(workflow: Workflow, node: TriggerNode, error: str = "") -> None:
    trigger = parse_trigger(node.document())
    if isinstance(trigger, PollTrigger):
        record_poll_test(workflow, trigger, error)


def _find(node: TriggerNode, person: Person) -> list[FoundItem]:
    """Raises ConnectorError and NotPermittedError."""
    adapter, poll = find_described(node)
    if adapter is None or not isinstance(poll, Poll):
        raise ConnectorError(_("Choose a poll first."), code="no_poll")
    connection = None
    if node.config.get("connection"):
        usable = permitted(person, "use", Connection.objects.filter(connector=adapter.code))
        connection = usable.filter(slug=node.config["connection"]).first()
    if connection is None and adapter.needs_connection:
        raise ConnectorError(_("First choose a connection that you can use."), code="no_connection")
    return find_now(adapter, poll, connection, dict(node.config.get("inputs") or {}), person)


def _shown(item: FoundItem) -> ShownItem:
    data = json.loads(item.data)
    payload = write_text(data)
    return ShownItem(
        id=item.id,
        time=item.time,
        fields=[(f"event.payload.{name}", _short(value)) for name, value in list(data.items())[:MOST_FIELDS]],
        payload=payload if len(payload) <= MAX_EDITED // 4 else "",
    )


def _short(value: Any) -> str:
    text = escape_invisible(json.dumps(value, ensure_ascii=False)[: _MOST_SHOWN + 1])
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
