"""Check the audit trail's hash chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from automate_governance import audit


class Command(BaseCommand):
    help = "Check the hash chain of the audit trail and print its head. Exit 1 when a fault is found."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--export", metavar="FILE", help="check the signature of an exported file as well")
        parser.add_argument("--head", default="", help="a head printed earlier; it must still be in the chain")

    def handle(self, *args: Any, **options: Any) -> None:
        faults = list(audit.verify(head=options["head"]))
        if options["export"]:
            try:
                faults += audit.verify_export(Path(options["export"]).read_bytes())
            except OSError as error:
                raise CommandError(f"{options['export']}: {error.strerror}", returncode=2) from error
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"the audit trail has {len(faults)} fault(s)", returncode=1)
        self.stdout.write(f"the audit trail is whole; head {audit.chain_head() or 'none (empty)'}")
