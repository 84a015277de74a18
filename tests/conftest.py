"""What all tests stand on: a real PostgreSQL of their own, three people, and the front door."""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.support.people import make_person

hypothesis_settings.register_profile(  # a busy machine is no fault of what is tested
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any-machine")

pytest_plugins = [
    "automate_testing.fixtures",
    "automate_testing.pytest_plugin",
    "tests.support.sink",
    "tests.support.collector",
    "tests.support.processes",
    "tests.support.migrated",
    "tests.support.sessions",
    "tests.support.emptying",
    "tests.support.matrix",
    "tests.e2e.places",
    "tests.support.wheel",
    "tests.support.pseudo",
    "tests.support.api",
]

ROOT = Path(__file__).resolve().parent.parent
SECRET = "0123456789abcdef0123456789abcdef"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two more than there are cores: many tests wait for processes that they started."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start processes take turns with those that do not: the ones wait while the others compute."""
    files: dict[bool, dict[Path, list[pytest.Item]]] = {True: defaultdict(list), False: defaultdict(list)}
    waiting = {item.path for item in items if item.get_closest_marker("process")}
    for item in items:
        files[item.path in waiting][item.path].append(item)
    turns = itertools.zip_longest(files[True].values(), files[False].values(), fillvalue=[])
    items[:] = [item for pair in turns for file in pair for item in file]


def pytest_collection_finish() -> None:
    """Ten thousand collected tests stay to the end: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _passwords_are_hashed_quickly() -> Iterator[None]:
    """Most tests make people and few ask who they are; sites of their own find the same kind of hash."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1)
        yield


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    """What a test does to an endpoint counts at once; leases are short enough to wait for; nothing is left of others."""
    from automate_api.v1 import rate_limits
    from automate_connectors.stored.freshness import stored_connectors
    from automate_core.webhooks import rates
    from automate_core.webhooks.tally import tally
    from automate_egress.sockets import forget_lookups
    from automate_governance.audit import payload_views

    payload_views.clear_recent_entries()
    forget_lookups()
    stored_connectors.forget()
    settings.AUTOMATE_ENDPOINT_CACHE_SECONDS = 0
    settings.AUTOMATE_HOOK_TALLY_SECONDS = 86_400
    settings.AUTOMATE_PRUNE_HOURS = 0
    settings.AUTOMATE_EVENT_TYPES = dict.fromkeys(["go", "unused", "order.paid"], "public")
    rates.deliveries.clear()
    rates.failures.clear()
    rates.answers.clear()
    rates.all_answers.clear()
    rate_limits.limiter.clear()
    tally.clear()
    settings.ALLOWED_HOSTS = ["*"]
    settings.AUTOMATE_WORKER_GRACE_SECONDS = 5


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def owner(db: None) -> Any:
    """Builds workflows, and owns those of the tests."""
    return make_person("owner", "Builders")


@pytest.fixture
def colleague(db: None) -> Any:
    """A builder to whom single objects are granted."""
    return make_person("colleague", "Builders")


@pytest.fixture
def stranger(db: None) -> Any:
    """A builder to whom nothing was granted."""
    return make_person("stranger", "Builders")


@pytest.fixture
def admin(db: None) -> Any:
    """The superuser."""
    from django.contrib.auth import get_user_model

    from automate_governance.people.origin import unrecorded

    with unrecorded():
        return get_user_model().objects.create_superuser("root", "root@example.com", "password-of-tests")


@pytest.fixture
def sign_in() -> Callable[[Any], Any]:
    """A client of that person."""
    from django.test import Client

    from automate_governance.people.origin import unrecorded

    def make(user: Any = None) -> Client:
        client = Client()
        if user is not None:
            with unrecorded():
                client.force_login(user)
        return client

    return make


# --- the front door ---------------------------------------------------------------------------------------------------


@pytest.fixture
def endpoint(owner: Any) -> Any:
    """A GitHub endpoint at /hooks/github/."""
    from automate_core.webhooks import endpoints

    return endpoints.save_endpoint("github", scheme="github", config={}, secret=SECRET, actor=owner)[0]


@pytest.fixture
def workflow(owner: Any, endpoint: Any) -> Callable[[str], Any]:
    """Publish a workflow from YAML text."""
    from automate_authoring import workflows
    from automate_authoring.definitions import yaml_files

    def make(text: str, *, publish: bool = True) -> Any:
        made = workflows.save_definition(yaml_files.read_workflow(text), owner=owner)
        if publish:
            workflows.publish(made, author=owner)
        made.refresh_from_db()
        return made

    return make


@pytest.fixture
def deliver() -> Callable[..., Any]:
    """Post a signed delivery to /hooks/github/ and give the answer."""
    from django.test import Client

    from automate_core.webhooks.schemes.registry import GitHubScheme

    def post(
        payload: Any = None, *, event: str = "issues", delivery: str = "", secret: str = SECRET, **extra: Any
    ) -> Any:
        body = (
            payload
            if isinstance(payload, bytes)
            else json.dumps({"number": 7} if payload is None else payload).encode()
        )
        headers = GitHubScheme({}).sign(secret, body, event_type=event, delivery=delivery or str(uuid.uuid4()))
        path = extra.pop("path", "/hooks/github/")
        return Client().post(
            path, body, content_type="application/json", headers={**headers, **extra.pop("headers", {})}
        )

    return post


@pytest.fixture
def drain() -> Callable[[], None]:
    """Run a worker in this process until no job is ready."""
    from automate_core.worker.worker import Worker

    return lambda: Worker(concurrency=4, drain=True, name="test").run()


@pytest.fixture
def notify() -> Callable[[], None]:
    """Do in this process what a worker does for notifications, until nothing is due."""
    from automate_core.worker.maintenance import MaintenanceThread
    from automate_operations.tasks import NOTIFICATION_TASKS

    def go() -> None:
        tasks = MaintenanceThread(NOTIFICATION_TASKS)
        while tasks.run_due() == 0:
            pass

    return go


# --- another process --------------------------------------------------------------------------------------------------


@pytest.fixture
def environment() -> dict[str, str]:
    """What a process needs to work on the tests' database."""
    from django.db import connection

    name = connection.settings_dict["NAME"]
    url = os.environ["DATABASE_URL"]
    base, _, query = url.partition("?")
    return {
        **os.environ,
        "DATABASE_URL": f"{base.rpartition('/')[0]}/{name}?{query}",
        "AUTOMATE_DEMO": "off",
        "AUTOMATE_LOG_LEVEL": "INFO",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def manage() -> list[str]:
    """The beginning of a command line."""
    return [sys.executable, str(ROOT / "manage.py")]
