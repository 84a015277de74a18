"""Choice of a person's sample in the builder."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import F, Func, IntegerField
from django.utils.translation import gettext as _

from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.errors import RefusedError
from automate_core.models import Event
from automate_core.outbox import subjects
from automate_governance import audit
from automate_governance.permissions import Person
from automate_governance.texts import escape_invisible, translated
from automate_operations.queries.run_subjects import subject_of_run
from automate_studio.models import ChosenSample
from automate_studio.samples import samples
from automate_studio.samples.samples import (
    chosen_sample,
    readable_triggers,
    sample_for_trigger,
    trigger_events,
    workflow_runs,
)
from automate_ui.formatting import format_count, short_id, state_word
from automate_ui.json.editor import parse_storable
from automate_ui.json.expressions import one_line

MAX_EDITED = 200_000  #: characters of an example
EVENTS, RUNS = 8, 5  #: how many are offered
_SUMMED_UP = 20_000  #: bytes of a payload, as it is stored, that is said in words
NEWEST, EDITED = "newest", "edited"


@dataclass(frozen=True, kw_only=True)
class SampleOption:
    """A sample. `value` is posted to choose it: `event:ID`, `run:ID`."""

    value: str
    label: str
    detail: str = ""
    at: Any = None
    on: bool = False


@dataclass(frozen=True, kw_only=True)
class SampleChoice:
    """All samples, and the text of an edited one, which begins as the current sample's payload."""

    chosen: str
    events: list[SampleOption] = field(default_factory=list)
    runs: list[SampleOption] = field(default_factory=list)
    text: str = ""


def sample_options(state: DraftState, person: Person) -> SampleChoice:
    """Samples for a person who may view the workflow's payloads."""
    chosen = chosen_sample(person, state.workflow)
    present = _chosen_value(chosen)
    events = list(trigger_events(readable_triggers(state, person), state.workflow).defer("payload")[:EVENTS])
    runs = list(workflow_runs(state.workflow).annotate(subject=subject_of_run())[:RUNS])
    payloads = _small_payloads(events)
    return SampleChoice(
        chosen=present,
        events=[
            SampleOption(
                value=f"event:{event.pk}",
                label=event.type or event.source,
                detail=_event_detail(event, payloads.get(event.pk)),
                at=event.received_at,
                on=present == f"event:{event.pk}",
            )
            for event in events
        ],
        runs=[
            SampleOption(
                value=f"run:{run.pk}",
                label=_("Run %(run)s") % {"run": short_id(run.pk)},
                detail=", ".join(filter(None, (state_word(run.status), escape_invisible(run.subject)))),
                at=run.created_at,
                on=present == f"run:{run.pk}",
            )
            for run in runs
        ],
        text=json.dumps(_example_payload(state, person, chosen), indent=2, ensure_ascii=False),
    )


def _chosen_value(chosen: ChosenSample) -> str:
    if chosen.edited is not None:
        return EDITED
    return f"event:{chosen.event}" if chosen.event else f"run:{chosen.run}" if chosen.run else NEWEST


def _small_payloads(events: list[Event]) -> dict[Any, Any]:
    """Payloads small enough for a summary."""
    size = Func(F("payload"), function="pg_column_size", output_field=IntegerField())
    small = Event.objects.filter(pk__in=[event.pk for event in events]).alias(size=size).filter(size__lt=_SUMMED_UP)
    return dict(small.values_list("pk", "payload"))


def _event_detail(event: Event, payload: Any) -> str:
    """Subject of the event, or else its first values."""
    return escape_invisible(event.subject or subjects.guess_subject(payload)) or _payload_summary(payload)


def _payload_summary(payload: Any) -> str:
    """First values: `number 2381, title Telemetry…`."""
    if not isinstance(payload, dict):
        return "" if payload is None else one_line(payload)
    plain = [(name, value) for name, value in payload.items() if isinstance(value, str | int | float)]
    return ", ".join(f"{name} {one_line(value, 24)}" for name, value in plain[:3]) or one_line(payload)


def _example_payload(state: DraftState, person: Person, chosen: ChosenSample) -> Any:
    """Initial payload of an edited sample: that of the current one."""
    if chosen.edited is not None:
        return chosen.edited
    for trigger in readable_triggers(state, person):
        found = sample_for_trigger(state, trigger.key, person)
        if isinstance(found, samples.Sample):
            return found.scope["event"]["payload"]
    return {}


@transaction.atomic
def choose_sample(state: DraftState, post: Mapping[str, str], *, by: Person) -> None:
    """Choose `newest`, `event:ID`, `run:ID` or `edited` with a `payload` as JSON. Raises RefusedError."""
    what, _separator, which = post.get("choose", "").partition(":")
    values: dict[str, Any] = {"event": None, "run": None, "edited": None}
    if what == EDITED:
        values["edited"] = _parse_payload(post.get("payload", ""))
    elif what in {"event", "run"}:
        values[what] = _visible_id(state, by, what, which)
    elif what != NEWEST:
        raise RefusedError(_("Unknown sample. Choose one from the list."))
    ChosenSample.objects.update_or_create(workflow=state.workflow, person=by, defaults=values)
    if what == EDITED:
        audit.record(by, "sample.edited", state.workflow)


def _visible_id(state: DraftState, by: Person, what: str, which: str) -> uuid.UUID:
    try:
        pk = uuid.UUID(which)
    except ValueError:
        raise RefusedError(_("This sample was deleted. Choose another one.")) from None
    there = (
        trigger_events(readable_triggers(state, by), state.workflow).filter(pk=pk)
        if what == "event"
        else workflow_runs(state.workflow).filter(pk=pk)
    )
    if not there.exists():
        raise RefusedError(_("This sample was deleted. Choose another one."))
    return pk


def _parse_payload(text: str) -> Any:
    """Payload of an edited sample. Raises RefusedError."""
    if len(text) > MAX_EDITED:
        values = {"maximum": format_count(MAX_EDITED), "length": format_count(len(text))}
        message = _("The payload has %(length)s characters. The maximum is %(maximum)s.")
        raise RefusedError(message % values, "payload")
    try:
        found = parse_storable(text)
    except ValueError as error:
        raise RefusedError(_("Invalid JSON: %(problem)s") % {"problem": translated(str(error))}, "payload") from error
    if found is None:
        raise RefusedError(_("Enter a JSON value, for example {}."), "payload")
    return found
