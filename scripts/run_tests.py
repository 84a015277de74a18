"""All tests, on throw-away PostgreSQLs: those in a browser beside all others, because each kind waits half of its time.

The browser's event loop stays in its thread, where other tests want one of their own: so two runs of pytest. What the
browser tests say is kept until the others are through. Arguments go to both, such as `-m extended`.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time

WORKERS = ["--numprocesses", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]
NO_TESTS = 5  # pytest's exit code when there was nothing to run


def main(arguments: list[str]) -> int:
    """The exit code of a part that failed, or 0."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        browsers = _pytest("--maxprocesses", "2", *arguments, "tests/e2e", output=output)
        others = _pytest("--maxprocesses", "4", *arguments, "--ignore", "tests/e2e", "tests")
        codes = [_ended(others), _ended(browsers)]
        print("\nTests in a browser:", flush=True)
        output.seek(0)
        sys.stdout.buffer.write(output.read())
    failed = [code for code in codes if code not in {0, NO_TESTS}]
    print(f"\n{'FAILED' if failed else 'Passed'} after {time.monotonic() - started:.0f} s", flush=True)
    return failed[0] if failed else 0


def _pytest(*arguments: str, output: object = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", *WORKERS, *arguments]
    return subprocess.Popen(command, stdout=output, stderr=output and subprocess.STDOUT)  # type: ignore[call-overload]


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; Ctrl-C reaches it too, and it puts its databases away before it ends."""
    with contextlib.suppress(KeyboardInterrupt):
        return process.wait()
    return process.wait()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
