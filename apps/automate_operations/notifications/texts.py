"""Texts of messages: names, states, times and codes; never a payload, an output or an error text.

A fact keeps its sentence in English and beside it what translates that, so that each recipient reads it in their own
language and time zone: code that shows one calls `fact_text` there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from automate_core.models import Notification
from automate_governance.admin_site import reverse
from automate_governance.texts import translated
from automate_plugins import ntext, text
from automate_plugins.texts import joined, marked, relabelled, restored, stored
from automate_plugins.typed_values import write_moment

MOST_FACTS = 20  #: listed in one message; the others are counted

type Fact = dict[str, Any]


def build_fact(
    sentence: str, at: dt.datetime, view: str = "", *args: Any, times: Mapping[str, dt.datetime] | None = None
) -> Fact:
    """A sentence of a message, its time, and the page that shows it. `times` are times among the sentence's values."""
    fact = {"text": _one_line(sentence), "at": write_moment(at), "url": page_url(view, *args)}
    if marked := stored(sentence):
        moments = {name: write_moment(moment) for name, moment in (times or {}).items()}
        return {**fact, "marked": marked, "times": moments}
    return fact


def fact_text(fact: Fact) -> str:
    """The sentence in the active language, with its times in the active time zone."""
    sentence = restored(fact.get("marked"), fact["text"])
    times = {name: format_moment(dt.datetime.fromisoformat(moment)) for name, moment in fact.get("times", {}).items()}
    return _one_line(translated(relabelled(sentence, **times)))


def fact_time(fact: Fact) -> str:
    """The time of a fact in the active language and time zone."""
    return format_moment(dt.datetime.fromisoformat(fact["at"]))


def public_facts(facts: Iterable[Fact]) -> list[dict[str, str]]:
    """Facts as webhooks send them, in English."""
    return [{name: fact[name] for name in ("text", "at", "url")} for fact in facts]


def _one_line(sentence: str) -> str:
    return " ".join(sentence.split())[:500]


def page_url(view: str, *args: Any) -> str:
    """The URL of a page; the site's own in a project without the screens."""
    try:
        return f"{settings.AUTOMATE_SITE_URL}{reverse(view, args=args) if view else ''}"
    except NoReverseMatch:
        return str(settings.AUTOMATE_SITE_URL)


#: What a code means, for people. A message holds no text of the error, which may name a person.
_REASONS = {
    "timeout": text("the step took longer than its timeout"),
    "http_401": text("the service rejected the credentials"),
    "authentication_failed": text("the service rejected the credentials"),
    "http_403": text("the credentials lack a permission at the service"),
    "http_404": text("the service does not know the address or the object"),
    "http_429": text("the service received too many requests"),
    "rate_limited": text("the service received too many requests"),
    "connection_failed": text("the service could not be reached"),
    "egress_blocked": text("the address is blocked"),
    "nobody_to_ask": text("no approver has an active account"),
    "run_as_inactive": text("the account that the workflow runs as is not active"),
    "budget_exceeded": text("a model budget is used up"),
    "stopped": text("a Stop step ended it"),
    "invalid_input": text("an input of the step is not valid"),
    "template_error": text("an expression of the step failed"),
    "condition_error": text("a condition could not be evaluated"),
    "did_not_happen": text("a person marked the step as not executed"),
    "workflow_failed": text("the workflow that it started failed"),
}


def _reason(code: str) -> str:
    """What a code means; of an unknown one, such as a plug-in's, the code."""
    status = code.removeprefix("http_")
    if code in _REASONS:
        return marked(_REASONS[code])  # a value of another text, which is translated with it
    if status != code and status.isdigit():
        return text("the service answered with HTTP %(status)s", status=status)
    return text("error code %(code)s", code=code)


def run_failed(workflow: str, step: str, code: str) -> str:
    """A run that failed, with the name of its step and the reason that the code of the error stands for."""
    if step and code:
        return text(
            "%(workflow)s failed at step %(step)s: %(reason)s.", workflow=workflow, step=step, reason=_reason(code)
        )
    if step:
        return text("%(workflow)s failed at step %(step)s.", workflow=workflow, step=step)
    if code:
        return text("%(workflow)s failed: %(reason)s.", workflow=workflow, reason=_reason(code))
    return text("%(workflow)s failed.", workflow=workflow)


def repeated_failures(workflow: str, number: int, span: dt.timedelta, codes: Mapping[str, int] | None = None) -> str:
    """Several runs that failed, with the most frequent of the codes of their errors."""
    said = ntext(
        "%(workflow)s failed %(count)s time within %(span)s.",
        "%(workflow)s failed %(count)s times within %(span)s.",
        number,
        workflow=workflow,
        span=format_duration(span),
    )
    code = max(codes or {}, key=lambda each: (codes or {})[each], default="")
    return joined([said, text("Most frequent cause: %(reason)s.", reason=_reason(code))]) if code else said


def workflow_not_run(workflow: str, since: dt.datetime, *, ever: bool) -> str:
    """A workflow that should have run. Its `since` is one of the fact's `times`."""
    moment = f"{since.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    if ever:
        return text("%(workflow)s has not run since %(since)s.", workflow=workflow, since=moment)
    return text("%(workflow)s has not run since it was published on %(since)s.", workflow=workflow, since=moment)


def long_wait(workflow: str, kind: str, step: str, span: dt.timedelta) -> str:
    """A run that waits for too long."""
    values = {"workflow": workflow, "step": step, "span": format_duration(span)}
    match kind:
        case "approval":
            return text(
                "%(workflow)s has been waiting for a decision at %(step)s for more than %(span)s.",
                **values,
            )
        case "callback":
            return text(
                "%(workflow)s has been waiting for a callback at %(step)s for more than %(span)s.",
                **values,
            )
        case "form":
            return text(
                "%(workflow)s has been waiting for the answer to a form at %(step)s for more than %(span)s.",
                **values,
            )
        case "reconnect":
            return text(
                "%(workflow)s has been waiting for a reconnected connection at %(step)s for more than %(span)s.",
                **values,
            )
    return text(
        "%(workflow)s has been waiting for a review of the outcome of %(step)s for more than %(span)s.",
        **values,
    )


def dead_job(workflow: str) -> str:
    """A dead job."""
    if workflow:
        return text("A job of %(workflow)s failed permanently. You can requeue it.", workflow=workflow)
    return text("A job failed permanently. You can requeue it.")


def connection_failed(name: str, *, reconnect: bool) -> str:
    """A connection that stopped working."""
    if reconnect:
        return text("The connection %(name)s must be reconnected.", name=name)
    return text("The connection %(name)s is failing.", name=name)


def poll_overdue(workflow: str, poll: str, since: dt.datetime, code: str) -> str:
    """A poll without success, with the code of its last error. Its `since` is one of the fact's `times`."""
    moment = f"{since.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    values = {"workflow": workflow, "poll": poll, "since": moment}
    if code:
        return text(
            "The poll %(poll)s of %(workflow)s has failed since %(since)s: %(reason)s.", reason=_reason(code), **values
        )
    return text("The poll %(poll)s of %(workflow)s has not run since %(since)s.", **values)


def webhook_failing(workflow: str, webhook: str, since: dt.datetime, code: str) -> str:
    """A webhook that cannot be registered at its service. Its `since` is one of the fact's `times`."""
    return text(
        "The webhook %(webhook)s of %(workflow)s has failed at its service since %(since)s: %(reason)s.",
        webhook=webhook,
        workflow=workflow,
        since=f"{since.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC",
        reason=_reason(code),
    )


def workflow_stopped(workflow: str, reason: str) -> str:
    """A workflow that starts no runs because of its run-as user."""
    return text("%(workflow)s is stopped and starts no runs: %(reason)s.", workflow=workflow, reason=reason)


def budget_refuses(workflow: str, reason: str) -> str:
    """A budget that refuses model calls, of a workflow or of the site."""
    if workflow:
        return text("A budget refuses model calls of %(workflow)s. %(reason)s", workflow=workflow, reason=reason)
    return text("A budget refuses model calls. %(reason)s", reason=reason)


def usage_capped(provider: str, number: int) -> str:
    """A model server that reports more tokens than its calls can have taken."""
    return ntext(
        "%(provider)s reported more tokens than possible for %(count)s call. Check the model server.",
        "%(provider)s reported more tokens than possible for %(count)s calls. Check the model server.",
        number,
        provider=provider,
    )


def audit_altered(faults: int) -> str:
    """Faults that a verification of the audit trail found."""
    return ntext(
        "The audit trail was tampered with: the last verification found %(count)s fault.",
        "The audit trail was tampered with: the last verification found %(count)s faults.",
        faults,
    )


def pool_unserved(pool: str, waiting: int) -> str:
    """A pool without consumers that steps wait for."""
    return ntext(
        "The pool %(pool)s has no consumers, and %(count)s step waits for it.",
        "The pool %(pool)s has no consumers, and %(count)s steps wait for it.",
        waiting,
        pool=pool,
    )


def format_duration(span: dt.timedelta) -> str:
    """`15 min`, `2 h 30 min`, `3 days`, as a text to translate."""
    rest, parts = int(span.total_seconds()), list[str]()
    days, rest = divmod(rest, 86_400)
    if days:
        parts.append(ntext("%(count)s day", "%(count)s days", days))
    for unit, length in (("h", 3_600), ("min", 60), ("s", 1)):
        number, rest = divmod(rest, length)
        if number:
            parts.append(f"{number} {unit}")
    return joined(parts) or "0 s"


def format_moment(moment: dt.datetime) -> str:
    """`30 Nov 2026, 08:30 UTC`, in the active language and time zone."""
    local = timezone.localtime(moment)
    return formats.date_format(local, pgettext("Django date format", "j M Y")) + f", {local:%H:%M %Z}"


# --- in the language of the recipient ---------------------------------------------------------------------------------


def subject_line(facts: list[Fact], count: int) -> str:
    """The subject of a message."""
    first = fact_text(facts[0]) if facts else _("No details")
    if count == 1:
        return first[:200]
    said = ngettext("%(count)s notification: %(first)s", "%(count)s notifications: %(first)s", count)
    return (said % {"count": count, "first": first})[:200]


def plain_text(facts: list[Fact], count: int, why: str) -> str:
    """The message as text."""
    parts = [
        "\n".join([sentence, *(f"{fact_time(each)}  {each['url']}" for each in alike)])
        for sentence, alike in gather_alike(facts)
    ]
    return "\n\n".join([*parts, *more_text(count - len(facts)), why])


def gather_alike(facts: Iterable[Fact]) -> list[tuple[str, list[Fact]]]:
    """Each sentence once, with its number where several facts have it, and those facts."""
    return [(_counted(sentence, len(alike)), alike) for sentence, alike in _by_sentence(facts, fact_text)]


def public_groups(facts: Iterable[Fact]) -> list[dict[str, Any]]:
    """Alike facts as webhooks send them, in English: the sentence, its number, and the time and page of the last."""
    return [
        {"text": sentence, "count": len(alike), "at": alike[-1]["at"], "url": alike[-1]["url"]}
        for sentence, alike in _by_sentence(facts, lambda fact: str(fact["text"]))
    ]


def _by_sentence(facts: Iterable[Fact], sentence: Callable[[Fact], str]) -> list[tuple[str, list[Fact]]]:
    found: dict[str, list[Fact]] = {}
    for each in facts:
        found.setdefault(sentence(each), []).append(each)
    return list(found.items())


def _counted(sentence: str, count: int) -> str:
    if count == 1:
        return sentence
    said = ngettext("%(count)s time: %(sentence)s", "%(count)s times: %(sentence)s", count)
    return said % {"count": count, "sentence": sentence}


def more_text(number: int) -> list[str]:
    """The sentence about facts that are left out, if there are any."""
    return [ngettext("And %(count)s more.", "And %(count)s more.", number) % {"count": number}] if number > 0 else []


def notification_reason(notification: Notification) -> str:
    """The sentence that says why a person gets a message, in the active language."""
    if notification.wait_id is not None:
        return _("You received this email because you can decide this approval.")
    if notification.kind == Notification.TEST or notification.rule is None:
        return _("This is a test of a notification rule. Nothing has happened.")
    rule = notification.rule.get_kind_display()
    return _("You received this email because of the notification rule “%(rule)s”.") % {"rule": rule}
