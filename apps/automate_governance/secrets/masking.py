"""Resolves secrets only to mask them: no use is recorded, and secrets that cannot be read now are skipped."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.views.decorators.debug import sensitive_variables

from automate_governance.models import StoredSecret
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.keyring import KeyUnavailableError
from automate_governance.secrets.resolver import resolve

log = logging.getLogger(__name__)


@sensitive_variables()
def learn_for_masking(references: Iterable[str]) -> None:
    """Teach those secrets to the current redactor context, without recording a use."""
    wanted = set(references)
    names = {reference.partition(":")[2] for reference in wanted if reference.startswith("database:")}
    for secret in StoredSecret.objects.filter(name__in=names) if names else ():
        try:
            secret.reveal()
        except (KeyUnavailableError, ValueError) as error:
            log.warning("the stored secret %s cannot be masked: %s", secret, error)
    for reference in sorted(each for each in wanted if not each.startswith("database:")):
        try:
            resolve(reference)
        except (SecretNotFoundError, SecretUnavailableError) as error:
            log.warning("%s cannot be masked: %s", reference, error)
