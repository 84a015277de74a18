"""The canaries: values known to every backend, a run with failures of every kind, and a look everywhere afterwards.

A control value goes the same ways. That it is found in each place shows that the look there can see.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from http.cookiejar import CookieJar
from typing import Any

import pytest
from django.db import connection

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_core.models import Event, ExecutionRun, StepRun
from automate_core.webhooks import endpoints
from automate_core.webhooks.schemes.registry import GitHubScheme
from automate_governance.models import StoredSecret
from automate_governance.redaction import log_redaction
from automate_governance.redaction.redactor import Redactor
from tests.conftest import ROOT
from tests.governance.leaky import LeakyConnector
from tests.governance.spelt import found
from tests.governance.vault_server import VaultStandIn
from tests.support.processes import free_port, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

CANARIES = {
    "database": 'cnry-db"7f3a/+&<x>9c1e44b27\\d',
    "env": "cnry-env?1b88e0d2=4f&a7/c3:9e",
    "vault": "cnry-vault+55d0e1f3a9//b7c2==z",
    "hook": "cnry-hook-0d93a1b2c3d4e5f60718",
    "replaced": "cnry-replaced-a81f3e5d7c9b1024",
}
CONTROL = "control-value-3b7e1d90"

WORKFLOW = """
name: Canary
slug: canary
triggers: [{{endpoint: leaky}}]
steps:
  - {{key: output, action: leaky.output, connection: leaky, inputs: {{control: '{{{{ event.payload.control }}}}'}}}}
  - {{key: error, action: leaky.error, connection: leaky, inputs: {{control: '{{{{ event.payload.control }}}}'}},
     on_error: {{value: {{message: '{{{{ error.message }}}}', details: '{{{{ error.details }}}}'}}}}}}
  - {{key: again, action: leaky.again, connection: leaky, inputs: {{control: '{control}'}},
     retry: {{attempts: 2, base: 0.1}}, on_error: {{value: gone}}}}
  - {{key: logged, action: leaky.log, connection: leaky, inputs: {{control: '{control}'}}}}
  - {{key: raised, action: leaky.exception, connection: leaky, inputs: {{control: '{control}'}}, on_error: {{value: null}}}}
  - {{key: thread, action: leaky.thread, connection: leaky, inputs: {{control: '{control}'}}}}
  - {{key: keyed, action: leaky.key, connection: leaky, inputs: {{control: '{control}'}}}}
  - {{key: echoed, action: http.request, connection: echo, on_error: {{value: '{{{{ error.details }}}}'}},
     inputs: {{url: '/echo/500', query: {{control: '{control}', again: '{{{{ event.payload.ours }}}}'}}}}}}
  - {{key: header, action: http.request, connection: echo, inputs: {{url: '/echo/200', query: {{control: '{control}'}}}}}}
  - kind: for_each
    key: each
    items: ['{{{{ steps.output.output.leak.token.raw }}}}', '{{{{ event.payload.ours }}}}', '{control}']
    steps: [{{key: kept, action: data.set, inputs: {{value: '{{{{ item }}}}'}}}}]
  - {{key: mailed, action: email.send, inputs: {{to: somebody@example.com, subject: 'About {control}',
     text: '{{{{ steps.output.output | tojson }}}} {{{{ steps.error.output }}}} {{{{ event.payload.ours }}}}'}}}}
  - {{key: ended, name: 'Ends with {control}', action: leaky.error, connection: leaky, inputs: {{control: '{control}'}}}}
"""


class Echo(http.server.BaseHTTPRequestHandler):
    """Somebody's API that answers with what it was sent, headers included."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": dict(self.headers), "control": CONTROL}).encode()
        self.send_response(int(self.path.split("/")[2][:3]))
        self.send_header("X-Echo", self.headers.get("Authorization", ""))
        self.send_header("X-Control", CONTROL)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def echo():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def vault():
    made = VaultStandIn()
    made.put("canary", token=CANARIES["vault"])
    yield made
    made.close()


@pytest.fixture
def here(tmp_path, environment, echo, vault):
    """The environment of the processes: where the leaky connector is a plug-in, and the canaries are known."""
    metadata = tmp_path / "plugins" / "leaky_automate-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky-automate\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[django_automate.connectors]\nleaky = tests.governance.leaky:LeakyConnector\n"
    )
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(metadata.parent)]),
        "AUTOMATE_LOG_LEVEL": "DEBUG",
        "AUTOMATE_EGRESS_ALLOW": echo,
        "AUTOMATE_SECRET_CANARY": CANARIES["env"],
        "AUTOMATE_VAULT_URL": vault.url,
        "AUTOMATE_VAULT_TOKEN": vault.token(),
    }


@contextlib.contextmanager
def logged(command, environment, path):
    """A process whose output goes to a file. Reading a pipe late would stop it."""
    with path.open("wb") as file:
        started = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(180)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait(180)


class Browser:
    """Somebody signed in at the admin of a real web process. `pages` are all answers by address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, str] = {}
        self._jar = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))

    def get(self, path: str, *, limit: int = -1) -> str:
        return self._open(path, urllib.request.Request(self.address + path), limit)

    def post(self, path: str, **form: str) -> str:
        token = next((cookie.value for cookie in self._jar if cookie.name == "csrftoken"), "")
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **form}).encode()
        return self._open(
            f"{path} (posted)", urllib.request.Request(self.address + path, body, {"Referer": self.address})
        )

    def _open(self, name: str, request: urllib.request.Request, limit: int = -1) -> str:
        try:
            answer = self._opener.open(request, timeout=300)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = f"{answer.status} {answer.headers}\n" + answer.read(*([limit] if limit > 0 else [])).decode(
                "utf-8", "replace"
            )
        self.pages[name] = text
        return text


def dump() -> str:
    """Every table of the database, as COPY writes it (bytea as hexadecimal digits)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        tables = [name for [name] in cursor.fetchall()]
        pieces = []
        for table in tables:
            with cursor.cursor.copy(f"COPY public.{table} TO STDOUT") as rows:  # type: psycopg.Copy
                pieces.append(f"\n--- {table}\n" + b"".join(map(bytes, rows)).decode())
    assert len(tables) > 30
    return "".join(pieces)


def plain(copied: str) -> str:
    """What COPY wrote, without the backslashes that it adds."""
    return copied.replace("\\\\", "\\")


def deliver(address: str, payload: Any, *, secret: str, path: str = "/hooks/leaky/") -> int:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = GitHubScheme({}).sign(secret, body, event_type="canary", delivery=str(uuid.uuid4()))
    request = urllib.request.Request(address + path, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def set_up(browser: Browser, echo_host: str, admin: Any) -> None:
    """Secrets, connections and the workflow, by the admin's own forms where there are some."""
    browser.get("/admin/login/")
    browser.post("/admin/login/", username="root", password="password-of-tests")
    add = "/admin/automate_governance/storedsecret/add/"
    browser.get(add)
    browser.post(add, name="no good name!", value=CANARIES["database"])
    for name in ("database", "hook"):
        browser.post(add, name=f"canary-{name}", value=CANARIES[name])
    browser.post(add, name="canary-other", value=CANARIES["replaced"])
    other = StoredSecret.objects.get(name="canary-other")
    browser.post(f"/admin/automate_governance/storedsecret/{other.pk}/change/", value="replaced-by-another-value-1")
    references = {"token": "database:canary-database", "second": "env:canary", "third": "vault:canary#token"}
    hosts = json.dumps([echo_host.partition(":")[0]])
    for connector, config in (
        ("leaky", references),
        ("http", {"base_url": f"http://{echo_host}", "auth": "bearer", "token": "database:canary-database"}),
    ):
        slug = "echo" if connector == "http" else connector
        Connection.objects.create(
            name=slug, slug=slug, connector=connector, config=config, allowed_hosts=json.loads(hosts), owner=admin
        )
    assert StoredSecret.objects.count() >= 3, browser.pages[f"{add} (posted)"]
    endpoints.save_endpoint("leaky", scheme="github", config={}, secret=CANARIES["hook"], actor=admin)
    made = workflows.save_definition(yaml_files.read_workflow(WORKFLOW.format(control=CONTROL)), owner=admin)
    workflows.publish(made, author=admin)


def look_at_everything(browser: Browser, run: ExecutionRun) -> None:
    """Every page, fragment, stream and download that there is about it."""
    for model in ("automate_core/workflow", "automate_core/executionrun", "automate_core/webhookendpoint",
                  "automate_connectors/connection", "automate_governance/storedsecret",
                  "automate_governance/auditentry"):  # fmt: skip
        browser.get(f"/admin/{model}/")
    for label, objects in (
        ("automate_connectors/connection", Connection.objects.all()),
        ("automate_governance/storedsecret", StoredSecret.objects.all()),
    ):
        for obj in objects:
            for page in ("change", "history", "delete"):
                browser.get(f"/admin/{label}/{obj.pk}/{page}/")
    browser.get(f"/admin/automate_core/workflow/{run.workflow_id}/change/")
    browser.get(f"/admin/automate/workflows/{run.workflow_id}/file/")
    browser.get(f"/admin/automate_core/executionrun/{run.pk}/change/")
    browser.get(f"/admin/automate/runs/{run.pk}/patch/")
    browser.get(f"/admin/automate/runs/{run.pk}/stream/")
    for step in StepRun.objects.filter(run=run):
        path = urllib.parse.quote(step.path)
        browser.get(f"/admin/automate/runs/{run.pk}/step/{path}/?attempt={step.attempt}")
        for part in ("input", "output"):
            browser.post(f"/admin/automate/runs/{run.pk}/download/{path}/", part=part, attempt=str(step.attempt))


def test_no_canary_is_found_anywhere_and_the_control_is_found_everywhere(here, echo, admin, tmp_path, monkeypatch):
    for name in ("PYTHONPATH", "AUTOMATE_SECRET_CANARY"):
        monkeypatch.setenv(name, here[name])
    monkeypatch.setitem(connectors._usable, "leaky", LeakyConnector())
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    web = [sys.executable, "-m", "uvicorn", "automate_site.asgi:application", "--port", str(port)]
    worker = [sys.executable, str(ROOT / "manage.py"), "automate_worker"]
    own = {**here, "AUTOMATE_WORKER": "off", "PORT": str(port), "AUTOMATE_SITE_URL": address}
    with logged(web, own, tmp_path / "web.log"):
        browser = Browser(address)
        wait_for(lambda: _answers(f"{address}/readyz/"))
        set_up(browser, echo, admin)
        with logged(worker, own, tmp_path / "worker.log"):
            sent = {"control": CONTROL, "ours": f"they echo {CANARIES['database']} back"}
            sent["signed"] = f"they sign with {CANARIES['hook']}"
            assert deliver(address, sent, secret=CANARIES["hook"]) == 202
            assert deliver(address, sent, secret="0" * 32) == 401
            # the web process has never asked the vault, so it cannot know what that would say (docs/secrets.md)
            told = urllib.parse.urlencode({name: CANARIES[name] for name in ("database", "env", "hook")})
            assert (
                deliver(address, sent, secret=CANARIES["hook"], path=f"/hooks/leaky/?control={CONTROL}&{told}") == 202
            )
            assert (
                deliver(address, f'{{"broken": "{CONTROL} {CANARIES["hook"]}'.encode(), secret=CANARIES["hook"]) == 400
            )
            wait_for(lambda: ExecutionRun.objects.filter(status__in=["failed", "succeeded"]).count() == 2)
        run = ExecutionRun.objects.order_by("id").first()
        look_at_everything(browser, run)
        browser.get(f"/admin/no-such-page-{CONTROL}/")
    states = dict(StepRun.objects.filter(run=run).order_by("attempt").values_list("path", "status"))
    assert (run.status, states["ended"], states["header"], states["mailed"]) == (
        "failed",
        "failed",
        "succeeded",
        "succeeded",
    ), states
    assert {path for path, status in states.items() if status == "failed"} == {
        "error",
        "again",
        "raised",
        "echoed",
        "ended",
    }

    worker_log, web_log = ((tmp_path / f"{name}.log").read_text() for name in ("worker", "web"))
    mail = worker_log[worker_log.index("Subject: About") :].split("\n-----")[0]
    tables = re.split(r"\n--- (\S+)\n", plain(dump()))
    by_table = dict(zip(tables[1::2], tables[2::2], strict=True))
    places = {**by_table, "worker": worker_log, "web": web_log, "mail": mail, **browser.pages}
    hits = {
        place: seen
        for place, text in places.items()
        if (seen := {name: spelt for name, value in CANARIES.items() if (spelt := found(value, text))})
    }
    # what a sender says is kept as it came, but for the secret that it signs with
    assert hits == {"automate_core_event": {"database": ["json", "json, not ascii"]}}
    assert "they sign with ***" in by_table["automate_core_event"]

    for table in ("automate_core_event", "automate_core_steprun", "automate_core_runlog", "automate_core_executionrun"):
        assert CONTROL in by_table[table], table
    assert all(CONTROL in places[place] for place in ("worker", "web", "mail"))
    assert f'"POST /hooks/leaky/?control={CONTROL}&database=***&' in web_log
    assert "Logging error" not in worker_log + web_log
    for column in ("input", "output", "error"):
        assert any(CONTROL in json.dumps(row) for row in StepRun.objects.filter(run=run).values_list(column, flat=True))
    for line in (f"leaky: {CONTROL} with", f"inner {CONTROL}", f"thread {CONTROL}", "UserWarning"):
        assert line in worker_log, line
    about = [name for name, text in browser.pages.items() if CONTROL in text]
    for part in (
        "/change/",
        "/patch/",
        "/stream/",
        "step/output/",
        "step/error/",
        "step/echoed/",
        "/download/",
        "/file/",
    ):
        assert any(part in name for name in about), part
    assert all(
        page[:3] in {"200", "302"} or "no-such-page" in name or "posted" in name for name, page in browser.pages.items()
    ), {name: page[:3] for name, page in browser.pages.items()}


def test_without_redaction_the_same_look_finds_them(echo, admin, workflow, deliver, drain, settings, monkeypatch):
    """What the test above does not find would be there: the same connector, with a redactor that learns nothing."""
    monkeypatch.setattr(Redactor, "learn", lambda self, *values: None)
    monkeypatch.setenv("AUTOMATE_SECRET_CANARY", CANARIES["env"])
    monkeypatch.setitem(connectors._usable, "leaky", LeakyConnector())
    settings.AUTOMATE_EGRESS_ALLOW = [echo]
    Connection.objects.create(
        name="leaky",
        slug="leaky",
        connector="leaky",
        config={"token": "env:canary"},
        allowed_hosts=["x.example"],
        owner=admin,
    )
    endpoints.save_endpoint(
        "github", scheme="github", config={}, secret="0123456789abcdef0123456789abcdef", actor=admin
    )
    made = workflows.save_definition(
        yaml_files.read_workflow(
            "name: Seen\nslug: seen\ntriggers: [{endpoint: github}]\nsteps:\n"
            f"  - {{key: output, action: leaky.output, connection: leaky, inputs: {{control: {CONTROL}}}}}\n"
            f"  - {{key: logged, action: leaky.log, connection: leaky, inputs: {{control: {CONTROL}}}}}\n"
            f"  - {{key: error, action: leaky.error, connection: leaky, inputs: {{control: {CONTROL}}}}}\n"
        ),
        owner=admin,
    )
    workflows.publish(made, author=admin)
    log_redaction.guard_handlers()  # a handler of pytest's raises on arguments that do not fit
    with pytest.warns(UserWarning, match=CONTROL):
        deliver({"control": CONTROL})
        drain()
    assert ExecutionRun.objects.get().status == "failed" and Event.objects.count() == 1
    seen = found(CANARIES["env"], plain(dump()))
    assert {"raw", "url", "hex", "base64 0", "base64 1", "base64 2", "base64 0, url-safe", "form"} <= set(seen)


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=300) as answer:
        return answer.status == 200
    return False
