"""Startup of web and worker processes: check the keys of secrets, and learn values to redact."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from automate_governance import checks
from automate_governance.models import StoredSecret
from automate_governance.redaction import log_redaction
from automate_governance.redaction.redactor import redactor
from automate_governance.redaction.site_secrets import site_secrets
from automate_governance.secrets.keyring import KeyUnavailableError

log = logging.getLogger(__name__)


def prepare_process() -> None:
    """Check the keys, and let the process's redactor learn the stored secrets.

    Raises ImproperlyConfigured, one line that says what to do. An unreachable database is no reason to fail: the
    process waits for it, and each secret is checked when it is used.
    """
    log_redaction.guard_process()
    problems = [*checks.check_secrets_keys(None), *checks.check_vault_settings(None)]
    try:
        problems += checks.check_stored_secrets()
        if not problems:
            redactor.learn_entered(*_stored_values())
    except DatabaseError as error:
        log.warning("stored secrets could not be compared with the keys now: %s", str(error).strip())
    finally:
        connections.close_all()
    if problems:
        raise ImproperlyConfigured(" ".join(f"{problem.msg} {problem.hint}" for problem in problems))


def learn_site_secrets() -> None:
    """Learn the secrets of the settings and of the environment."""
    redactor.learn(*site_secrets())


def _stored_values() -> Iterator[str]:
    for secret in StoredSecret.objects.filter(lost_at=None).iterator(chunk_size=1_000):
        try:
            yield secret.reveal()
        except (KeyUnavailableError, ValueError) as error:  # one that was altered keeps nobody from starting
            log.warning("the stored secret %s: %s", secret, error)
