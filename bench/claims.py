"""A worker that times its claims: [[when each began on the wall clock, milliseconds], ...] in a file, once it ends."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import django


def main(path: Path, sign: Path) -> None:
    django.setup()
    from automate_core.outbox.store import ClaimedJob
    from automate_core.worker.liveness import SignsOfLife
    from automate_core.worker.worker import Worker

    claims: list[tuple[float, float]] = []

    class TimedWorker(Worker):
        def _claim_jobs(self, free: int) -> list[ClaimedJob]:
            at, began = time.time(), time.perf_counter()
            jobs = super()._claim_jobs(free)
            claims.append((at, (time.perf_counter() - began) * 1000))
            return jobs

    worker = TimedWorker(signs=SignsOfLife(sign))
    signal.signal(signal.SIGTERM, lambda number, frame: worker.stop())
    worker.run()
    path.write_text(json.dumps(claims))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
