"""Items about accounts, secrets and connections."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth import get_user_model

from automate_connectors.models import Connection
from automate_connectors.oauth import expiry
from automate_core import database
from automate_governance import sign_in
from automate_governance.models import StoredSecret
from automate_governance.people.names import sign_in_name
from automate_operations.site_status.registry import MOST, Finding, Severity, StatusItem
from automate_plugins import ntext, text


def find_locked_accounts() -> Iterator[Finding]:
    """Accounts that no one can sign in to at the moment."""
    model = get_user_model()
    for person in sign_in.locked_people()[:MOST]:
        message = text(
            "Sign-in of %(person)s is locked after too many failed attempts. Unlock it if the attempts were theirs.",
            person=sign_in_name(person),
        )
        view = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        yield Finding.warning(message, view, person.pk)


def find_lost_keys() -> Iterator[Finding]:
    """Secrets whose key was lost."""
    lost = StoredSecret.objects.filter(lost_at__isnull=False).count()
    if lost:
        message = ntext(
            "The key of %(count)s secret was lost. Enter its value again.",
            "The keys of %(count)s secrets were lost. Enter their values again.",
            lost,
        )
        view = "admin:automate_governance_storedsecret_changelist"
        yield Finding.error(message, view)


def find_ending_credentials() -> Iterator[Finding]:
    """Sign-ins, client secrets and certificates of connections that end within a week."""
    now = database.now()
    for connection in expiry.with_expiring_credentials(Connection.objects.all(), now).order_by("pk")[:MOST]:
        for credential in expiry.expiring_credentials(connection, now):
            severity = Severity.ERROR if credential.ends_at <= now else Severity.WARNING
            yield _connection_finding(connection, severity, credential.message(f"{credential.ends_at:%Y-%m-%d}", now))


def find_broken_connections() -> Iterator[Finding]:
    """Connections that a person has to connect again, and those whose last call was rejected."""
    broken = Connection.objects.filter(health__in=[Connection.Health.RECONNECT, Connection.Health.FAILING])
    for connection in broken.order_by("-health", "pk")[:MOST]:
        if connection.health == Connection.Health.RECONNECT:
            message = text("The connection %(name)s must be reconnected.", name=connection.name)
            yield _connection_finding(connection, Severity.ERROR, message)
        else:
            message = text(
                "The connection %(name)s is failing. Test it, and check its secret and URL.", name=connection.name
            )
            yield _connection_finding(connection, Severity.WARNING, message)


def _connection_finding(connection: Connection, severity: Severity, message: str) -> Finding:
    view = "admin:automate_connectors_connection_change"
    return Finding(severity=severity, message=message, view=view, args=[connection.pk])


ITEMS = (
    StatusItem(
        code="accounts",
        title=text("Locked accounts"),
        ok=text("No account is locked."),
        find=find_locked_accounts,
    ),
    StatusItem(
        code="keys",
        title=text("Keys of secrets"),
        ok=text("All stored secrets can be read."),
        find=find_lost_keys,
        on_overview=False,
    ),
    StatusItem(
        code="credentials",
        title=text("Expiring credentials"),
        ok=text("No sign-in, client secret or certificate of a connection expires within a week."),
        find=find_ending_credentials,
    ),
    StatusItem(
        code="connections",
        title=text("Connections"),
        ok=text("No connection is failing, and none must be reconnected."),
        find=find_broken_connections,
        on_overview=False,
    ),
)
