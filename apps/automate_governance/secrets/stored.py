"""Secrets from the database, encrypted: `database:slack-token` is the StoredSecret of that name."""

from __future__ import annotations

import datetime as dt

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from automate_governance.models import StoredSecret
from automate_governance.secrets.interfaces import SecretLostError, SecretNotFoundError, SecretsBackend
from automate_governance.secrets.keyring import KeyUnavailableError
from automate_plugins import text

USE_INTERVAL = dt.timedelta(minutes=5)


class StoredSecretsBackend(SecretsBackend):
    """Reads and decrypts StoredSecret rows. When one was last used is written at most every five minutes."""

    description = text("Reads the secrets that are stored encrypted in the database.")

    def get_secret(self, key: str) -> str:
        """Return the decrypted value. Raises SecretNotFoundError, KeyUnavailableError or ValueError (altered).

        One whose loss was accepted raises SecretLostError.
        """
        secret = StoredSecret.objects.filter(name=key).first()
        if secret is None:
            raise SecretNotFoundError(text("There is no stored secret named '%(name)s'.", name=key))
        try:
            value = secret.reveal()
        except KeyUnavailableError:
            if secret.lost_at is None:  # a process that has the key may come
                raise
            raise SecretLostError(
                text("The value of '%(name)s' was lost with its key. Enter it again.", name=key)
            ) from None
        if secret.last_used_at is None or secret.last_used_at < timezone.now() - USE_INTERVAL:
            _mark_used(secret)
        return value


def _mark_used(secret: StoredSecret) -> None:
    """Write the time once, however many processes get here at the same time."""
    stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - USE_INTERVAL)
    StoredSecret.objects.filter(stale, pk=secret.pk).update(last_used_at=Now())
