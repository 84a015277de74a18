"""A project with the kernel and what lies below it alone: no screen, and neither Unfold nor django-htmx."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.host.host import Host, answer, fresh_database, wait_for

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]  # a whole project, on a busy machine too

SECRET = "0123456789abcdef0123456789abcdef"
SETTINGS = """
import os
import sys
from urllib.parse import parse_qsl, unquote, urlsplit

for name in ("unfold", "django_htmx"):
    sys.modules[name] = None  # as if they were not installed

SECRET_KEY = "a key of tests that is long enough for every check of Django's"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "example.urls"
ASGI_APPLICATION = "example.asgi.application"
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "guardian", "pgtrigger",
    "automate_governance", "automate_connectors", "automate_llm", "automate_core",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend", "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
_url = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": _url.path.lstrip("/"), "HOST": _url.hostname or "",
        "PORT": _url.port or "", "USER": unquote(_url.username or ""), "PASSWORD": unquote(_url.password or ""),
        "OPTIONS": dict(parse_qsl(_url.query)),
    }
}
AUTOMATE_SITE_URL = "http://127.0.0.1"
AUTOMATE_SECRETS_KEYS = [os.environ["AUTOMATE_SECRETS_KEY"]]
AUTOMATE_EGRESS_ALLOW = ["127.0.0.1:%(port)s"]
AUTOMATE_LEASE_SECONDS = 2.0
"""
URLS = """
from django.urls import include, path

urlpatterns = [path("hooks/", include("automate_core.urls"))]
"""
ASGI = """
from django.core.asgi import get_asgi_application

from automate_core.asgi import automate

application = automate(get_asgi_application())
"""
#: Drafts, reviews and permissions to publish are of a ring: this stores a version, and lets it listen.
PUBLISH = """
from django.contrib.auth import get_user_model
from django.db import transaction
import json
from automate_core.definition.parsing import parse, to_document
from automate_core.models import Workflow, WorkflowVersion
from automate_core.runs.activation import activate_version

definition = parse(json.load(open("ship.json")))
root = get_user_model().objects.get(username="root")
with transaction.atomic():
    workflow = Workflow.objects.create(slug="ship", name="Ship", owner=root, run_as=root, status="active")
    version = WorkflowVersion.objects.create(
        workflow=workflow, number=1, definition=to_document(definition), author=root, run_as=root
    )
    workflow.published = version
    workflow.save()
    activate_version(workflow, version, definition)
"""


class Receiver(BaseHTTPRequestHandler):
    """A service: the first call of an order fails, and `slow` takes a while."""

    calls: list[tuple[str, str | None]] = []
    is_held = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.calls.append((self.path, self.headers["Idempotency-Key"]))
        if self.path == "/slow" and [path for path, _ in self.calls].count("/slow") == 1:
            self.is_held.wait(60)
        status = 503 if len(self.calls) == 1 else 200
        with contextlib.suppress(OSError):  # the worker of the first call of `slow` was killed
            self.send_response(status)
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[int]:
    """The port of a service."""
    Receiver.calls, Receiver.is_held = [], threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        Receiver.is_held.set()
        server.shutdown()
        server.server_close()


def workflow(port: int) -> dict[str, Any]:
    """A call that is retried, a wait, and a call that takes a while."""
    service = f"http://127.0.0.1:{port}"
    call = {"method": "POST", "url": f"{service}/call", "json": {"order": "{{ event.payload.order }}"}}
    return {
        "name": "Ship",
        "slug": "ship",
        "triggers": [{"kind": "webhook", "endpoint": "orders"}],
        "steps": [
            {"key": "call", "action": "http.request", "inputs": call, "retry": {"attempts": 3, "base": 1}},
            {"key": "pause", "kind": "wait", "duration": "2s"},
            {"key": "slow", "action": "http.request", "inputs": {"method": "POST", "url": f"{service}/slow"}},
        ],
    }


def make_project(folder: Path, port: int) -> None:
    made = folder / "example"
    made.mkdir(parents=True)
    (made / "__init__.py").touch()
    (made / "settings.py").write_text(SETTINGS % {"port": port})
    (made / "urls.py").write_text(URLS)
    (made / "asgi.py").write_text(ASGI)
    (folder / "manage.py").write_text(
        "import sys\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n"
    )
    (folder / "ship.json").write_text(json.dumps(workflow(port)))


@contextlib.contextmanager
def worker(made: Host) -> Iterator[subprocess.Popen[bytes]]:
    with (made.folder / "worker.log").open("a") as log:
        started = subprocess.Popen(
            [made.python, "manage.py", "automate_worker"], cwd=made.folder, env={**os.environ, **made.environment},
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield started
        finally:
            started.kill()
            started.wait()


def test_a_signed_delivery_runs_to_its_end_by_the_kernel_alone(tmp_path, wheel_python, receiver):
    """With a retry, a wait, and a worker that is killed within a step."""
    make_project(tmp_path / "project", receiver)
    with fresh_database("kernel") as url:
        made = Host(tmp_path / "project", wheel_python, url)
        assert "no issues" in made.manage("check")
        made.manage("migrate", "--verbosity", "0")
        assert "no issues" in made.manage("check", "--database", "default")
        create = "from django.contrib.auth import get_user_model as m; m().objects.create_superuser('root')"
        made.manage("shell", "-c", create)
        (made.folder / "secret").write_text(SECRET)
        made.manage("automate_endpoint", "orders", "--scheme", "github", "--secret-file", "secret")
        made.manage("shell", "-c", PUBLISH)

        serve = "import sys, uvicorn; uvicorn.run('example.asgi:application', port=int(sys.argv[1]))"
        with made.served("-c", serve) as address:
            body = json.dumps({"order": 17}).encode()
            assert answer(f"{address}/hooks/orders/", body)[0] == 401
            status, accepted = answer(f"{address}/hooks/orders/", body, signed(body))
            assert status == 202 and "trace_id" in accepted

            def ran() -> list[str]:
                with psycopg.connect(url) as connection:
                    return [row[0] for row in connection.execute("SELECT status FROM automate_core_executionrun")]

            with worker(made):
                wait_for(lambda: "/slow" in [path for path, _ in Receiver.calls], seconds=90)
            assert ran() == ["running"], "killed within its last step"
            with worker(made):
                wait_for(lambda: ran() == ["succeeded"], seconds=90)
    paths = [path for path, _ in Receiver.calls]
    assert paths == ["/call", "/call", "/slow", "/slow"], "the first call was retried, the last one repeated"
    keys = dict.fromkeys(Receiver.calls)
    assert len(keys) == 2, "with the key of its step"


def signed(body: bytes) -> dict[str, str]:
    """The headers of a delivery of GitHub."""
    signature = f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}"
    return {
        "X-Hub-Signature-256": signature, "X-GitHub-Delivery": "one", "X-GitHub-Event": "push",
        "Content-Type": "application/json",
    }  # fmt: skip
