"""Bring all stored secrets under the newest key."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from automate_governance.commands import EnglishCommand
from automate_governance.secrets import rotation
from automate_governance.secrets.keyring import keyring


class Command(EnglishCommand):
    help = (
        "Re-encrypt the data keys of all stored secrets with the first key of AUTOMATE_SECRETS_KEYS. Values do not "
        "change. The command can be stopped and run again. Exit code 1 when some could not be re-encrypted."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only list the keys in use")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ring = keyring()
            if options["dry_run"]:
                self._say_keys(ring.active, list(ring.by_id))
                return
            faults = self._rotate()
        except ImproperlyConfigured as error:
            raise CommandError(str(error), returncode=2) from error
        self._say_keys(ring.active, list(ring.by_id))
        if faults:
            raise CommandError(f"{len(faults)} secret(s) could not be re-encrypted, see above", returncode=1)

    def _rotate(self) -> list[str]:
        faults: list[str] = []
        for progress in rotation.rewrap_all():
            self.stdout.write(f"re-encrypted {progress.done} of {progress.total}")
            self.stdout.flush()
            faults = progress.faults
        for fault in faults:
            self.stderr.write(fault)
        return faults

    def _say_keys(self, active: str | None, configured: list[str]) -> None:
        in_use = rotation.keys_in_use()
        for key_id, count in in_use.items():
            state = "the newest" if key_id == active else "old" if key_id in configured else "not configured"
            self.stdout.write(f"key {key_id} ({state}): {count} secret(s)")
        if not in_use:
            self.stdout.write("No secrets are stored.")
        for key_id in configured:
            if key_id != active and key_id not in in_use:
                self.stdout.write(f"key {key_id} is only needed for older backups")
