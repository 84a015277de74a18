"""Replay events that started no run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from automate_core.management import lookups
from automate_core.models import Event
from automate_governance.commands import EnglishCommand
from automate_governance.permissions import Person
from automate_operations import bulk_replay
from automate_operations.bulk_replay import ReplaySelection
from automate_operations.queries.event_search import SearchError
from automate_operations.queries.run_filters import PERIODS

_FILTERS = {"q": "search", "source": "source", "type": "type", "since": "since", "until": "until"}


class Command(EnglishCommand):
    help = (
        "Replay events that started no run. Select them by id or by filters. Each starts the workflows that match it"
        " now and that the acting user may run. Exit code 1 when some were refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=["replay"])
        parser.add_argument("events", nargs="*", metavar="ID", help="ids of events")
        parser.add_argument("--source", help="events of this source, such as webhook:github")
        parser.add_argument("--type", help="events of this type")
        parser.add_argument("--since", choices=PERIODS, help="events of the last hours or days, or of a day")
        parser.add_argument("--until", metavar="TIME", help="events received until then, such as 2026-05-31T12:00Z")
        parser.add_argument("--search", metavar="TEXT", help="id, trace id or its beginning, or delivery key")
        parser.add_argument("--as", dest="user", metavar="USER", help="acting user; default: the only superuser")
        parser.add_argument("--dry-run", action="store_true", help="only count the events")

    def handle(self, *args: Any, **options: Any) -> None:
        by = lookups.find_person(options["user"])
        found = _found(options, by)
        if problem := bulk_replay.nothing_to_replay_reason(found):
            raise CommandError(problem, returncode=2)
        self.stdout.write(f"{len(found.ids)} of {found.found} events that started no run {_left_out(found)}")
        if options["dry_run"]:
            return
        done = bulk_replay.replay_now(found.ids, by)
        self.stdout.write(f"{done.done} replayed")
        for event_id, reason in done.refused.items():
            self.stderr.write(f"{event_id}: {reason}")
        if done.refused:
            raise CommandError(f"{len(done.refused)} refused", returncode=1)


def _found(options: dict[str, Any], by: Person) -> ReplaySelection:
    """The events that the arguments name. Raises CommandError."""
    filters = {name: options[option] for name, option in _FILTERS.items() if options[option]}
    if bool(options["events"]) == bool(filters):
        raise CommandError("Select events either by id or by filters, such as --source and --since.", returncode=2)
    if not filters:
        keys = [lookups.read_key(each, "event") for each in options["events"]]
        lookups.check_ids_exist(Event, keys, "event")
        return bulk_replay.select_chosen(by, keys)
    try:
        return bulk_replay.select_filtered(by, filters, timezone.now())
    except SearchError as error:
        raise CommandError(str(error), returncode=2) from error


def _left_out(found: ReplaySelection) -> str:
    reasons = {
        "already replayed": found.replayed,
        "not processed yet": found.unprocessed,
        "cannot be replayed": found.unsuitable,
        "payload not permitted": found.unreadable,
    }
    named = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return f"can be replayed; left out: {named}" if named else "can be replayed"
