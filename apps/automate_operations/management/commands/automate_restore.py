"""Restore an archive into an empty site, and report on its runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_governance.commands import EnglishCommand
from automate_operations.backup import archive, keys, report, restore
from automate_operations.backup.errors import BackupError
from automate_operations.backup.passphrase import known_passphrase


class Command(EnglishCommand):
    help = (
        "Restore an archive of automate_backup into an empty database and an empty storage. Reports which runs "
        "continue, which attempts are in doubt and which callback URLs are invalid. Exit code 2 when it fails."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--keys-to", metavar="FOLDER", type=Path, help="only write the keys of the archive to this folder"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        source: Path = options["file"]
        try:
            passphrase = known_passphrase() if archive.is_sealed(source) else ""
            if options["keys_to"]:
                self._write_keys(restore.read_keys(source, passphrase=passphrase), options["keys_to"])
                return
            result = restore.restore_archive(source, passphrase=passphrase)
        except (BackupError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"Restored: database and {result.files} stored files.")
        for line in result.keys:
            self.stdout.write(f"Key written: {line}.")
        for line in report.report_lines(result):
            self.stdout.write(line)

    def _write_keys(self, found: dict[str, str], folder: Path) -> None:
        for name, value in found.items():
            keys.write_key(folder / name, value)
            self.stdout.write(f"{folder / name}")
        if not found:
            raise CommandError("The archive contains no keys.", returncode=2)
