"""Kinds of what people write themselves: an erasure finds it, and only people know what is to be there instead."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from automate_connectors.models import Connection, OAuthToken
from automate_connectors.stored.models import DeclaredConnectorDraft, DeclaredConnectorVersion
from automate_core import models
from automate_governance.models import AuditEntry
from automate_operations.erasure.sources import Kind, Source
from automate_plugins import ntext, text


def _account_columns() -> tuple[str, ...]:
    fields = (field for field in get_user_model()._meta.concrete_fields if field.name != "password")
    return tuple(
        field.name for field in fields if field.get_internal_type() in ("CharField", "EmailField", "TextField")
    )


#: In the order in which people read them, each with where it is found.
KEPT_KINDS: tuple[tuple[Kind, *tuple[Source, ...]], ...] = (
    (
        Kind(
            name="draft",
            counted=lambda count: ntext("%(count)s workflow draft", "%(count)s workflow drafts", count),
            action=text("Edit the draft in the builder."),
        ),
        Source(
            model=models.Workflow,
            columns=(
                "name",
                "slug",
                "description",
                "pause_reason",
                "tags",
                "vars",
                "subject",
                "search_terms",
                "agents",
                "concurrency",
            ),
            kind="draft",
        ),
        Source(
            model=models.Trigger, columns=("key", "config", "filter", "tested"), kind="draft", key="row.workflow_id"
        ),
        Source(
            model=models.Step,
            columns=("key", "name", "slot", "inputs", "policy", "settings", "notes"),
            kind="draft",
            key="row.workflow_id",
        ),
    ),
    (
        Kind(
            name="version",
            counted=lambda count: ntext("%(count)s published version", "%(count)s published versions", count),
            action=text(
                "A published version cannot be changed. Publish the workflow without the text; older versions stay "
                "until the workflow is deleted."
            ),
        ),
        Source(
            model=models.WorkflowVersion,
            columns=("definition", "message", "message_text"),
            kind="version",
            where="row.test IS NULL",
        ),
    ),
    (
        Kind(
            name="poll",
            counted=lambda count: ntext("%(count)s poll", "%(count)s polls", count),
            action=text("Its position or last error holds the text. The next poll replaces them."),
        ),
        Source(model=models.PollState, columns=("cursor", "error", "error_text"), kind="poll"),
    ),
    (
        Kind(
            name="connection",
            counted=lambda count: ntext("%(count)s connection", "%(count)s connections", count),
            action=text("Edit the connection, or sign in with another account."),
        ),
        Source(
            model=Connection,
            columns=("name", "slug", "config", "oauth", "allowed_hosts", "health_note", "health_text"),
            kind="connection",
        ),
        Source(model=OAuthToken, columns=("account", "kept"), kind="connection", key="row.connection_id"),
    ),
    (
        Kind(
            name="connector",
            counted=lambda count: ntext("%(count)s connector text", "%(count)s connector texts", count),
            action=text("Edit the connector, or delete it with its versions."),
        ),
        Source(model=DeclaredConnectorVersion, columns=("text", "definition", "note"), kind="connector"),
        Source(model=DeclaredConnectorDraft, columns=("text",), kind="connector", key="'draft ' || row.id"),
    ),
    (
        Kind(
            name="webhook",
            counted=lambda count: ntext("%(count)s webhook endpoint", "%(count)s webhook endpoints", count),
            action=text("Edit the webhook endpoint."),
        ),
        Source(model=models.WebhookEndpoint, columns=("slug", "config"), kind="webhook"),
    ),
    (
        Kind(
            name="rule",
            counted=lambda count: ntext("%(count)s notification rule", "%(count)s notification rules", count),
            action=text("Edit the notification rule."),
        ),
        Source(model=models.NotificationRule, columns=("addresses", "room", "url", "config"), kind="rule"),
    ),
    (
        Kind(
            name="actor",
            counted=lambda count: ntext(
                "%(count)s audit entry about what the person did",
                "%(count)s audit entries about what the person did",
                count,
            ),
            action=text("The audit trail keeps who did it, from which address and with which token."),
        ),
        Source(
            model=AuditEntry,
            columns=("actor", "actor_id", "address", "system_user", "credential"),
            kind="actor",
        ),
    ),
    (
        Kind(
            name="account",
            counted=lambda count: ntext("%(count)s user account", "%(count)s user accounts", count),
            action=text("Edit or delete the account. Hand over its work first."),
        ),
        Source(model=get_user_model(), columns=_account_columns(), kind="account"),
    ),
)
