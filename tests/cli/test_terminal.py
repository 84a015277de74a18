"""The program on a terminal: the prompt for the token, widths, colours and Ctrl C."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

pytestmark = pytest.mark.process

TOKEN = "dat_AbCd1234_" + "s" * 49
PROGRAM = [sys.executable, "-c", "from automate_cli.main import main; main()"]


def _as_in_the_foreground():
    """The terminal is its own, and Ctrl-C is not ignored, as it is by what a shell starts in the background."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A program on a terminal of 70 columns: what it shows, and what a person types."""

    def __init__(self, home, *arguments, **variables):
        self._own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**environment, "XDG_CONFIG_HOME": str(home), "TERM": "xterm", **variables},
            preexec_fn=_as_in_the_foreground,
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def wait_for(self, text):
        until = time.monotonic() + 60
        while text not in self.shown:
            assert time.monotonic() < until, self.shown
            self._read()

    def type(self, text):
        os.write(self._own, text.encode())

    def end(self):
        """The exit code, after everything was read."""
        while self._read():
            pass
        os.close(self._own)
        return self.process.wait(180)

    def _read(self):
        if not select.select([self._own], [], [], 60)[0]:
            return False
        try:
            read = os.read(self._own, 65_536)
        except OSError:  # the other side was closed
            return False
        self.shown += read.decode()
        return bool(read)


WORKFLOW = {"slug": "crm", "name": "Customers " * 20, "status": "active", "version": 1, "updated_at": None}


def test_the_prompt_does_not_show_the_token(sink, home):
    sink.answer = lambda number, path: (200, {"id": 1, "owner": "ada", "expires_at": "2027-01-02T03:04:05Z"}, {})
    terminal = Terminal(home, "login", sink.url)
    terminal.wait_for("Token for")
    terminal.type(f"{TOKEN}\n")
    assert terminal.end() == 0
    assert TOKEN not in terminal.shown and "Signed in" in terminal.shown
    assert TOKEN in (home / "automate" / "credentials.json").read_text()


@pytest.mark.matrix
@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_list_fits_and_has_colours(sink, home, variables, coloured):
    sink.answer = lambda number, path: (200, {"items": [WORKFLOW], "next": None}, {})
    terminal = Terminal(home, "workflows", "list", "--server", sink.url, AUTOMATE_TOKEN=TOKEN, **variables)
    assert terminal.end() == 0
    assert ("\x1b[32m" in terminal.shown) is coloured
    if not coloured:
        assert all(len(line) <= 70 for line in terminal.shown.splitlines())


def test_ctrl_c_ends_without_a_traceback(sink, home):
    sink.answer = lambda number, path: (503, {"detail": "Busy."}, {"Retry-After": "20"})
    terminal = Terminal(home, "workflows", "list", "--server", sink.url, AUTOMATE_TOKEN=TOKEN)
    while not sink.calls:
        time.sleep(0.05)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130 and "Traceback" not in terminal.shown
