"""All tests, on throw-away PostgreSQLs: those in a browser after all others.

The browser's event loop stays in its thread, where other tests want one of their own: so two runs of pytest. Side by
side they take longer on two cores than one after the other. Arguments go to both, such as `-m extended`.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

WORKERS = ["--numprocesses", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]
NO_TESTS = 5  # pytest's exit code when there was nothing to run


def main(arguments: list[str]) -> int:
    """The exit code of a part that failed, or 0."""
    started = time.monotonic()
    codes = [
        _pytest("--maxprocesses", "4", *arguments, "--ignore", "tests/e2e", "tests"),
        _pytest("--maxprocesses", "2", *arguments, "tests/e2e"),
    ]
    failed = [code for code in codes if code not in {0, NO_TESTS}]
    print(f"\n{'FAILED' if failed else 'Passed'} after {time.monotonic() - started:.0f} s", flush=True)
    return failed[0] if failed else 0


def _pytest(*arguments: str) -> int:
    """Its exit code; Ctrl-C reaches it too, and it puts its databases away before it ends."""
    process = subprocess.Popen([sys.executable, "-m", "pytest", *WORKERS, *arguments])
    with contextlib.suppress(KeyboardInterrupt):
        return process.wait()
    return process.wait()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
