"""Unlock sign-in for a person after too many failed attempts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_governance import sign_in
from automate_governance.commands import EnglishCommand
from automate_governance.people import names


class Command(EnglishCommand):
    help = "Delete the failed sign-ins of an account or of a network address. Audited."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("user", nargs="?", metavar="USER", help="user name for sign-in")
        which.add_argument("--address", metavar="ADDRESS", help="network address, such as 192.0.2.7")

    def handle(self, *args: Any, **options: Any) -> None:
        user, address = options["user"] or "", options["address"] or ""
        if not user and not address:
            raise CommandError("Choose what to unlock: USER, or --address ADDRESS", returncode=2)
        found = sign_in.unlock(name=user, address=address)
        if user and not found and not names.people_named(user).exists():
            raise CommandError(f"There is no user {user!r}.", returncode=2)
        self.stdout.write(f"{user or address} is unlocked" if found else f"{user or address} was not locked")
