"""A process that has imported what is not ours, and forks to run tests: a run begins in a second instead of ten.

`python -m tests.mutations.warm SOCKET TEST-FILE...`: the files are run once, to make the database and to learn what
they import. Each later request, from `ask.py`, is one run of pytest.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import psycopg

OURS = ("automate_", "tests", "acme", "conftest", "__")
TEMPLATE = "mutations_template"
PYTEST = [
    "-q", "-x", "--reuse-db", "--tb=line", "--no-header", "--hypothesis-seed=0",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",
]  # fmt: skip
KILLED = 124


def main(path: str, *files: str) -> None:
    """Answer requests until the process is ended."""
    warm_up(list(files))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen()
        while True:
            connection, _ = server.accept()
            with connection, connection.makefile("rw") as stream, contextlib.suppress(BrokenPipeError):
                deadline, *arguments = json.loads(stream.readline())
                code = run(arguments, deadline)
                stream.write(f"{code}\n")
                stream.flush()


def warm_up(files: list[str]) -> None:
    """Run the files once, keep the database that they made, and import what they imported of other people."""
    with tempfile.NamedTemporaryFile("r") as names:
        if code := run(files, 900, names.name):
            sys.exit(f"The tests fail without a mutation: {code}")
        imported = names.read().split()
    with contextlib.suppress(psycopg.errors.InvalidCatalogName):  # tests that use none make none
        _sql(f'CREATE DATABASE "{TEMPLATE}" TEMPLATE "{_database()}"')
    settings = os.environ.pop("DJANGO_SETTINGS_MODULE", None)  # what needs settings is imported by each run
    for name in imported:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    if settings:
        os.environ["DJANGO_SETTINGS_MODULE"] = settings
    sys.dont_write_bytecode = True  # a mutation is as old and as long as the original
    gc.collect()
    gc.freeze()


def run(arguments: list[str], deadline: float, names: str = "") -> int:
    """The exit code of pytest in a process of its own. After the deadline it is killed, and its database made anew."""
    child = os.fork()
    if child == 0:
        _child(arguments, names)
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with contextlib.suppress(psycopg.errors.InvalidCatalogName):
        _sql(f'DROP DATABASE IF EXISTS "{_database()}" WITH (FORCE)')
        _sql(f'CREATE DATABASE "{_database()}" TEMPLATE "{TEMPLATE}"')
    return KILLED


def _child(arguments: list[str], names: str) -> None:
    code = 70
    try:
        os.setsid()
        import pytest

        code = int(pytest.main([*PYTEST, *arguments]))
        if names:
            Path(names).write_text("\n".join(name for name in list(sys.modules) if not name.startswith(OURS)))
    finally:
        sys.stdout.flush()
        os._exit(code)


def _database() -> str:
    return "test_" + os.environ["DATABASE_URL"].partition("?")[0].rpartition("/")[2]


def _sql(statement: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as session:
        session.execute(statement)


if __name__ == "__main__":
    main(*sys.argv[1:])
