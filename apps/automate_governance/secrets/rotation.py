"""Rotation of the key-encryption key: data keys are wrapped again in batches; values are not touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Count

from automate_governance import audit
from automate_governance.models import SitePermission, StoredSecret
from automate_governance.secrets.keyring import KeyUnavailableError, keyring
from automate_plugins import text

BATCH = 100


@dataclass(slots=True)
class Progress:
    """The progress of a rotation. `faults` holds a sentence for each secret that could not be wrapped."""

    total: int
    done: int = 0
    faults: list[str] = field(default_factory=list)


def rewrap_all() -> Iterator[Progress]:
    """Wrap every stored secret with the newest key; yields after each committed batch.

    It may be stopped at any point and started again. Raises ImproperlyConfigured when a key is malformed,
    KeyUnavailableError when there is none.
    """
    active = _active_key_id()
    waiting = StoredSecret.objects.exclude(key_id=active).order_by("pk")
    progress, after = Progress(total=waiting.count()), 0
    while True:
        with transaction.atomic():
            batch = list(waiting.select_for_update(no_key=True).filter(pk__gt=after)[:BATCH])
            wrapped = [secret for secret in batch if _try_rewrap(secret, progress)]
            for secret in wrapped:
                StoredSecret.objects.filter(pk=secret.pk).update(key_id=secret.key_id, wrapped_key=secret.wrapped_key)
            if wrapped:
                changes = {"key": active, "secrets": len(wrapped)}
                audit.record(None, "secrets.rewrapped", SitePermission(pk=1), changes=changes)
        if not batch:
            return
        progress.done += len(wrapped)
        after = batch[-1].pk
        yield progress


def keys_in_use() -> dict[str, int]:
    """Return how many stored secrets each key wraps, by the key's id."""
    return dict(StoredSecret.objects.order_by("key_id").values_list("key_id").annotate(Count("pk")))


def _active_key_id() -> str:
    active = keyring().active
    if active is None:
        raise KeyUnavailableError(text("No key for secrets is configured. Set AUTOMATE_SECRETS_KEYS."))
    return active


def _try_rewrap(secret: StoredSecret, progress: Progress) -> bool:
    try:
        secret.rewrap()
    except (KeyUnavailableError, ValueError) as error:  # the others need not wait for it
        progress.faults.append(f"{secret}: {error}")
        return False
    return True
