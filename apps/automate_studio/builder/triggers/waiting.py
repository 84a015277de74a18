"""Capture of a trigger's next event, with how the trigger matches it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.publishing.shadow_evaluation import event_filter, would_match
from automate_authoring.usability import may_read_events
from automate_core.definition.document import Trigger, WebhookTrigger
from automate_core.models import Event, RefusedDeliveries
from automate_core.triggers.host_events import TEST_HEADER
from automate_governance.permissions import can
from automate_governance.texts import escape_invisible
from automate_studio.builder.panel.conditions import trigger_conditions
from automate_studio.samples.choice import choose_sample
from automate_studio.samples.samples import walk_paths
from automate_studio.view_models.rejected_deliveries import explain_rejection
from automate_ui.formatting import format_count
from automate_ui.navigation.http import current_person, parse_number

MOST_FIELDS = 60
_MOST_SHOWN = 80


@dataclass(frozen=True, kw_only=True)
class CapturedEvent:
    """A captured event. `is_match` says whether the trigger would start, `reason` why not."""

    event: Event
    fields: list[tuple[list[str], str]]  # parts of the name, value
    more: int
    is_match: bool
    reason: str


def event_after(trigger: Trigger, state: DraftState, mark: str) -> Event | None:
    """First event of the trigger's source after `mark`."""
    try:
        behind = uuid.UUID(mark)
    except ValueError:
        return None
    return Event.objects.filter(event_filter(trigger, state.workflow), id__gt=behind).order_by("id").first()


def current_mark() -> str:
    """Mark of the present moment for `event_after`: event ids are ordered by time."""
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first()
    return str(newest or uuid.UUID(int=0))


def describe_captured(trigger: Trigger, state: DraftState, event: Event) -> CapturedEvent:
    """A captured event for the template."""
    found = [(path, shown) for path, value in walk_paths(event.payload) if (shown := _field_text(value))]
    taken = would_match(trigger, state.workflow, event)
    return CapturedEvent(
        event=event,
        fields=[(f"event.payload.{path}".split("."), shown) for path, shown in found[:MOST_FIELDS]],
        more=max(len(found) - MOST_FIELDS, 0),
        is_match=taken,
        reason="" if taken else _mismatch_reason(trigger, event),
    )


def _field_text(value: Any) -> str:
    """A value in a row; of a list with more items than the first, which is shown, their number; else empty."""
    if not isinstance(value, dict | list) or not value:
        return _short_value(value)
    if isinstance(value, dict) or len(value) < 2:
        return ""
    more = len(value) - 1
    words = ngettext("The first item, and %(count)s more", "The first item, and %(count)s more", more)
    return words % {"count": format_count(more)}


def _mismatch_reason(trigger: Trigger, event: Event) -> str:
    kind = trigger.matches[1]
    if kind and kind != event.type:
        if not event.type:
            return _("The trigger accepts %(wanted)s. This event has no type.") % {"wanted": kind}
        return _("The trigger accepts %(wanted)s. This event is %(type)s.") % {"wanted": kind, "type": event.type}
    if TEST_HEADER in event.headers and not kind:
        said = _("This is a test delivery. To start on it, set the event type of the trigger to %(type)s.")
        return said % {"type": event.type}
    return _("The condition is false for this event, as shown below.")


def _short_value(value: Any) -> str:
    text = escape_invisible(json.dumps(value, ensure_ascii=False)[: _MOST_SHOWN + 1])
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def recent_rejections(trigger: Trigger, since: int) -> str:
    """Say why deliveries at the trigger's endpoint were rejected in the last `since` seconds; empty for none."""
    if not isinstance(trigger, WebhookTrigger) or not since:
        return ""
    found = RefusedDeliveries.objects.filter(
        endpoint__slug=trigger.endpoint, last_at__gt=timezone.now() - dt.timedelta(seconds=since)
    )
    reasons = sorted(set(found.values_list("reason", flat=True)))
    if not reasons:
        return ""
    words = " ".join(f"{explain_rejection(reason)}." for reason in reasons)
    return _("Still waiting. A delivery was rejected. %(reasons)s") % {"reasons": words}


def poll_event(request: HttpRequest, state: DraftState, key: str) -> HttpResponse:
    """204, with `X-Event` when one arrived after `?after=`; without `after`, with the mark in `X-After`.

    `X-Refused` is a percent-encoded sentence about rejected deliveries, empty without one.

    Raises as `get_trigger_or_404`.
    """
    trigger = get_trigger_or_404(request, state, key)
    mark = request.GET.get("after", "")
    if not mark:
        return HttpResponse(status=204, headers={"X-After": current_mark()})
    if event := event_after(trigger, state, mark):
        return HttpResponse(status=204, headers={"X-Event": str(event.pk)})
    seconds = parse_number(request.GET.get("seconds")) or 0
    return HttpResponse(status=204, headers={"X-Refused": quote(recent_rejections(trigger, seconds))})


def capture_event(request: HttpRequest, state: DraftState, key: str) -> dict[str, Any]:
    """The event named by `event`, which becomes this person's sample.

    Raises as `get_trigger_or_404`, and Http404 for an unknown event.
    """
    trigger = get_trigger_or_404(request, state, key)
    try:
        wanted = uuid.UUID(request.POST.get("event", ""))
    except ValueError:
        raise Http404 from None
    event = get_object_or_404(Event.objects.filter(event_filter(trigger, state.workflow)), pk=wanted)
    person = current_person(request)
    with contextlib.suppress(RefusedError):  # of another type than the trigger takes: it is shown, and no sample
        choose_sample(state, {"choose": f"event:{event.pk}"}, by=person)
    conditions = trigger_conditions(state, state.draft.triggers[key], person, {})
    return {
        "caught": describe_captured(trigger, state, event),
        "key": key,
        "condition": conditions.views["filter"],
        "names": conditions.names,
    }


def get_trigger_or_404(request: HttpRequest, state: DraftState, key: str) -> Trigger:
    """The draft's trigger. Raises Http404, and PermissionDenied without permission to read its payloads."""
    found = next((each for each in state.parsed.definition.triggers if each.key == key), None)
    if found is None or key not in state.draft.triggers:
        raise Http404
    person = current_person(request)
    if not can(person, "view_payload", state.workflow) or not may_read_events(found, person):
        raise PermissionDenied
    return found
