"""Write the database, the keys and the stored files into one archive."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from automate_governance import audit
from automate_governance.commands import EnglishCommand
from automate_governance.models import SitePermission
from automate_operations.backup import archive
from automate_operations.backup.errors import BackupError
from automate_operations.backup.passphrase import new_passphrase

_NAME = "automate-%Y-%m-%dT%H%M%SZ.automate"  #: of an archive in a folder; in the order of time
_NAMED = re.compile(r"automate-\d{4}-\d\d-\d\dT\d{6}Z\.automate")


class Command(EnglishCommand):
    help = (
        "Write the whole database, the keys and the stored files to TARGET. The site can be running or stopped. "
        "Exit code 2 when the backup cannot be written."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "target",
            metavar="TARGET",
            type=Path,
            help="a file that does not exist yet, or a folder: the archive is named after the time",
        )
        parser.add_argument(
            "--keep",
            metavar="N",
            type=int,
            help="with a folder: delete older archives named after their time, and keep the newest N",
        )
        parser.add_argument(
            "--encrypt",
            action="store_true",
            help="encrypt with a passphrase: asked for, or from AUTOMATE_BACKUP_PASSPHRASE",
        )
        parser.add_argument("--without-keys", action="store_true", help="do not include the keys; store them elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        target, with_keys, keep = options["target"], not options["without_keys"], options["keep"]
        if keep is not None and (keep < 1 or not target.is_dir()):
            raise CommandError("--keep takes a number from 1, and an existing folder as TARGET.", returncode=2)
        folder = target if target.is_dir() else None
        target = target / f"{timezone.now():{_NAME}}" if folder else target
        try:
            passphrase = new_passphrase(asked=options["encrypt"])
            with transaction.atomic():  # committed first, so that the backup tells of itself
                changes = {"file": target.name, "encrypted": bool(passphrase), "keys": with_keys}
                audit.record(None, "site.backup_started", SitePermission(pk=1), changes=changes)
            files = archive.write_archive(target, passphrase=passphrase, with_keys=with_keys)
            audit.record(None, "site.backup_finished", SitePermission(pk=1), changes={"file": target.name})
            deleted = _delete_older(folder, keep) if folder and keep else 0
        except (BackupError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{target}: database, {'keys, ' if with_keys else ''}{files} stored files")
        if deleted:
            self.stdout.write(f"Deleted {deleted} older archives.")
        if with_keys and not passphrase:
            self.stderr.write("The archive contains the keys in plain text. Anyone who has it can read every secret.")


def _delete_older(folder: Path, keep: int) -> int:
    """Delete all archives of the folder that this command named but the newest `keep`, and give their number."""
    older = sorted(path for path in folder.iterdir() if _NAMED.fullmatch(path.name))[:-keep]
    for path in older:
        path.unlink()
    return len(older)
