"""Labels of the fields of workflows, steps and triggers, as sentences about an edit or a difference name them."""

from __future__ import annotations

from automate_connectors.registry import find_action
from automate_plugins import text
from automate_plugins.fields import FieldSpec
from automate_plugins.texts import marked, verbatim

_LABELS = {
    "access": text("access"),
    "action": text("action"),
    "address_number": text("number of the address"),
    "agents": text("available to AI agents"),
    "assignees": text("approvers"),
    "at_most_once": text("no retry when the outcome is unknown"),
    "callback": text("callback"),
    "closes_at": text("closing time"),
    "concurrency": text("concurrency"),
    "confirmation": text("confirmation"),
    "connection": text("connection"),
    "context": text("details for the approver"),
    "continues_after": text("routes that continue without steps"),
    "cron": text("schedule"),
    "delegate": text("delegation"),
    "description": text("description"),
    "disabled": text("turned off"),
    "duration": text("duration"),
    "endpoint": text("webhook endpoint"),
    "event": text("event type"),
    "every": text("interval"),
    "excluded": text("cannot approve"),
    "fields": text("fields"),
    "filter": text("condition"),
    "form": text("form"),
    "groups": text("groups"),
    "inputs": text("inputs"),
    "introduction": text("introduction"),
    "items": text("items"),
    "limit": text("limit"),
    "link_number": text("number of the secret link"),
    "match": text("routes to run"),
    "maximum": text("maximum"),
    "maximum_answers": text("maximum answers"),
    "message": text("message"),
    "missed": text("missed runs"),
    "model": text("model"),
    "name": text("name"),
    "notes": text("notes"),
    "on": text("reacts to"),
    "on_error": text("on error"),
    "on_item_error": text("on item error"),
    "origins": text("sites that embed the form"),
    "outcome": text("outcome"),
    "own_changes": text("own changes"),
    "payload": text("payload"),
    "policy": text("policy"),
    "poll": text("poll"),
    "priority": text("priority"),
    "runs_on": text("pool"),
    "redirect": text("redirect"),
    "remind_after": text("reminder"),
    "retention": text("retention"),
    "retry": text("retries"),
    "run as": text("run as"),
    "save_as": text("variable"),
    "scheme": text("signature scheme"),
    "search_terms": text("search values"),
    "secret": text("secret"),
    "shown_to": text("shown to"),
    "slug": text("address"),
    "subject": text("subject"),
    "tags": text("tags"),
    "timeout": text("timeout"),
    "timezone": text("time zone"),
    "title": text("title"),
    "until": text("until"),
    "vars": text("variables"),
    "version": text("version of the action"),
    "webhook": text("webhook"),
    "wait": text("wait for the end"),
    "workflow": text("workflow"),
}


#: Fields that the form of one kind of step names otherwise.
_LABELS_OF_KINDS = {
    ("action", "timeout"): text("timeout per attempt"),
    ("approval", "timeout"): text("due after"),
    ("for_each", "concurrency"): text("maximum items at once"),
    ("parallel", "limit"): text("maximum branches at once"),
}

#: Fields of the sections that a difference shows one by one, as the builder's forms name them.
_PART_LABELS = {
    ("retry", "attempts"): text("Maximum attempts"),
    ("retry", "base"): text("First wait (seconds)"),
    ("retry", "factor"): text("Backoff factor"),
    ("retry", "cap"): text("Longest wait (seconds)"),
    ("on_error", "value"): text("Value"),
    ("concurrency", "limit"): text("Maximum"),
    ("concurrency", "key"): text("Group by"),
    ("concurrency", "policy"): text("When the limit is reached"),
    ("retention", "succeeded"): text("Succeeded"),
    ("retention", "failed"): text("Failed"),
    ("retention", "cancelled"): text("Cancelled"),
    ("retention", "tests"): text("Test runs"),
    ("agents", "enabled"): text("Available to agents"),
    ("agents", "description"): text("Description"),
    ("agents", "output"): text("Output"),
}


def part_label(section: str, name: str) -> str:
    """Marked label of a field in a section such as `retry`; a name that people gave is its own label."""
    return marked(_PART_LABELS[section, name]) if (section, name) in _PART_LABELS else verbatim(name)


def find_input(action: str, name: str) -> FieldSpec | None:
    """The field of an input of an action, None for one that it does not declare."""
    try:
        specs = find_action(action)[1].fields or ()
    except LookupError:
        specs = ()
    return next((spec for spec in specs if spec.name == name), None)


def input_label(action: str, name: str) -> str:
    """Marked label of an input of an action; one that it does not declare is named by its key."""
    spec = find_input(action, name)
    return marked(spec.label) if spec and spec.label else name.replace("_", " ")


def field_label(name: str, kind: str = "") -> str:
    """Marked label of a field of a kind of step; a name that people or plug-ins gave is its own label."""
    label = _LABELS_OF_KINDS.get((kind, name)) or _LABELS.get(name)
    return marked(label) if label else name.replace("_", " ")
