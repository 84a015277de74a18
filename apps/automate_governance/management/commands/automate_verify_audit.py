"""Check the audit trail's hash chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_governance import audit
from automate_governance.audit import verification
from automate_governance.commands import EnglishCommand


class Command(EnglishCommand):
    help = (
        "Verify the hash chain of the audit trail, record the result in the trail, and print its head. Exit code 1 when"
        " an error is found."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--export", metavar="FILE", help="also verify the signature of an exported file")
        parser.add_argument("--head", default="", help="a head printed earlier, which must still be in the chain")

    def handle(self, *args: Any, **options: Any) -> None:
        faults = verification.verify_whole(head=options["head"])
        if options["export"]:
            try:
                faults += audit.verify_export(Path(options["export"]).read_bytes())
            except OSError as error:
                raise CommandError(f"{options['export']}: {error.strerror}", returncode=2) from error
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"The audit trail has {len(faults)} error(s).", returncode=1)
        self.stdout.write(f"The audit trail is intact. Head: {audit.chain_head() or 'none (empty)'}")
