"""Delete data that is past its retention."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from types import FrameType
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from automate_core import database
from automate_core.management import lookups
from automate_core.models import Pruning, Workflow
from automate_governance import audit
from automate_governance.commands import EnglishCommand
from automate_governance.permissions import SITE
from automate_operations.retention import pruning
from automate_operations.retention.describe import describe_counts

TELL_SECONDS = 2.0
INTERRUPTED = 130


class Command(EnglishCommand):
    help = (
        "Delete expired runs, events and jobs in small batches. An interrupted pruning continues where it stopped. "
        "Exit code 0 when done, 130 when interrupted, 1 when the database failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workflow", metavar="SLUG", help="only runs of this workflow")
        parser.add_argument("--dry-run", action="store_true", help="only count what would be deleted")
        parser.add_argument(
            "--share",
            type=int,
            default=50,
            metavar="PERCENT",
            help="share of the time it may use, 1 to 100; default: 50",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["workflow"]
        workflow = lookups.find_workflow(slug) if slug is not None else None
        if not 1 <= options["share"] <= 100:
            raise CommandError("--share must be a number from 1 to 100", returncode=2)
        self._told_at = time.monotonic()
        self._stopping = threading.Event()
        is_main = threading.current_thread() is threading.main_thread()  # no other may take signals
        ends = (signal.SIGINT, signal.SIGTERM) if is_main else ()
        usual = {number: signal.signal(number, self._stop) for number in ends}
        pace = pruning.Pace(seconds=0.25, share=options["share"] / 100)
        try:
            self._foresee(pace, workflow) if options["dry_run"] else self._prune(pace, workflow)
        except Error as error:
            raise CommandError(f"Database error: {str(error).strip()}", returncode=1) from error
        finally:
            for number, handler in usual.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """End after the batch that is being done."""
        self._stopping.set()

    def _prune(self, pace: pruning.Pace, workflow: Workflow | None) -> None:
        """End the one that goes on, and do one from the beginning: that may have passed over what is due now."""
        began, is_whole, done = database.now(), False, Counter[str]()
        changes = {"workflow": workflow.slug} if workflow else {}
        audit.record(None, "retention.prune_started", SITE(pk=0), changes=changes)
        while not is_whole:
            current: Pruning | None = pruning.begin_pruning(by="command", workflow=workflow)
            is_whole = current is None or current.started_at >= began
            before = Counter(current.counts if current else {})
            while current is not None and current.ended_at is None:
                self._check(done + Counter(current.counts) - before)
                current = pruning.prune_batch(current, pace, wait=True)
                self._report(current.counts if current else {})
                self._stopping.wait(pace.pause_seconds)
            done += Counter(current.counts if current else {}) - before
        self.stdout.write(f"Deleted {describe_counts(done)}.")

    def _foresee(self, pace: pruning.Pace, workflow: Workflow | None) -> None:
        counts: Counter[str] = Counter()
        for more in pruning.preview_pruning(pace, workflow):
            counts += more
            self._check(counts)
            self._report(counts)
            self._stopping.wait(pace.pause_seconds)
        self.stdout.write(f"Would delete {describe_counts(counts)}.")

    def _check(self, counts: Mapping[str, int]) -> None:
        if self._stopping.is_set():
            raise CommandError(f"Interrupted after {describe_counts(counts)}", returncode=INTERRUPTED)

    def _report(self, counts: Mapping[str, int]) -> None:
        if time.monotonic() >= self._told_at + TELL_SECONDS:
            self._told_at = time.monotonic()
            self.stderr.write(f"{describe_counts(counts)} so far")
