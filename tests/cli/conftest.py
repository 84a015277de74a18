"""The command line in this process, with a home of its own."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit code and its two streams."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration folder, and the working folder, of a person who never signed in."""
    for name in ("AUTOMATE_TOKEN", "AUTOMATE_SERVER", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Run `automate` with arguments; `stdin` is what is piped into it, and capitals are environment variables."""
    from automate_cli.main import run

    def call(*arguments: str, stdin: str = "", **variables: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            for name, value in variables.items():
                patch.setenv(name, value)
            capsys.readouterr()
            try:
                code = run(list(arguments))
            except SystemExit as left:  # completion ends like that
                code = int(left.code or 0)
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return call
