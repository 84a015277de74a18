"""Delete all data of Automate."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_governance.commands import EnglishCommand
from automate_operations import uninstall


class Command(EnglishCommand):
    help = (
        "List the data of Automate in the database and in its storage; with --yes, delete it. Then remove Automate's "
        "apps from the settings. Exit code 1 when runs have not ended, workers are running or webhooks are registered."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="delete the data; without this, only list it")
        parser.add_argument("--force", action="store_true", help="delete even if something speaks against it")
        parser.add_argument("--keep-groups", action="store_true", help="keep the groups, without their permissions")

    def handle(self, *args: Any, **options: Any) -> None:
        obstacles = uninstall.find_obstacles()
        if options["yes"] and obstacles and not options["force"]:
            raise CommandError(
                f"Nothing was deleted: {', '.join(obstacles)}. Use --force to delete anyway.", returncode=1
            )
        self.stdout.write("Deleting:" if options["yes"] else "To be deleted:")
        for line in uninstall.plan_removal(keep_groups=options["keep_groups"]):
            self.stdout.write(f"- {line}")
        if options["yes"]:
            uninstall.remove_everything(keep_groups=options["keep_groups"])
            self.stdout.write("Deleted. Now remove Automate from INSTALLED_APPS, MIDDLEWARE and your URLs.")
            return
        for obstacle in obstacles:
            self.stdout.write(f"Before --yes: {obstacle}.")
        self.stdout.write("Nothing was deleted. Run the command again with --yes.")
