"""A PostgreSQL for the tests alone. Loaded before Django reads its settings: see `addopts` in pyproject.toml."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile

import pytest

from automate_site.embedded_postgres import Cluster, temporary_cluster

_OURS = "TESTS_OWN_DATABASE_URL"


def _hands_out_tests() -> bool:
    """Whether this process runs no test itself: its workers have their own clusters."""
    asked = re.search(r" (?:-n|--numprocesses)[ =]?(\d+|auto|logical)(?= |$)", " ".join(sys.argv))
    return asked is not None and asked[1] != "0" and "PYTEST_XDIST_WORKER" not in os.environ


def _start() -> tuple[Cluster | None, str]:
    """A throw-away cluster, unless DATABASE_URL names a server to use, and a data folder.

    Tests stop and lock their server, so each process of a parallel run has its own: what it inherits of the process
    that hands out the tests does not count as named.
    """
    data = tempfile.mkdtemp(prefix="automate-test-data-")
    os.environ["AUTOMATE_DATA"] = data
    os.environ["AUTOMATE_WORKER"] = "off"
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in the tests' thread
    if os.environ.get("DATABASE_URL") not in {None, "", os.environ.get(_OURS)} or _hands_out_tests():
        return None, data
    cluster = temporary_cluster()
    cluster.start()
    os.environ["DATABASE_URL"] = os.environ[_OURS] = cluster.url
    return cluster, data


_cluster, _data = _start()


def is_our_cluster() -> bool:
    """Whether the tests of this process have a cluster of their own."""
    return _cluster is not None


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if _cluster is not None:
        _cluster.destroy()
    shutil.rmtree(_data, ignore_errors=True)
