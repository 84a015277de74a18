"""Write the database, the keys and the stored files into one archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from automate_core.operations.backup import archive
from automate_core.operations.backup.errors import BackupError
from automate_core.operations.backup.passphrase import new_passphrase
from automate_governance import audit
from automate_governance.models import SitePermission


class Command(BaseCommand):
    help = (
        "Write the whole database, the keys and the stored files to FILE. The site can be running or stopped. "
        "Exit code 2 when the backup cannot be written."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="TARGET", type=Path, help="a file that does not exist yet")
        parser.add_argument(
            "--encrypt",
            action="store_true",
            help="encrypt with a passphrase: asked for, or from AUTOMATE_BACKUP_PASSPHRASE",
        )
        parser.add_argument("--without-keys", action="store_true", help="do not include the keys; store them elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        target, with_keys = options["file"], not options["without_keys"]
        try:
            passphrase = new_passphrase(asked=options["encrypt"])
            with transaction.atomic():  # committed first, so that the backup tells of itself
                changes = {"file": target.name, "encrypted": bool(passphrase), "keys": with_keys}
                audit.record(None, "site.backup_started", SitePermission(pk=1), changes=changes)
            files = archive.write_archive(target, passphrase=passphrase, with_keys=with_keys)
        except (BackupError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{target}: database, {'keys, ' if with_keys else ''}{files} stored files")
        if with_keys and not passphrase:
            self.stderr.write("The archive contains the keys in plain text. Anyone who has it can read every secret.")
