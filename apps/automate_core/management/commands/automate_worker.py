"""Run a worker, or print the state of the queue."""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.utils import translation

from automate_core.outbox.status import QueueStatus, as_json, read_status
from automate_core.worker.early_stop import exit_well_on_sigterm
from automate_core.worker.liveness import SignsOfLife
from automate_core.worker.worker import QuarantineWorker, Worker
from automate_governance import startup
from automate_governance.commands import EnglishCommand
from automate_governance.people import origin


class Command(EnglishCommand):
    help = (
        "Run a worker until it is stopped. SIGTERM or Ctrl-C lets it finish its current work; a second one returns the "
        "work to the queue and exits; a third exits at once. With --status, print the state of the queue; exit code 1 "
        "when no worker is running."
    )

    def run_from_argv(self, argv: list[str]) -> None:
        """A process of its own: SIGTERM is well from here on, also while Python ends and gives up our handlers."""
        exit_well_on_sigterm()
        super().run_from_argv(argv)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency", type=int, help="number of jobs held at once, and of threads for their effects"
        )
        parser.add_argument("--drain", action="store_true", help="stop when no job is ready")
        parser.add_argument("--alive-file", metavar="FILE", type=Path, help="touch this file while the worker works")
        parser.add_argument("--status", action="store_true", help="print workers, leases and queue length")
        parser.add_argument("--json", action="store_true", help="with --status: print JSON")
        # started by a worker: see quarantine.py
        parser.add_argument("--quarantine", nargs=2, metavar=("NAME", "PARENT"), help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        concurrency = options["concurrency"]
        if concurrency is not None and not 1 <= concurrency <= 200:
            raise CommandError("--concurrency must be a number from 1 to 200", returncode=2)
        alive_file: Path | None = options["alive_file"]
        if alive_file and not alive_file.parent.is_dir():
            raise CommandError(f"--alive-file: there is no folder {alive_file.parent}", returncode=2)
        if options["json"] and not options["status"]:
            raise CommandError("--json requires --status", returncode=2)
        if options["status"]:
            self._print_status(as_json_text=options["json"])
        elif options["quarantine"]:
            name, parent = options["quarantine"]
            _run(QuarantineWorker(name, int(parent)))
        else:
            signs = SignsOfLife(alive_file, socket_path=os.environ.get("NOTIFY_SOCKET", ""))
            _run(Worker(concurrency=concurrency, drain=options["drain"], signs=signs))
            signs.end()

    def _print_status(self, *, as_json_text: bool) -> None:
        status = read_status()
        self.stdout.write(json.dumps(as_json(status)) if as_json_text else "\n".join(_lines(status)))
        if not status.live_workers:
            sys.exit(1)


def _run(worker: Worker) -> None:
    """Work, once the keys are found to fit. Each signal is more urgent than the one before."""
    try:
        startup.prepare_process()
    except ImproperlyConfigured as error:
        raise CommandError(str(error), returncode=2) from error
    steps = iter([worker.stop, worker.shutdown_now])

    def urge(number: int, frame: object) -> None:
        next(steps, lambda: os._exit(128 + number))()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, urge)
    gc.freeze()  # the code stays: looking through it for garbage would stop the worker for a tenth of a second
    # What it does is in the site's language, as without a command: only its own words are English.
    with translation.override(settings.LANGUAGE_CODE), origin.process_origin(origin.Source.WORKER):
        worker.run()


def _lines(status: QueueStatus) -> Iterator[str]:
    if not status.live_workers:
        yield "no worker is running"
    for worker in status.workers:
        state = f"holds {worker.held} of {worker.slots}" if worker.is_alive else "stopped without a word"
        ends = f", {worker.leased} leased to it, until in {worker.lease_seconds:.0f} s" if worker.leased else ""
        yield f"worker {worker.name}: {state}, last seen {worker.seen_seconds_ago:.0f} s ago{ends}"
    yield f"leased: {status.leases} (expired: {status.expired_leases})"
    ready = (f"ready to {each.kind}: {each.jobs}, oldest: {each.oldest_seconds:.0f} s" for each in status.ready)
    yield from ready if status.ready else ["ready: 0"]
    yield f"quarantined: {status.suspects}"
    if status.suspects:
        yield "Their worker stopped while it held them. One process runs them one by one, which may take minutes."
    yield f"dead: {status.dead}"
    if status.oldest_transaction is not None and status.oldest_transaction.is_old:
        yield f"{status.oldest_transaction} The queue slows down until it ends."
