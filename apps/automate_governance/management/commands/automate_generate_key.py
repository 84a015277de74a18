"""Print a new key for stored secrets."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from automate_governance.secrets.keyring import generate_key


class Command(BaseCommand):
    help = "Print a new key for AUTOMATE_SECRETS_KEYS. Put it first to encrypt with it; keep the old ones to read."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(generate_key())
