"""Trigger forms in the builder's panel: the choices of each kind, and how a posted form is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, cast
from zoneinfo import available_timezones

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.values import UNCHOSEN, TriggerNode
from automate_core.events import event_types
from automate_core.events.endpoints import source_condition
from automate_core.models import Event, WebhookEndpoint, Workflow
from automate_core.triggers.model_registry import WatchedModel, view_permission, watched_models
from automate_governance.permissions import Person, User, permitted
from automate_governance.texts import translated
from automate_plugins import text
from automate_studio.builder.panel.field_messages import message_at, split_cells, with_label
from automate_studio.builder.panel.forms import FieldView
from automate_studio.builder.panel.setup import TriggerFormView, build_trigger_field, build_trigger_form
from automate_studio.builder.triggers import form_fields
from automate_studio.builder.triggers.connector_form import build_connector_form, changed_connector
from automate_studio.builder.triggers.endpoints import endpoint_form
from automate_studio.builder.triggers.schedule import PlanError, next_times, posted_plan
from automate_studio.view_models.endpoints.info import build_endpoint_info as webhook_shown
from automate_ui.fields import FieldMessage
from automate_ui.formatting import as_sentence
from automate_ui.schedule_plan import (
    DAYS,
    MONTH_DAYS,
    REPEATS,
    UNITS,
    config_from_plan,
    plan_from_config,
)

_LOOK_BACK = 20_000  #: newest events of the site among which types are looked for
_MOST_TYPES = 50


def build_setup(
    state: DraftState, node: TriggerNode, user: User, messages: Mapping[str, FieldMessage]
) -> TriggerFormView:
    """Form of a trigger; messages are keyed by field name."""
    found = _DRAW[node.kind](state, node, user)
    fields = {name: _with_messages(each, messages, name) for name, each in found.fields.items()}
    return replace(found, fields=fields)


def _with_messages(field: FieldView, messages: Mapping[str, FieldMessage], name: str) -> FieldView:
    own, cells = split_cells(messages, field.spec, name)
    found = message_at(own, name)
    if found:
        found = replace(found, text=with_label(found.text, field.spec.name, field.label))
    return replace(field, message=found, cells=cells)


def _selected(present: str) -> str:
    return "" if present == UNCHOSEN else present


def _with_current(choices: list[tuple[str, str]], present: str, note: str) -> list[tuple[str, str]]:
    """The choices, and the current value with the `note` if it is not among them."""
    missing = present and present != UNCHOSEN and present not in dict(choices)
    return [("", _("Choose")), *choices, *([(present, note % {"name": present})] if missing else [])]


def _translated_choices(choices: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(value, translated(label)) for value, label in choices]


def _known_event_types(source: str) -> tuple[str, ...]:
    """Types of a source's newest events, sorted. Bounded: there is no index by source."""
    newest: QuerySet[Event] = Event.objects.order_by("-id")
    edge = newest.values_list("id", flat=True)[_LOOK_BACK : _LOOK_BACK + 1].first()
    found = (newest.filter(id__gt=edge) if edge else newest).filter(source_condition(source)).exclude(type="")
    return tuple(found.order_by("type").values_list("type", flat=True).distinct()[:_MOST_TYPES])


# --- webhook ----------------------------------------------------------------------------------------------------------


def _webhook_form(state: DraftState, node: TriggerNode, user: User) -> TriggerFormView:
    present = str(node.config.get("endpoint", ""))
    readable = permitted(user, "view_payload", WebhookEndpoint.objects.all())
    known = [(each.slug, f"/hooks/{each.slug}/") for each in readable]
    choices = _with_current(known, present, _("%(name)s (you cannot view its payloads)"))
    shown = webhook_shown(present, user, str(node.config.get("event", "")))
    return build_trigger_form(
        node,
        build_trigger_field(node, "endpoint", "choice", choices=choices, text=_selected(present)),
        build_trigger_field(
            node,
            "event",
            listed=_known_event_types(f"webhook:{present}") if shown and shown.may_read else (),
            placeholder=_("All types"),
            help=shown.kind if shown else "",
        ),
        endpoint=shown,
        unchosen=present in {"", UNCHOSEN},
        creating=endpoint_form(state.workflow, node.key, user),
    )


def _posted_texts(node: TriggerNode, post: QueryDict) -> dict[str, Any]:
    """Posted texts; an empty one is unset."""
    names = [name for name in _PLAIN[node.kind] if name in post]
    return {name: post.get(name, "").strip() or None for name in names}


_PLAIN: dict[str, tuple[str, ...]] = {
    "webhook": ("endpoint", "event"),
    "event": ("event",),
    "run": ("workflow", "on"),
}

# --- schedule ---------------------------------------------------------------------------------------------------------

_MISSED = (
    ("once", text("Start one run for the latest")),
    ("skip", text("Skip")),
    ("all", text("Start a run for each")),
)


@cache
def _time_zones() -> tuple[str, ...]:
    return tuple(sorted(name for name in available_timezones() if "/" in name or name == "UTC"))


def _schedule_form(state: DraftState, node: TriggerNode, user: User) -> TriggerFormView:
    plan = plan_from_config(node.config)
    zone = state.draft.settings.timezone
    return build_trigger_form(
        node,
        build_trigger_field(node, "repeats", "choice", choices=_translated_choices(REPEATS), text=plan.repeats),
        build_trigger_field(node, "number", "number", text=str(plan.number)),
        build_trigger_field(node, "unit", "choice", choices=_translated_choices(UNITS), text=plan.unit),
        build_trigger_field(node, "days", "checks", choices=_translated_choices(DAYS), chosen=plan.days),
        build_trigger_field(node, "day", "choice", choices=_translated_choices(MONTH_DAYS), text=plan.day),
        build_trigger_field(node, "time", "time", text=plan.time),
        build_trigger_field(
            node,
            "cron",
            text=plan.cron,
            placeholder="30 8 * * 1-5",
            help=_("Minute, hour, day of month, month, day of week. 30 8 * * 1-5 is 8:30 on weekdays."),
        ),
        build_trigger_field(
            node,
            "timezone",
            listed=_time_zones(),
            placeholder=_("%(zone)s (time zone of the workflow)") % {"zone": zone},
            help=_("For example Europe/Berlin. Leave empty to use the time zone of the workflow."),
        ),
        build_trigger_field(
            node,
            "missed",
            "choice",
            choices=_translated_choices(_MISSED),
            text=node.config.get("missed", "once"),
            help=_("A run is missed when no worker was available within a minute."),
        ),
        fires=next_times(node.config, zone, timezone.now()),
    )


def _posted_schedule(node: TriggerNode, post: QueryDict) -> dict[str, Any]:
    """Raises PlanError."""
    wanted: dict[str, Any] = {
        name: post.get(name, "").strip() or None for name in ("timezone", "missed") if name in post
    }
    present = plan_from_config(node.config)
    plan = posted_plan(post, present) if "repeats" in post else present
    if plan != present:
        times = config_from_plan(plan)
        wanted |= {name: times.get(name) for name in ("cron", "every")}
    return wanted


# --- model change -----------------------------------------------------------------------------------------------------

_OPERATIONS = (("created", text("Created")), ("updated", text("Updated")), ("deleted", text("Deleted")))


def _model_form(state: DraftState, node: TriggerNode, user: User) -> TriggerFormView:
    present = str(node.config.get("model", ""))
    person = cast(Person, user)
    models = {entry.label: entry for entry in watched_models() if person.has_perm(view_permission(entry.label))}
    chosen = models.get(present.lower())
    choices = [(label, f"{_as_title(entry.model._meta.verbose_name)} ({label})") for label, entry in models.items()]
    value = chosen.label if chosen else _selected(present)
    return build_trigger_form(
        node,
        build_trigger_field(
            node,
            "model",
            "choice",
            choices=_with_current(choices, value, _("%(name)s (you cannot view it)")),
            text=value,
        ),
        build_trigger_field(
            node,
            "on",
            "checks",
            choices=_translated_choices(_OPERATIONS),
            chosen=_selected_names(node, "on", ["created", "updated"]),
        ),
        build_trigger_field(
            node,
            "fields",
            "checks",
            choices=[*_watched_fields(chosen), *_unwatched_fields(node, chosen)],
            chosen=_selected_names(node, "fields", []),
            help=_("Leave all unchecked to start on a change of any field."),
        ),
        build_trigger_field(
            node,
            "own_changes",
            "check",
            text="true" if node.config.get("own_changes") is True else "",
            help=_("The workflow can then start itself in a loop. Add a condition that ends the loop."),
        ),
        chosen=chosen,
        none_allowed=not models,
    )


def _as_title(name: Any) -> str:
    return as_sentence(str(name), stop="")


def _selected_names(node: TriggerNode, name: str, default: list[str]) -> tuple[str, ...]:
    value = node.config.get(name, default)
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def _watched_fields(entry: WatchedModel | None) -> list[tuple[str, str]]:
    fields = entry.fields if entry else ()
    return [(each.name, _as_title(each.verbose_name)) for each in fields]


def _unwatched_fields(node: TriggerNode, entry: WatchedModel | None) -> list[tuple[str, str]]:
    """Chosen fields that are not watched: shown so that they can be removed."""
    known = dict(_watched_fields(entry))
    chosen = (name for name in _selected_names(node, "fields", []) if name not in known)
    return [(name, _("%(name)s (not watched)") % {"name": name}) for name in chosen]


def _posted_model(node: TriggerNode, post: QueryDict) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if "model" in post:
        wanted["model"] = post.get("model") or None
        if str(node.config.get("model", "")).lower() == (wanted["model"] or ""):
            del wanted["model"]
    if "on" in post:
        on = [name for name, __ in _OPERATIONS if name in post.getlist("on")]
        if not on:
            raise PlanError("on", _("Not saved: choose at least one."))
        wanted["on"] = on
    if "model" in wanted:
        wanted["fields"] = []  # those of the other model
    elif "fields" in post:
        wanted["fields"] = [name for name in post.getlist("fields") if name]
    if "own_changes" in post:
        wanted["own_changes"] = "on" in post.getlist("own_changes")
    return wanted


# --- the others -------------------------------------------------------------------------------------------------------


def _event_form(state: DraftState, node: TriggerNode, user: User) -> TriggerFormView:
    known = event_types.permitted_types(user)
    return build_trigger_form(
        node,
        build_trigger_field(
            node,
            "event",
            listed=known,
            placeholder="order.paid",
            help=_('The event type in code, for example emit("order.paid", …)'),
        ),
        known=known,
    )


_END_STATES = (("ended", text("Any outcome")), ("succeeded", text("Succeeded")), ("failed", text("Failed")))


def _run_form(state: DraftState, node: TriggerNode, user: User) -> TriggerFormView:
    present = str(node.config.get("workflow", ""))
    seen = permitted(user, "view", Workflow.objects.exclude(pk=state.workflow.pk)).order_by("name")
    readable = set(permitted(user, "view_payload", Workflow.objects.all()).values_list("slug", flat=True))
    choices = [
        (slug, name if slug in readable else _("%(name)s (you cannot view its payloads)") % {"name": name})
        for slug, name in seen.values_list("slug", "name")
    ]
    return build_trigger_form(
        node,
        build_trigger_field(
            node,
            "workflow",
            "choice",
            choices=_with_current(choices, present, _("%(name)s (you cannot view it)")),
            text=_selected(present),
        ),
        build_trigger_field(
            node, "on", "choice", choices=_translated_choices(_END_STATES), text=node.config.get("on", "ended")
        ),
    )


_DRAW: dict[str, Callable[[DraftState, TriggerNode, User], TriggerFormView]] = {
    "webhook": _webhook_form,
    "schedule": _schedule_form,
    "model": _model_form,
    "manual": form_fields.rows_form,
    "form": form_fields.rows_form,
    "mail": form_fields.rows_form,
    "event": _event_form,
    "run": _run_form,
    "poll": build_connector_form,
    "service": build_connector_form,
}
_READ: dict[str, Callable[[TriggerNode, QueryDict], dict[str, Any]]] = {
    "webhook": _posted_texts,
    "schedule": _posted_schedule,
    "model": _posted_model,
    "event": _posted_texts,
    "run": _posted_texts,
}


_OWN_CHANGES: dict[str, Callable[[TriggerNode, QueryDict], tuple[dict[str, Any], list[str], dict[str, str]]]] = {
    "manual": form_fields.changed_rows,
    "form": form_fields.changed_rows,
    "mail": form_fields.changed_rows,
    "poll": changed_connector,
    "service": changed_connector,
}


def changed_config(node: TriggerNode, post: QueryDict) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """(set values, emptied fields, invalid fields) of a posted form: only those that differ."""
    if node.kind in _OWN_CHANGES:
        return _OWN_CHANGES[node.kind](node, post)
    try:
        wanted = _READ[node.kind](node, post)
    except PlanError as error:
        return {}, [], {error.field: str(error)}
    differing = {
        name: value
        for name, value in wanted.items()
        if json.dumps(value) != json.dumps(node.config.get(name, _DEFAULTS.get((node.kind, name))))
    }
    found = {name: value for name, value in differing.items() if value is not None}
    return found, [name for name, value in differing.items() if value is None and name in node.config], {}


#: What a field says while it is not set, so that a form which shows it changes nothing.
_DEFAULTS: dict[tuple[str, str], Any] = {
    ("schedule", "missed"): "once",
    ("model", "on"): ["created", "updated"],
    ("model", "fields"): [],
    ("model", "own_changes"): False,
    ("run", "on"): "ended",
}
