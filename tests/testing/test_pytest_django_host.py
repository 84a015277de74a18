"""A host that tests with pytest-django: its tests that commit, and `live_server`, work without a line of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SETTINGS = """
from automate_site.settings import *

DATABASES["default"]["TEST"] = {"NAME": "test_of_a_pytest_host"}
"""
TESTS = """
import threading
import urllib.request

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from automate_governance.models import AuditEntry


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 2])
def test_commits(number):
    User.objects.create_user("same", password="a password of tests")
    assert AuditEntry.objects.exists(), "append-only, and of this test alone"


def test_live_server(live_server):
    User.objects.create_user("same")
    with urllib.request.urlopen(f"{live_server.url}/admin/login/") as answer:
        assert answer.status == 200


def test_without_a_database():
    assert True


@pytest.mark.django_db(transaction=True)
def test_leaves_a_session_open():
    opened, closed = threading.Event(), threading.Event()

    def hold():
        connection.ensure_connection()
        opened.set()
        closed.wait(60)

    threading.Thread(target=hold, daemon=True).start()
    assert opened.wait(60)
"""


@pytest.mark.process
def test_a_host_needs_nothing(environment, tmp_path):
    (tmp_path / "host_settings.py").write_text(SETTINGS)
    (tmp_path / "test_host.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nDJANGO_SETTINGS_MODULE = host_settings\npythonpath = .\n")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--create-db", "-p", "no:playwright"],
        cwd=tmp_path, env={**own, **environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "5 passed" in said, said
    assert "couldn't be flushed" not in said and "being accessed" not in said, said
