"""Service webhooks of a workflow: which it has while it is active. Workers tell the services, after the commit.

Nothing here calls a service, so that one that does not answer holds up no person, and what is rolled back leaves
nothing there.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import msgspec

from automate_connectors.models import Connection
from automate_connectors.registry import find_webhook
from automate_core.database import AutomateNow, now
from automate_core.definition.document import Definition, ServiceTrigger
from automate_core.definition.published import published_definition
from automate_core.models import ServiceWebhook, Workflow
from automate_core.webhooks.schemes.registry import SchemeError, scheme_for
from automate_governance import audit
from automate_governance.models import StoredSecret

State = ServiceWebhook.State
LONGEST_NAME = 60  #: characters of the workflow's slug in the URL


def activate_webhooks(workflow: Workflow, definition: Definition | None = None) -> None:
    """Give the workflow the webhooks of its published version, or none while it is not active. In a transaction.

    One that asks for the same stays as it is; one that failed is tried at once. `definition` is the published one.
    """
    wanted = _wanted(workflow, definition)
    present = workflow.service_webhooks.exclude(state=State.REMOVING).select_for_update()
    for webhook in list(present):
        trigger = wanted.get(webhook.key)
        if trigger is None or webhook.digest != webhook_digest(trigger):
            leave(webhook)
            continue
        del wanted[webhook.key]
        webhook.run_as = _run_as(workflow)
        if webhook.failures and webhook.lease_until is None:
            webhook.next_at = now()
        webhook.save(update_fields=["run_as", "next_at"])
    for trigger in wanted.values():
        _create(workflow, trigger)


def _wanted(workflow: Workflow, definition: Definition | None) -> dict[str, ServiceTrigger]:
    if workflow.status != Workflow.Status.ACTIVE:
        return {}
    definition = definition or published_definition(workflow)
    triggers = definition.enabled_triggers if definition else []
    return {trigger.key: trigger for trigger in triggers if isinstance(trigger, ServiceTrigger)}


def find_changes(workflow: Workflow, definition: Definition) -> tuple[list[str], list[str]]:
    """The webhooks, as `connector.webhook`, that would be registered, and removed, if this were published."""
    if workflow.status == Workflow.Status.PAUSED:
        return [], []
    triggers = {webhook_digest(part): part for part in definition.enabled_triggers if isinstance(part, ServiceTrigger)}
    present = workflow.service_webhooks.exclude(state=State.REMOVING).values_list("digest", "webhook")
    kept = {digest for digest, _ in present}
    added = [part.webhook for digest, part in triggers.items() if digest not in kept]
    return added, [reference for digest, reference in present if digest not in triggers]


def _run_as(workflow: Workflow) -> Any:
    return workflow.published.run_as if workflow.published else None


def _create(workflow: Workflow, trigger: ServiceTrigger) -> None:
    at = now()
    slug = f"{workflow.slug[:LONGEST_NAME].strip('-')}-{secrets.token_hex(8)}"
    ServiceWebhook.objects.create(
        workflow=workflow,
        key=trigger.key,
        webhook=trigger.webhook,
        connection=trigger.connection,
        inputs=trigger.inputs,
        events=list(trigger.events),
        digest=webhook_digest(trigger),
        slug=slug,
        secret=_make_secret(workflow, trigger, slug),
        run_as=_run_as(workflow),
        next_at=at,
        due_since=at,
    )


def _make_secret(workflow: Workflow, trigger: ServiceTrigger, slug: str) -> StoredSecret | None:
    """A new secret for the deliveries; None where the service makes it, or where there is no such webhook any more."""
    try:
        _, webhook = find_webhook(trigger.webhook)
        scheme = scheme_for(webhook.scheme, webhook.scheme_config)
    except (LookupError, SchemeError):
        return None
    if webhook.makes_secret or not scheme.has_secret:
        return None
    return store_secret(workflow, slug, scheme.new_secret())


def store_secret(workflow: Workflow, slug: str, value: str) -> StoredSecret:
    """Store the secret of a webhook, encrypted, for the owner of its workflow."""
    stored = StoredSecret(name=f"hook-{slug}", owner=workflow.owner)
    stored.put(value)
    stored.save()
    audit.record(None, "secret.created", stored)
    return stored


def webhook_digest(trigger: ServiceTrigger) -> str:
    """A hash of what is asked for: the webhook, its connection, its inputs and its event types."""
    asked = msgspec.json.encode(
        [trigger.webhook, trigger.connection, trigger.inputs, sorted(trigger.events)], order="sorted"
    )
    return hashlib.sha256(asked).hexdigest()


def leave(webhook: ServiceWebhook) -> None:
    """Take no more of its deliveries, and have it removed at the service; deleted at once if that was never asked.

    A lease goes on: what it registers is removed when it ends.
    """
    if webhook.token == 0:
        forget(webhook)
        return
    webhook.state, webhook.failures = State.REMOVING, 0
    if webhook.lease_until is None:
        webhook.next_at = now()
    webhook.save(update_fields=["state", "failures", "next_at"])


def forget(webhook: ServiceWebhook) -> None:
    """Delete a row with its secret."""
    secret = webhook.secret
    webhook.delete()
    if secret is not None:
        audit.record(None, "secret.deleted", secret)
        secret.delete()


def leave_all(sender: Any, instance: Workflow, **_: Any) -> None:
    """Leave the webhooks of a workflow that is being deleted. A receiver of `pre_delete`, in its transaction."""
    present = instance.service_webhooks.exclude(state=State.REMOVING).select_for_update()
    for webhook in list(present):
        leave(webhook)


def try_again(sender: Any, connection: Connection, **_: Any) -> None:
    """Make failed registrations of a connection due that works again. A receiver of `health.recovered`."""
    failed = ServiceWebhook.objects.filter(connection=connection.slug, failures__gt=0, lease_until=None)
    failed.update(next_at=AutomateNow())
