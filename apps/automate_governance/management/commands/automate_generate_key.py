"""Print a new key for stored secrets."""

from __future__ import annotations

import base64
from typing import Any

from django.core.management.base import BaseCommand

from automate_governance.secrets.keyring import generate_key, key_id


class Command(BaseCommand):
    help = "Print a new key for AUTOMATE_SECRETS_KEYS. Put it first to encrypt with it; keep the old ones to read."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        key = generate_key()
        self.stdout.write(key)
        self.stderr.write(
            f"This is key {key_id(base64.urlsafe_b64decode(key))}. Put it first in AUTOMATE_SECRETS_KEYS, restart web"
            " and workers, then run automate_rotate_keys."
        )
