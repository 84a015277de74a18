"""Which endpoints use a secret, and which workflows an endpoint or a connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from automate_connectors.models import Connection
from automate_core.authoring import published_definition
from automate_core.definition import ActionStep, walk
from automate_core.models import NotificationRule, WebhookEndpoint, Workflow


def endpoints_of_secret(secret: Any) -> Iterator[WebhookEndpoint]:
    """The endpoints that verify with it."""
    old = Q(old_secret=secret.reference, old_secret_until__gt=timezone.now())
    yield from WebhookEndpoint.objects.filter(Q(secret=secret.reference) | old)


def workflows_of_endpoint(endpoint: Any) -> Iterator[str]:
    """The workflows that its deliveries start."""
    for workflow in Workflow.objects.filter(active_triggers__source=endpoint.source):
        yield f"the workflow {workflow}"


def workflows_of_connection(connection: Any) -> Iterator[str]:
    """The workflows with a step, in the draft or in what is published, that it works for."""
    for workflow in using(connection):
        yield f"the workflow {workflow}"


def rules_of_connection(connection: Any) -> Iterator[str]:
    """The notification rules that post through it."""
    yield from _rules(channel="slack", connection=connection.slug)


def rules_of_secret(secret: Any) -> Iterator[str]:
    """The notification rules whose webhooks it signs."""
    yield from _rules(channel="webhook", secret=secret.reference)


def _rules(**which: str) -> Iterator[str]:
    for rule in NotificationRule.objects.filter(removed_at=None, **which).select_related("workflow"):
        yield f"a notification rule of {f'the workflow {rule.workflow}' if rule.workflow else 'all workflows'}"


def using(connection: Connection) -> list[Workflow]:
    """The same, by name."""
    found = {workflow.pk: workflow for workflow in _using(connection)}
    return sorted(found.values(), key=lambda workflow: (workflow.name, workflow.pk))


def _using(connection: Connection) -> Iterator[Workflow]:
    yield from Workflow.objects.filter(steps__connection=connection.slug)
    published = Workflow.objects.annotate(text=Cast("published__definition", TextField())).filter(
        text__contains=f'"{connection.slug}"'
    )
    for workflow in published.select_related("published"):
        definition = published_definition(workflow)
        steps = walk(definition.steps) if definition else ()
        if any(isinstance(step, ActionStep) and step.connection == connection.slug for _, step in steps):
            yield workflow
