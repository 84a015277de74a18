"""The installed program: it starts fast and knows nothing of Django."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

TOKEN = "dat_AbCd1234_" + "s" * 49


def imported_by(statement):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {statement}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_help_imports_neither_django_nor_a_network_library():
    found = imported_by("from automate_cli.main import main")
    assert "click" in found
    assert not found & {"django", "requests", "urllib3", "ruamel", "ninja", "asyncio"}
    assert {name for name in found if name.startswith("automate_")} == {"automate_cli"}


def test_requests_import_nothing_of_the_server_either():
    found = imported_by("import automate_cli.main, automate_cli.transport")
    assert "requests" in found and not found & {"django", "ninja", "psycopg"}
    assert {name for name in found if name.startswith("automate_")} == {"automate_cli"}


@pytest.mark.extended
def test_it_starts_in_a_moment():
    """Seconds of the processor, the best of some: a busy machine makes nothing slower then."""
    command = [sys.executable, "-c", "from automate_cli.main import main; main()", "--help"]
    best = 9.0
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best < 0.3


def test_an_unexpected_error_is_one_line_without_the_token(cli, sink, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError(f"broken: {TOKEN}\nsecond line")

    monkeypatch.setattr("automate_cli.client.Client.items", fail)
    ended = cli("workflows", "list", "--server", sink.url, AUTOMATE_TOKEN=TOKEN)
    assert (ended.code, ended.err) == (1, "Error: Unexpected error (RuntimeError): broken: dat_*** second line\n")


def test_a_token_has_no_text_of_its_own():
    from automate_cli.credentials import Token

    assert TOKEN not in f"{Token(TOKEN)!r} {Token(TOKEN)} {vars(Token)}"
