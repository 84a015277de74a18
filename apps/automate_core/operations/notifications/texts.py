"""Texts of messages: names, states, times and codes; never a payload, an output or an error text."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch

from automate_governance.admin_site import reverse

MOST_FACTS = 20  #: that one message tells; of the rest it says how many

_WAITS_FOR = {
    "approval": "a decision",
    "callback": "a callback",
    "reconnect": "a connection that has to be connected again",
    "review": "somebody to say whether a step took effect",
}

type Fact = dict[str, str]


def build_fact(text: str, at: dt.datetime, view: str = "", *args: Any) -> Fact:
    """A sentence of a message, its time, and the page that shows it."""
    return {"text": " ".join(text.split())[:500], "at": at.astimezone(dt.UTC).isoformat(), "url": page_url(view, *args)}


def page_url(view: str, *args: Any) -> str:
    """The URL of a page; the site's own in a project without the screens."""
    try:
        return f"{settings.AUTOMATE_SITE_URL}{reverse(view, args=args) if view else ''}"
    except NoReverseMatch:
        return str(settings.AUTOMATE_SITE_URL)


def run_failed(workflow: str, step: str, code: str) -> str:
    """A run that failed, with the name of its step and the code of the error."""
    return f"{workflow} failed{f' at the step {step}' if step else ''}{f' ({code})' if code else ''}."


def repeated_failures(workflow: str, number: int, span: dt.timedelta) -> str:
    """Several runs that failed."""
    return f"{workflow} failed {number} times within {format_duration(span)}."


def workflow_not_run(workflow: str, since: dt.datetime, *, ever: bool) -> str:
    """A workflow that should have run."""
    moment = f"{since.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    return f"{workflow} has not run since {'' if ever else 'it was published, '}{moment}."


def long_wait(workflow: str, kind: str, name: str, span: dt.timedelta) -> str:
    """A run that waits for too long."""
    return f"{workflow} has been waiting for {_WAITS_FOR[kind]} at {name} for more than {format_duration(span)}."


def dead_job(workflow: str) -> str:
    """A job that was given up."""
    return f"A job {f'of {workflow} ' if workflow else ''}was given up. It can be replayed."


def connection_failed(name: str, *, reconnect: bool) -> str:
    """A connection that stopped working."""
    return f"The connection {name} {'has to be connected again' if reconnect else 'does not work any more'}."


def format_duration(span: dt.timedelta) -> str:
    """`15 min`, `2 h 30 min`, `3 days`."""
    rest, parts = int(span.total_seconds()), list[str]()
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, rest = divmod(rest, length)
        if number:
            parts.append(f"{number} {'day' if (unit, number) == ('days', 1) else unit}")
    return " ".join(parts) or "0 s"


def subject_line(facts: list[Fact], count: int) -> str:
    """The subject of a message."""
    first = facts[0]["text"] if facts else "Nothing to tell"
    return (first if count == 1 else f"{count} things happened: {first}")[:200]


def plain_text(facts: list[Fact], count: int, why: str) -> str:
    """The message as text."""
    lines = [f"{each['text']}\n{each['at'][:19].replace('T', ' ')} UTC  {each['url']}" for each in facts]
    return "\n\n".join([*lines, *([f"And {count - len(facts)} more."] if count > len(facts) else []), why])
