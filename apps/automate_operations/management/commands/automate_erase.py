"""Find everything that holds a person's data, and erase it."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from automate_core.artifacts import ArtifactError
from automate_core.models import Erasure, ErasureItem
from automate_core.states import ErasureStatus
from automate_governance.commands import EnglishCommand
from automate_operations.erasure import erasing
from automate_operations.erasure.describe import describe_erased, describe_found
from automate_operations.erasure.erasing import ErasureError
from automate_operations.erasure.texts import parse_texts
from automate_operations.retention.pruning import Pace
from automate_plugins.errors import AutomateError

MOST_LISTED = 10  #: keys of a kind
TELL_SECONDS = 2.0


class Command(EnglishCommand):
    help = (
        "Find events, runs, files and other data that hold one of the texts as whole words, and with --yes erase them. "
        "Exit code 0 when done, 1 when the database or the storage failed, 2 for invalid input. An erasure that was "
        "interrupted continues with --resume, or is continued by a worker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("texts", nargs="*", metavar="TEXT", help="such as an email address or an order number")
        parser.add_argument("--dry-run", action="store_true", help="only list what is found; this is the default")
        parser.add_argument("--yes", action="store_true", help="erase what is found; needs --reason")
        parser.add_argument("--reason", default="", help="for the audit trail; must not contain the texts")
        parser.add_argument("--resume", action="store_true", help="continue the erasures that were interrupted")

    def handle(self, *args: Any, **options: Any) -> None:
        self._told_at = time.monotonic()
        self._pace = Pace(seconds=0.25, share=0.8)
        try:
            self._resume() if options["resume"] and not options["texts"] else self._search(options)
        except AutomateError as error:
            raise CommandError(str(error), returncode=2) from error
        except (ArtifactError, Error) as error:
            raise CommandError(f"Interrupted: {str(error).strip()} Continue with --resume.", returncode=1) from error

    def _search(self, options: dict[str, Any]) -> None:
        if options["yes"] and options["dry_run"]:
            raise CommandError("Choose one of --dry-run and --yes.", returncode=2)
        if options["resume"]:
            raise CommandError("--resume takes no texts.", returncode=2)
        texts = parse_texts(options["texts"])
        if options["yes"]:
            erasing.check_reason(options["reason"], texts)
        erasure = self._perform(erasing.create_search(texts, by=None))
        self._list(erasure)
        if not options["yes"]:
            erasing.stop_erasure(erasure, by=None)
            self.stdout.write(f"Would erase {describe_erased(erasure.counts)}. Nothing was changed.")
            return
        erasing.begin_erasure(erasure, reason=options["reason"], by=None)
        self._report(self._perform(erasure))

    def _resume(self) -> None:
        for erasure in Erasure.objects.filter(status=ErasureStatus.ERASING).order_by("pk"):
            self._report(self._perform(erasure))

    def _perform(self, erasure: Erasure) -> Erasure:
        """Perform batches until the search or the erasure has ended; workers may take part."""
        while True:
            current = erasing.run_batch(erasure.pk, self._pace, wait=True)
            if current is None:
                raise ErasureError("The erasure was deleted.")
            if current.status not in (ErasureStatus.SEARCHING, ErasureStatus.ERASING):
                return current
            if time.monotonic() >= self._told_at + TELL_SECONDS:
                self._told_at = time.monotonic()
                self.stderr.write(f"{current.looked} rows searched, {describe_erased(current.counts)} erased so far")
            time.sleep(self._pace.pause_seconds)

    def _list(self, erasure: Erasure) -> None:
        for found in describe_found(erasure):
            left = {ErasureItem.State.IN_USE: " (in use)", ErasureItem.State.KEPT: " (not erased)"}.get(
                ErasureItem.State(found.state), ""
            )
            self.stdout.write(f"{found.words}{left}: {found.action}")
            for key in found.keys[:MOST_LISTED]:
                self.stdout.write(f"  {key}")
            if found.count > MOST_LISTED:
                self.stdout.write(f"  and {found.count - MOST_LISTED} more")

    def _report(self, erasure: Erasure) -> None:
        self._list(erasure)
        if erasure.status != ErasureStatus.DONE:
            raise CommandError(f"The erasure was stopped after {describe_erased(erasure.counts)}.", returncode=1)
        self.stdout.write(f"Erased {describe_erased(erasure.counts)}.")
