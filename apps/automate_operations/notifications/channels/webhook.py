"""Webhooks, signed as in Standard Webhooks."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from automate_connectors.outbound import http_session
from automate_core.models import Notification, NotificationRule
from automate_core.webhooks.schemes.registry import scheme_for
from automate_egress import EgressError
from automate_governance.permissions import Person
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import resolve
from automate_governance.secrets.use import find_forbidden_references
from automate_governance.texts import translated
from automate_operations.notifications import texts
from automate_operations.notifications.channels.base import Channel, rule_of
from automate_operations.notifications.channels.contract import NotDeliveredError
from automate_operations.notifications.rule_values import Incident, RuleValues, Target
from automate_plugins import text
from automate_plugins.typed_values import write_moment

WEBHOOK_SECONDS = 15.0
_RETRYABLE_STATUSES = {408, 425, 429}  #: statuses below 500 after which the same may go well


class WebhookChannel(Channel):
    """A signed POST request with JSON."""

    code = "webhook"
    name = text("Webhook")
    description = text("A signed POST request with JSON")
    icon = "webhook"
    rule_fields = frozenset({"url", "secret"})

    def targets(self, rule: NotificationRule, incident: Incident) -> Iterable[Target]:
        return [Target(urlsplit(rule.url).netloc)]

    def deliver(self, notification: Notification) -> None:
        _call_webhook(notification, rule_of(notification))

    def problems(
        self, rule: NotificationRule, values: RuleValues, people: list[Any], by: Person
    ) -> Iterator[tuple[str, str]]:
        return _webhook_problems(values, by)

    def places(self, rule: NotificationRule) -> list[str]:
        return [urlsplit(rule.url).netloc]  # without the path and the query, which may hold a token


def _webhook_problems(values: RuleValues, by: Person) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(values.url)
        fits = parts.scheme in {"https", "http"} and bool(parts.hostname) and "@" not in parts.netloc
        parts.port  # noqa: B018 # raises for a port that is none
    except ValueError:
        fits = False
    if not fits or len(values.url) > 500 or any(char.isspace() for char in values.url):
        yield "url", _("Enter a URL such as https://example.com/hooks/automate.")
    if not values.secret:
        return
    if found := next(find_forbidden_references(by, {"secret": [values.secret]}), None):
        yield found
        return
    try:
        if problem := scheme_for("standard", {}).secret_problem(resolve(values.secret).reveal()):
            yield "secret", translated(problem)
    except (SecretNotFoundError, SecretUnavailableError) as error:
        yield "secret", str(error)


def webhook_payload(notification: Notification) -> dict[str, Any]:
    """The payload of a webhook."""
    return {
        "type": f"notification.{notification.kind}",
        "timestamp": write_moment(dt.datetime.now(dt.UTC)),
        "data": {
            "id": str(notification.pk),
            "count": notification.count,
            "happened": texts.public_facts(notification.facts),
            "groups": texts.public_groups(notification.facts),
            "workflow": notification.workflow.slug if notification.workflow else None,
        },
    }


def _call_webhook(notification: Notification, rule: NotificationRule) -> None:
    """Signed as Standard Webhooks has it, with a secret of the rule's own."""
    body = json.dumps(webhook_payload(notification)).encode()
    try:
        secret = resolve(rule.secret).reveal()
        signed = scheme_for("standard", {}).sign(
            secret, body, event_type="", delivery=str(notification.pk), url=rule.url
        )
        answer = http_session(deadline=time.monotonic() + WEBHOOK_SECONDS).request(
            "POST",
            rule.url,
            data=body,
            headers={**signed, "Content-Type": "application/json"},
            follow_redirects=False,
        )
    except SecretUnavailableError as error:
        raise NotDeliveredError(str(error), again=True) from error
    except SecretNotFoundError as error:
        raise NotDeliveredError(str(error), again=False) from error
    except EgressError as error:
        raise NotDeliveredError(str(error), again=error.retryable) from error
    if not 200 <= answer.status < 300:
        again = answer.status >= 500 or answer.status in _RETRYABLE_STATUSES
        raise NotDeliveredError(
            text("%(target)s responded with HTTP %(status)s.", target=notification.target, status=str(answer.status)),
            again=again,
        )
