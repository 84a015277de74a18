"""Print a new key for stored secrets."""

from __future__ import annotations

from typing import Any

from automate_governance.commands import EnglishCommand
from automate_governance.generate_key import new_key


class Command(EnglishCommand):
    help = (
        "Print a new key for AUTOMATE_SECRETS_KEYS. Put it first to encrypt with it, and keep the old keys to decrypt."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        key, note = new_key()
        self.stdout.write(key)
        self.stderr.write(note)
