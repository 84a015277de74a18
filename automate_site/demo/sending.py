"""The demo's main job: a signed delivery through the front door, followed to its end in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.conf import settings

from automate_core.following import follow
from automate_core.models import ExecutionRun, StepRun, WebhookEndpoint
from automate_core.sending import send
from automate_site import demo

SECONDS = 60.0
_MARKS = {"succeeded": "✓", "failed": "✗", "waiting": "…", "interrupted": "↯"}


def deliver(body: bytes, event_type: str, say: Callable[[str], object]) -> Iterator[StepRun | ExecutionRun]:
    """Send `body` to the demo's endpoint and tell each step as it ends.

    Raises EgressError when the site does not answer, StillRunningError after a minute.
    """
    endpoint = WebhookEndpoint.objects.get(slug=demo.ENDPOINT)
    sent = send(endpoint, body, event_type=event_type)
    say(f"POST {settings.AUTOMATE_SITE_URL}/hooks/{endpoint.slug}/ -> {sent.status} {sent.trace_id or sent.reason}")
    if sent.status != 202 or sent.event_id is None:
        return
    for each in follow(sent.event_id, seconds=SECONDS):
        if isinstance(each, StepRun):
            say(f"  {_MARKS.get(each.status, ' ')} {each.path:<28} {each.status:<12} {_duration(each)}")
        yield each


def _duration(step: StepRun) -> str:
    if step.finished_at is None:
        return ""
    return f"{(step.finished_at - step.started_at).total_seconds() * 1000:.1f} ms"
