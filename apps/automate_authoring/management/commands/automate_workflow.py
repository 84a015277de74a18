"""Pause, resume, archive and restore workflows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_authoring import pausing
from automate_core.management import lookups
from automate_governance.commands import EnglishCommand
from automate_plugins.errors import AutomateError


class Command(EnglishCommand):
    help = "Pause, resume, archive or restore a workflow. Exit code 2 when it fails."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=["pause", "resume", "archive", "restore"])
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument(
            "--backlog",
            choices=["run", "discard"],
            default="run",
            help="resume: run or discard events that arrived meanwhile",
        )
        parser.add_argument("--reason", default="", help="pause: why, shown with the workflow")
        parser.add_argument("--as", dest="user", metavar="USER", help="acting user; default: the only superuser")

    def handle(self, *args: Any, **options: Any) -> None:
        workflow = lookups.find_workflow(options["slug"])
        by = lookups.find_person(options["user"])
        try:
            if options["verb"] == "pause":
                workflow = pausing.pause(workflow, by, options["reason"])
            elif options["verb"] == "resume":
                workflow = pausing.resume(workflow, by, options["backlog"])
            elif options["verb"] == "archive":
                workflow = pausing.archive(workflow, by)
            else:
                workflow = pausing.restore(workflow, by)
        except AutomateError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{workflow.slug} is {workflow.status}")
