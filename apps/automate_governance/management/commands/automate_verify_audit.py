"""Check the audit trail's hash chain."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from automate_governance import audit


class Command(BaseCommand):
    help = "Check the hash chain of the audit trail and print its head. Exit 1 when a fault is found."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--head", default="", help="a head printed earlier; it must still be in the chain")

    def handle(self, *args: Any, **options: Any) -> None:
        faults = list(audit.verify(head=options["head"]))
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"the audit trail has {len(faults)} fault(s)", returncode=1)
        self.stdout.write(f"the audit trail is whole; head {audit.head() or 'none (empty)'}")
