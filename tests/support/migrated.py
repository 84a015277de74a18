"""The tests' database as `migrate` makes it: once for all processes of a run, which copy it from a dump."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from automate_site.embedded_postgres import binaries
from tests.support.cluster import is_our_cluster

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "test-database"


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest, django_db_modify_db_settings: None) -> bool:
    """Whether the test database is there before pytest-django sets it up: always, in a cluster of the tests' own."""
    if not is_our_cluster():
        return bool(request.config.option.reuse_db)
    from django.db import connection

    name = connection.creation._get_test_db_name()
    url = re.sub(r"/\w+\?", f"/{name}?", os.environ["DATABASE_URL"])
    _run("psql", "--quiet", f"--command=CREATE DATABASE {name}", os.environ["DATABASE_URL"])
    with _one_at_a_time():
        dump = KEPT / f"{_state_of_sources()}.dump"
        if dump.exists():
            _run("pg_restore", "--exit-on-error", f"--dbname={url}", str(dump))
            return True
        migrate = [sys.executable, "-W", "ignore", "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=True)
        for older in KEPT.glob("*.dump"):
            older.unlink()
        _run("pg_dump", "--format=custom", f"--file={dump}", url)
    return True


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _state_of_sources() -> str:
    """A name for what decides how the database looks: the migrations, and the modules of ours that they import."""
    from django.apps import apps

    state, imported = hashlib.sha256(str(binaries()).encode()), set()
    for config in apps.get_app_configs():
        for source in sorted((Path(config.path) / "migrations").rglob("*.py")):
            text = source.read_bytes()
            state.update(str(source).encode() + text)
            imported.update(re.findall(rb"^\s*(?:from|import) (automate_[\w.]+)", text, re.MULTILINE))
    for name in sorted(imported):
        found = importlib.util.find_spec(name.decode())
        state.update(Path(found.origin).read_bytes() if found and found.origin else b"")
    return state.hexdigest()[:32]


def _run(program: str, *arguments: str) -> None:
    subprocess.run([binaries() / program, *arguments], check=True)
