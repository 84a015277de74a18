"""Labels of the fields of workflows, steps and triggers, as sentences about an edit or a difference name them."""

from __future__ import annotations

from automate_plugins import text
from automate_plugins.texts import marked

_LABELS = {
    "action": text("action"),
    "agents": text("available to AI agents"),
    "assignees": text("approvers"),
    "at_most_once": text("no retry when the outcome is unknown"),
    "callback": text("callback"),
    "concurrency": text("concurrency"),
    "connection": text("connection"),
    "context": text("details for the approver"),
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
    "groups": text("groups"),
    "inputs": text("inputs"),
    "items": text("items"),
    "limit": text("limit"),
    "match": text("routes to run"),
    "maximum": text("maximum"),
    "message": text("message"),
    "missed": text("missed runs"),
    "model": text("model"),
    "name": text("name"),
    "notes": text("notes"),
    "on": text("reacts to"),
    "on_error": text("on error"),
    "on_item_error": text("on item error"),
    "outcome": text("outcome"),
    "own_changes": text("own changes"),
    "payload": text("payload"),
    "policy": text("policy"),
    "poll": text("poll"),
    "priority": text("priority"),
    "remind_after": text("reminder"),
    "retention": text("retention"),
    "retry": text("retries"),
    "run as": text("run as"),
    "save_as": text("variable"),
    "scheme": text("signature scheme"),
    "search_terms": text("search values"),
    "secret": text("secret"),
    "subject": text("subject"),
    "tags": text("tags"),
    "timeout": text("timeout"),
    "timezone": text("time zone"),
    "until": text("until"),
    "vars": text("variables"),
    "version": text("version of the action"),
    "wait": text("wait for the end"),
    "workflow": text("workflow"),
}


def field_label(name: str) -> str:
    """Marked label of a field; a name that people or plug-ins gave is its own label."""
    return marked(_LABELS[name]) if name in _LABELS else name.replace("_", " ")
