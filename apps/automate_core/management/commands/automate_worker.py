"""Run a worker."""

from __future__ import annotations

import os
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from automate_core.worker import Worker


class Command(BaseCommand):
    help = "Run a worker until it is stopped. SIGTERM or Ctrl-C finishes what is running; a second one ends at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--concurrency", type=int, help="jobs held at once, and threads for their effects")
        parser.add_argument("--drain", action="store_true", help="stop when no job is ready")

    def handle(self, *args: Any, **options: Any) -> None:
        concurrency = options["concurrency"]
        if concurrency is not None and not 1 <= concurrency <= 200:
            raise CommandError("--concurrency takes a number from 1 to 200", returncode=2)
        worker = Worker(concurrency=concurrency, drain=options["drain"])

        def stop(number: int, frame: object) -> None:
            for again in (signal.SIGTERM, signal.SIGINT):
                signal.signal(again, lambda number, frame: os._exit(128 + number))
            worker.stop()

        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, stop)
        worker.run()
