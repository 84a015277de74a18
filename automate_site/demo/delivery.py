"""Demo delivery: send a signed delivery to the site and follow its runs in the terminal."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from automate_core.models import ExecutionRun, StepRun, WebhookEndpoint
from automate_core.runs.tail import follow_delivery
from automate_core.webhooks.test_delivery import send_test_delivery
from automate_site import demo

SECONDS = 60.0
_MARKS = {"succeeded": "✓", "failed": "✗", "waiting": "…", "interrupted": "↯"}


class NotAcceptedError(Exception):
    """The site rejected the delivery; the message is its reason."""


def deliver(body: bytes, event_type: str, say: Callable[[str], object]) -> list[ExecutionRun]:
    """Send `body` to the demo's endpoint, `say` each step as it ends, and return the runs that it started.

    Raises EgressError when the site does not respond, NotAcceptedError when it rejects the delivery, and
    StillRunningError after `SECONDS`.
    """
    endpoint = WebhookEndpoint.objects.get(slug=demo.ENDPOINT)
    sent = send_test_delivery(endpoint, body, event_type=event_type)
    say(f"POST {settings.AUTOMATE_SITE_URL}/hooks/{endpoint.slug}/ -> {sent.status} {sent.trace_id or sent.reason}")
    if sent.status != 202 or sent.event_id is None:
        raise NotAcceptedError(f"not accepted: {sent.reason}")
    runs: list[ExecutionRun] = []
    for each in follow_delivery(sent.event_id, seconds=SECONDS):
        if isinstance(each, ExecutionRun):
            runs.append(each)
        else:
            say(f"  {_MARKS.get(each.status, ' ')} {each.path:<28} {each.status:<12} {_duration(each)}".rstrip())
    return runs


def _duration(step: StepRun) -> str:
    if step.finished_at is None:
        return ""
    return f"{(step.finished_at - step.started_at).total_seconds() * 1000:.1f} ms"
