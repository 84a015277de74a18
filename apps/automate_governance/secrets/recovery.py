"""Recovery from a lost key: its secrets are marked, the site starts, and their values are entered again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from automate_governance import audit
from automate_governance.models import StoredSecret
from automate_governance.reference_registry import describe_referrers
from automate_governance.secrets.keyring import keyring


@dataclass(frozen=True)
class UnreadableSecret:
    """A secret whose key is not configured, with a line for each referrer."""

    secret: StoredSecret
    uses: list[str]


def list_unreadable() -> Iterator[UnreadableSecret]:
    """Yield the secrets whose key is not configured, by name. Raises ImproperlyConfigured when a key is malformed."""
    for secret in _without_key().order_by("name"):
        yield UnreadableSecret(secret, describe_referrers(secret))


@transaction.atomic
def mark_lost() -> list[StoredSecret]:
    """Mark the secrets whose key is not configured, so that processes start without them. Each is audited."""
    lost = list(_without_key().filter(lost_at=None).select_for_update(no_key=True).order_by("pk"))
    _mark(lost, "secret.marked_lost", is_lost=True)
    return lost


@transaction.atomic
def unmark_recovered() -> list[StoredSecret]:
    """Unmark secrets whose key is configured again. Each is audited."""
    marked = StoredSecret.objects.filter(lost_at__isnull=False, key_id__in=list(keyring().by_id))
    found = list(marked.select_for_update(no_key=True).order_by("pk"))
    _mark(found, "secret.found_again", is_lost=False)
    return found


def lost_references() -> list[str]:
    """The references of the secrets that are marked as lost."""
    return [secret.reference for secret in StoredSecret.objects.filter(lost_at__isnull=False).only("name")]


def _without_key() -> QuerySet[StoredSecret]:
    return StoredSecret.objects.exclude(key_id__in=list(keyring().by_id))


def _mark(secrets: Iterable[StoredSecret], verb: str, *, is_lost: bool) -> None:
    for secret in secrets:
        secret.lost_at = timezone.now() if is_lost else None
        secret.save(update_fields=["lost_at"])
        audit.record(None, verb, secret, changes={"key": secret.key_id})
