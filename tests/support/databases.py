"""Databases beside that of the tests, migrated by commands as processes, and dumps of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import psycopg

from automate_site.embedded_postgres import binaries
from tests.conftest import ROOT


def migrated(url: str, name: str, *command: str) -> str:
    """A new database, migrated; returns its URL."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        session.execute(f'CREATE DATABASE "{name}"')
    made = re.sub(r"/\w+\?", f"/{name}?", url)
    run(made, *command)
    return made


def run(url: str, *command: str) -> None:
    command = (sys.executable, "-W", "ignore", *command, "--verbosity=0")
    subprocess.run(command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=True)


def dump(url: str, *options: str) -> str:
    """What `pg_dump` writes of a database, without what differs each time."""
    command = [binaries() / "pg_dump", "--no-owner", *options, url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(r"(?m)^(--|\\(un)?restrict ).*\n", "", text)
