"""A project of somebody else's: what `startproject` makes, and what docs/in-your-project.md tells to add, as printed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import ROOT
from tests.support.processes import free_port, wait_for
from tests.support.wheel import run

HERE = Path(__file__).parent / "project"
KEY = "Zm9yIHRyeWluZyB0aGUgZXhhbXBsZSBvdXQsIGFuZCA="

OWN = """
import os
from urllib.parse import parse_qsl, unquote, urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": _url.path.lstrip("/"), "HOST": _url.hostname or "",
        "PORT": _url.port or "", "USER": unquote(_url.username or ""), "PASSWORD": unquote(_url.password or ""),
        "OPTIONS": dict(parse_qsl(_url.query)),
    }
}
DEBUG = False
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "tracker": {"class": "tracker.Tracker", "level": "ERROR"},
        "file": {"class": "logging.FileHandler", "filename": "errors.log", "level": "ERROR"},
    },
    "root": {"handlers": ["tracker", "file"]},
}
"""


def printed(heading: str, source: Path = ROOT) -> str:
    """The first block of code in docs/in-your-project.md of that checkout below a line that begins so."""
    text = (source / "docs" / "in-your-project.md").read_text()
    found = re.search(rf"^{re.escape(heading)}.*?^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@dataclass
class Host:
    """One project in a folder, with a database of its own."""

    folder: Path
    python: Path
    url: str

    def manage(self, *command: str, fails: bool = False) -> str:
        """What a command of its manage.py says."""
        done = run(self.python, "manage.py", *command, cwd=self.folder, fails=fails, **self.environment)
        return done.stdout + done.stderr

    def visit(self) -> dict[str, Any]:
        """What project/visit.py found."""
        done = run(self.python, "visit.py", cwd=self.folder, **self.environment)
        found: dict[str, Any] = json.loads(done.stdout)
        return {**found, "log": (self.folder / "errors.log").read_text()}

    @property
    def environment(self) -> dict[str, str]:
        """Its settings."""
        return {
            "DJANGO_SETTINGS_MODULE": "example.settings", "DATABASE_URL": self.url, "AUTOMATE_SECRETS_KEY": KEY,
            "PYTHONPYCACHEPREFIX": str(self.folder.parent / "bytecode"),
        }  # fmt: skip

    @contextlib.contextmanager
    def served(self, *command: str) -> Iterator[str]:
        """The address of a web server of it; `command` gets the port."""
        port = free_port()
        log = (self.folder / "server.log").open("w")
        started = subprocess.Popen(
            [str(self.python), *command, str(port)], cwd=self.folder, env={**os.environ, **self.environment},
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(lambda: started.poll() is not None or answer(f"{address}/admin/login/"), seconds=90)
            assert started.poll() is None, (self.folder / "server.log").read_text()
            yield address
        finally:
            started.terminate()
            started.wait(30)
            log.close()


def answer(address: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str] | None:
    """Status and text of an answer; None while nobody is there."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers or {}), timeout=300) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None


@contextlib.contextmanager
def host(
    tmp_path: Path, python: Path, name: str, *, before: str = "", after: str = "", urls: str = ""
) -> Iterator[Host]:
    """A project, and its empty database, which goes with the block.

    `before` and `after` stand around the printed settings; `urls` takes the place of the printed ones.
    """
    run(python, "-m", "django", "startproject", "example", tmp_path)
    for path in HERE.iterdir():
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, tmp_path / path.name)
    made = tmp_path / "example"
    settings = (made / "settings.py").read_text()
    (made / "settings.py").write_text("\n".join([settings, OWN, before, printed("At the end of your settings"), after]))
    (made / "urls.py").write_text((urls or printed("`urls.py`")) + BOOM)
    (made / "asgi.py").write_text(printed("`asgi.py`"))
    (made / "wsgi.py").write_text(printed("`wsgi.py`"))
    with fresh_database(name) as url:
        yield Host(tmp_path, python, url)


@contextlib.contextmanager
def fresh_database(name: str) -> Iterator[str]:
    """The URL of an empty database, which goes with the block."""
    server, _, query = os.environ["DATABASE_URL"].partition("?")
    base = server.rpartition("/")[0]
    with psycopg.connect(f"{base}/postgres?{query}", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "host_{name}"')
        connection.execute(f'CREATE DATABASE "host_{name}"')
        try:
            yield f"{base}/host_{name}?{query}"
        finally:
            connection.execute(f'DROP DATABASE "host_{name}" WITH (FORCE)')


BOOM = """
from tracker import boom

urlpatterns += [path("boom/", boom)]
"""
