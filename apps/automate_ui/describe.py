"""Rules, triggers and recipients in words."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_authoring.definitions.scope import RunCondition
from automate_connectors.registry import find_poll, find_webhook
from automate_core.definition.document import (
    TIMEOUT,
    ApprovalStep,
    BranchStep,
    EventTrigger,
    FormTrigger,
    MailTrigger,
    ManualTrigger,
    ModelTrigger,
    PollTrigger,
    RunTrigger,
    ScheduleTrigger,
    ServiceTrigger,
    Step,
    StopStep,
    Trigger,
    TryStep,
    WebhookTrigger,
)
from automate_core.definition.slots import StepPosition
from automate_core.definition.step_names import shown_name, title_of_key
from automate_core.models import NotificationRule
from automate_governance.people.names import sign_in_name
from automate_governance.texts import translated
from automate_operations.notifications.channels.plugin import PluginChannel
from automate_operations.notifications.channels.registry import find_channel
from automate_plugins import text
from automate_ui.formatting import format_count, state_word
from automate_ui.schedule_plan import DAYS, LAST_DAY, plan_from_config

_BETWEEN = {
    "==": text("%(left)s is %(right)s"),
    "===": text("%(left)s is %(right)s"),
    "!=": text("%(left)s is not %(right)s"),
    "!==": text("%(left)s is not %(right)s"),
    "<": text("%(left)s is less than %(right)s"),
    "<=": text("%(left)s is at most %(right)s"),
    ">": text("%(left)s is more than %(right)s"),
    ">=": text("%(left)s is at least %(right)s"),
    "in": text("%(left)s is in %(right)s"),
    "contains": text("%(left)s contains %(right)s"),
    "starts_with": text("%(left)s starts with %(right)s"),
    "ends_with": text("%(left)s ends with %(right)s"),
    "matches": text("%(left)s matches %(right)s"),
    "before": text("%(left)s is before %(right)s"),
    "after": text("%(left)s is after %(right)s"),
    "not_before": text("%(left)s is at or after %(right)s"),
    "not_after": text("%(left)s is at or before %(right)s"),
    "same_date": text("%(left)s is on the day of %(right)s"),
}
_AFTER = {
    "exists": text("%(value)s exists"),
    "!!": text("%(value)s is set"),
    "!": text("%(value)s is not set"),
    "empty": text("%(value)s is empty"),
}
#: Kinds of triggers by which lists are filtered.
TRIGGER_KINDS = {
    "webhook": text("Webhook"),
    "schedule": text("Schedule"),
    "poll": text("Poll"),
    "service": text("Service webhook"),
    "form": text("Form"),
    "mail": text("Email"),
    "model": text("Model change"),
    "manual": text("Manual"),
    "event": text("Event from code"),
    "run": text("Another workflow"),
}
_CHANGES = {"created": text("created"), "updated": text("updated"), "deleted": text("deleted")}


def describe_condition(rule: Any) -> str:
    """A rule as a sentence: `kind is issues and labels contains bug`. Names are cut to their last part."""
    if not isinstance(rule, dict) or len(rule) != 1:
        return _describe_value(rule)
    [(operator, given)] = rule.items()
    arguments = given if isinstance(given, list) else [given]
    if operator == "var":
        return str(arguments[0] if arguments else "").rpartition(".")[2] or "…"
    if operator in {"and", "or"}:
        return f" {_('and') if operator == 'and' else _('or')} ".join(map(_describe_part, arguments))
    if operator == "now":
        return _("now %(offset)s") % {"offset": arguments[0]} if arguments else _("now")
    if operator == "!" and arguments and _describe_operator(arguments[0]) not in {"", "var"}:
        return _("not (%(condition)s)") % {"condition": describe_condition(arguments[0])}
    if operator in _AFTER and arguments:
        return translated(_AFTER[operator]) % {"value": describe_condition(arguments[0])}
    if operator in _BETWEEN and len(arguments) == 2:
        left, right = (describe_condition(argument) for argument in arguments)
        return translated(_BETWEEN[operator]) % {"left": left, "right": right}
    return f"{operator}({', '.join(describe_condition(argument) for argument in arguments)})"


def _describe_part(rule: Any) -> str:
    """A part of a longer condition, in brackets if it has several parts itself."""
    return f"({describe_condition(rule)})" if _describe_operator(rule) in {"and", "or"} else describe_condition(rule)


def _describe_operator(rule: Any) -> str:
    return str(next(iter(rule))) if isinstance(rule, dict) and len(rule) == 1 else ""


def describe_trigger(part: Trigger) -> tuple[str, str]:
    """(kind of trigger, details): `("Webhook", "github, issues")`."""
    match part:
        case WebhookTrigger():
            return _("Webhook"), ", ".join(filter(None, [part.endpoint, part.event or _("any event")]))
        case ScheduleTrigger():
            own_zone = part.timezone if part.cron and part.timezone else ""
            return _("Schedule"), ", ".join(filter(None, [describe_schedule(part.cron, part.every), own_zone]))
        case ModelTrigger():
            changes = ", ".join(translated(_CHANGES.get(change, change)) for change in part.on)
            return _("Model change"), f"{part.model} {changes}"
        case ManualTrigger():
            return _("Manual"), ", ".join(field.label or field.name for field in part.inputs) or _("no inputs")
        case FormTrigger():
            return _("Form"), f"/forms/{part.slug}/"
        case MailTrigger():
            return _("Email"), ", ".join(part.senders) or _("any sender")
        case EventTrigger():
            return _("Event"), part.event
        case PollTrigger():
            return poll_name(part.poll), describe_schedule("", part.every)
        case ServiceTrigger():
            return webhook_name(part.webhook), ", ".join(part.events) or _service_detail(part)
        case RunTrigger():
            return _("Workflow ended"), f"{part.workflow}, {state_word(part.on).lower()}"


def poll_name(reference: str) -> str:
    """A poll by its connector: `RSS: New item`; one that is not installed, by its reference."""
    try:
        adapter, poll = find_poll(reference)
    except LookupError:
        return reference or _("Poll")
    return _member_name(adapter.name, poll.label or poll.name)


def webhook_name(reference: str) -> str:
    """A webhook by its connector: `GitHub: Push`; one that is not installed, by its reference."""
    try:
        adapter, webhook = find_webhook(reference)
    except LookupError:
        return reference or _("Service webhook")
    return _member_name(adapter.name, webhook.label or webhook.name)


def _member_name(connector: str, label: str) -> str:
    if connector == label:  # a trigger kind of a plug-in
        return translated(label)
    return _("%(connector)s: %(action)s") % {"connector": translated(connector), "action": translated(label)}


def _service_detail(part: ServiceTrigger) -> str:
    """The texts among its inputs: `octocat/hello-world`."""
    return ", ".join(value for value in part.inputs.values() if isinstance(value, str) and value)


def describe_schedule(cron: str, every: Any) -> str:
    """`Weekdays at 08:30`, `Every 15 minutes`; a cron expression that the form has no fields for stays one."""
    plan = plan_from_config({"cron": cron, "every": every})
    values = {"time": plan.time, "day": plan.day}
    match plan.repeats:
        case "every":
            return _describe_interval(plan.number, plan.unit)
        case "daily":
            return _("Every day at %(time)s") % values
        case "weekdays":
            return _("Weekdays at %(time)s") % values
        case "weekly":
            days = ", ".join(translated(dict(DAYS)[day]) for day in plan.days)
            return _("%(days)s at %(time)s") % (values | {"days": days})
        case "monthly" if plan.day == LAST_DAY:
            return _("Last day of the month at %(time)s") % values
        case "monthly":
            return _("Day %(day)s of the month at %(time)s") % values
    return cron


def _describe_interval(number: int, unit: str) -> str:
    """`Every minute`, `Every 15 minutes`, `Every 2 hours`."""
    match unit:
        case "s":
            words = ngettext("Every second", "Every %(number)s seconds", number)
        case "m":
            words = ngettext("Every minute", "Every %(number)s minutes", number)
        case "h":
            words = ngettext("Every hour", "Every %(number)s hours", number)
        case _:
            words = ngettext("Every day", "Every %(number)s days", number)
    return words % {"number": format_count(number)}


def _describe_value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_describe_value(item) for item in value)
    if isinstance(value, bool):  # 0 and 1 are numbers
        return _("true") if value else _("false")
    if value == "":
        return _("(empty)")
    return _("nothing") if value is None else "{}" if isinstance(value, dict) else str(value)


def describe_recipients(rule: NotificationRule) -> list[str]:
    """Recipients of a rule in words."""
    match rule.channel:
        case NotificationRule.Channel.SLACK:
            return [
                _("Slack %(channel)s through %(connection)s") % {"channel": rule.room, "connection": rule.connection}
            ]
        case NotificationRule.Channel.WEBHOOK:
            return [_("Webhook %(host)s") % {"host": urlsplit(rule.url).netloc}]
    if rule.channel != NotificationRule.Channel.EMAIL:
        return _plugin_recipients(rule)
    return [*([_("the owner")] if rule.to_owner else []), *map(sign_in_name, rule.people.all()), *rule.addresses]


def _plugin_recipients(rule: NotificationRule) -> list[str]:
    channel = find_channel(rule.channel)
    if not isinstance(channel, PluginChannel):
        return [_("the channel %(channel)s, which is not installed") % {"channel": rule.channel}]
    name, place = translated(channel.plugin.name), ", ".join(channel.places(rule))
    return [name if place == channel.plugin.name else _("%(channel)s: %(place)s") % {"channel": name, "place": place}]


def describe_run_condition(condition: RunCondition | None) -> str:
    """The words after "only if"; empty for a step that always has run."""
    if condition is None:
        return ""
    step, slot = condition.step, condition.slot
    label = step_label(step)
    if slot is None:
        return _("%(step)s is on") % {"step": label}
    if isinstance(step, BranchStep):
        route = slot.name or slot.key if slot.place.startswith("arms") else _("Otherwise")
        return _("%(step)s ran %(route)s") % {"step": label, "route": route}
    if slot.key == TIMEOUT:
        return _("%(step)s timed out") % {"step": label}
    if isinstance(step, ApprovalStep):
        return _("%(step)s ended with %(outcome)s") % {"step": label, "outcome": shown_name(slot.name or slot.key)}
    if isinstance(step, TryStep) and slot.key == "steps":
        if condition.is_enclosing:
            return _("the step was reached")
        return _("%(step)s succeeded") % {"step": label}
    return _("%(step)s failed") % {"step": label}


def step_label(step: Step) -> str:
    """The step's own name, else its key as a title; a default name in the active language."""
    return shown_name(step.name or title_of_key(step.key))


def stop_reason(step: StopStep, position: StepPosition) -> str:
    """Why a stop step ended a run, in words that hold no payload.

    The message of the step; when it has none or holds data, the name of the route that it stands in, if any.
    """
    if step.message and "{{" not in step.message:
        return step.message
    route = position.slot
    return shown_name(route.name or title_of_key(route.key)) if route else ""
