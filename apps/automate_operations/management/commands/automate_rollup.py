"""Count the runs that have ended."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_core.models import ExecutionRun
from automate_governance import audit
from automate_governance.commands import EnglishCommand
from automate_governance.permissions import SITE
from automate_operations.statistics import rollup


class Command(EnglishCommand):
    help = (
        "Count ended runs that no worker has counted yet. With --rebuild, recount the stored runs since --since. "
        "Choose a day since which no runs were deleted: counts of earlier days stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="recount the stored runs")
        parser.add_argument(
            "--since", metavar="DAY", help="recount from this day (UTC) on; default: the day of the oldest run"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["since"] and not options["rebuild"]:
            raise CommandError("--since requires --rebuild", returncode=2)
        if not options["rebuild"]:
            while rollup.count_ended_runs() is not None:
                pass
            self.stdout.write("Counted.")
            return
        since = _day(options["since"]) if options["since"] else _first()
        if since is None:
            self.stdout.write("No run has ended.")
            return
        rollup.rebuild_statistics(since)
        audit.record(None, "statistics.rebuilt", SITE(pk=0), changes={"since": f"{since:%Y-%m-%d}"})
        self.stdout.write(f"Recounted since {since:%Y-%m-%d}")


def _day(text: str) -> dt.datetime:
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), tzinfo=dt.UTC)
    except ValueError as error:
        raise CommandError(f"--since: {error}", returncode=2) from error


def _first() -> dt.datetime | None:
    """The time of the oldest stored run: no stored run ended before it."""
    return ExecutionRun.objects.order_by("pk").values_list("created_at", flat=True).first()
