"""Let the site start after a key was lost, and list what has to be entered again."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from automate_governance.commands import EnglishCommand
from automate_governance.secrets import recovery


class Command(EnglishCommand):
    help = (
        "List the stored secrets whose key is not configured, and where they are used. With --accept-loss, mark them "
        "as lost: the site starts without them, and each value must be entered again. Exit code 1 when some are "
        "unreadable and not marked, 2 when no key is configured."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--accept-loss", action="store_true", help="mark them as lost: the key cannot be recovered")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for secret in recovery.unmark_recovered():
                self.stdout.write(
                    f"{secret}: its key {secret.key_id} is configured again. Restart web servers and workers."
                )
            if options["accept_loss"]:
                recovery.mark_lost()
            found = list(recovery.list_unreadable())
        except ImproperlyConfigured as error:
            raise CommandError(str(error), returncode=2) from error
        for each in found:
            used = f", used by {', '.join(each.uses)}" if each.uses else ", not used"
            self.stdout.write(f"{each.secret}: key {each.secret.key_id} is missing{used}")
        if not found:
            self.stdout.write("All stored secrets can be read.")
        elif all(each.secret.lost_at for each in found):
            self.stdout.write(
                f"{len(found)} marked as lost. Start the site and enter their values under Secrets. Until then, their "
                "webhooks answer 503 to every delivery, so that senders try again later."
            )
        else:
            self.stdout.flush()
            raise CommandError(_NEXT, returncode=1)


_NEXT = (
    "Add the missing key to AUTOMATE_SECRETS_KEYS, or as a new line to the file with the keys. "
    "If the key cannot be recovered, run this command again with --accept-loss: "
    "the site starts, and the values must be entered again."
)
