"""The one command: what it starts, what it says, and that it leaves nothing running."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from django.core.management import call_command

from automate_site.embedded_postgres import Cluster
from automate_site.management.commands import serve
from tests.conftest import ROOT
from tests.support.matrix import representatives
from tests.support.processes import free_port, process, wait_for

pytestmark = pytest.mark.process
SERVE = [sys.executable, str(ROOT / "manage.py"), "serve"]
DEMO = [sys.executable, str(ROOT / "manage.py"), "demo"]


@pytest.fixture
def own(tmp_path):
    """An environment with a data folder, a port and an embedded database of its own."""
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "AUTOMATE_WORKER"}}
    environment |= {
        "AUTOMATE_DATA": str(tmp_path / "data"),
        "PORT": str(free_port()),
        "AUTOMATE_ADMIN_PASSWORD": "a-password-of-tests",
        "PYTHONUNBUFFERED": "1",
    }
    yield environment
    Cluster(tmp_path / "data" / "postgres").destroy()


def _lines_until(started, marker, seconds=240):
    lines = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        line = started.stdout.readline()
        lines.append(line)
        if marker in line:
            return "".join(lines)
        if not line and started.poll() is not None:
            raise AssertionError("".join(lines) + started.stderr.read())
    raise AssertionError("".join(lines))


def _cluster(own):
    return Cluster(Path(own["AUTOMATE_DATA"]) / "postgres")


@pytest.mark.extended
def test_a_site_from_its_first_start_to_a_lost_key(own, tmp_path):
    """One data folder: first start, demo, kill, second start, clean end, and a start without its key."""
    address = f"http://127.0.0.1:{own['PORT']}"
    own["AUTOMATE_SECRET_OF_TESTS"] = "a-secret"
    with process(SERVE, own) as site:
        said = _lines_until(site, "Ctrl-C")
        assert f"Django Automate is at {address}/admin/" in said
        assert "AUTOMATE_ADMIN_PASSWORD" in said and "a-password-of-tests" not in said
        [run_page] = re.findall(
            rf"delivery started a run: ({address}/admin/automate_core/executionrun/[0-9a-f-]+/change/)", said
        )
        assert urllib.request.urlopen(f"{address}/healthz/").status == 200
        assert json.load(urllib.request.urlopen(f"{address}/healthz/")) == {
            "product": "django-automate",
            "database": "ok",
            "worker": "ok",
        }
        for probe in ("livez", "readyz"):
            assert json.load(urllib.request.urlopen(f"{address}/{probe}/")) == {"status": "ok"}
        assert (tmp_path / "data" / "secrets-key").stat().st_mode & 0o777 == 0o600
        _the_database_gets_no_secret_of_the_site(own)
        _one_site_a_folder_which_its_commands_find(own)
        site.kill()
        site.wait(180)
    assert _cluster(own).is_running(), "nobody could stop it, and the next start takes it over"

    with process(SERVE, own) as site:
        said = _lines_until(site, "Ctrl-C")
        assert "Sign in as" not in said and "started a run" not in said, "the first start's words are said once"
        assert "changepassword admin" in said
        payload = tmp_path / "payload.json"
        payload.write_text(json.dumps({"anything": {"at": ["all"]}}))
        done = subprocess.run(
            [*DEMO, str(payload), "--event", "star"], env=own, capture_output=True, text=True, cwd=ROOT
        )
        assert (done.returncode, f"github-issue-triage succeeded {address}" in done.stdout) == (0, True), (
            done.stdout + done.stderr
        )
        assert "route/note_delivery" in done.stdout
        stream = http.client.HTTPConnection("127.0.0.1", int(own["PORT"]), timeout=300)
        cookie = _sign_in(address)
        stream.request(
            "GET",
            run_page.replace(address, "")
            .replace("/automate_core/executionrun/", "/automate/runs/")
            .replace("change/", "stream/"),
            headers={"Cookie": cookie},
        )
        assert stream.getresponse().status == 200
        site.send_signal(signal.SIGTERM)
        assert site.wait(180) == 0, "a page that is open holds nobody up"
        stream.close()
    assert not _cluster(own).is_running()

    (tmp_path / "data" / "secrets-key").unlink()
    said = _refused(SERVE, own)
    assert "is not configured, but 1 stored secret(s) require it" in said and "Add the key" in said
    assert not _cluster(own).is_running()


def _the_database_gets_no_secret_of_the_site(own):
    if sys.platform == "linux":
        server = int((_cluster(own).home / "data" / "postmaster.pid").read_text().split()[0])
        inherited = Path(f"/proc/{server}/environ").read_bytes().decode()
        assert "PATH=" in inherited and "AUTOMATE_" not in inherited


def _one_site_a_folder_which_its_commands_find(own):
    elsewhere = {**own, "PORT": str(free_port())}
    said = _refused(SERVE, elsewhere)
    assert f"is already running at http://127.0.0.1:{own['PORT']}/" in said and "AUTOMATE_DATA" in said
    del elsewhere["PORT"]
    done = subprocess.run(DEMO, env=elsewhere, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert (done.returncode, "starting it" in done.stdout) == (0, False), done.stdout + done.stderr
    assert f"http://127.0.0.1:{own['PORT']}/admin/" in done.stdout


def _sign_in(address):
    import http.cookiejar

    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = browser.open(f"{address}/admin/login/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    form = f"csrfmiddlewaretoken={token}&username=admin&password=a-password-of-tests".encode()
    browser.open(urllib.request.Request(f"{address}/admin/login/", form, {"Referer": address}))
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


@pytest.mark.extended
def test_demo_starts_a_site_when_there_is_none(own):
    del own["AUTOMATE_ADMIN_PASSWORD"]
    done = subprocess.run(DEMO, env=own, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The site is not running: starting it" in done.stdout and "route/open_incident" in done.stdout
    assert re.search(r"Sign in as admin with the password \S{16} \(shown only once\)", done.stdout)
    assert not _cluster(own).is_running()


def _refused(command, environment):
    """The one line with which a command ends, exit code 2."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, timeout=300)
    lines = done.stderr.strip().splitlines()
    assert (done.returncode, len(lines)) == (2, 1), done.stdout + done.stderr
    return lines[0]


def test_a_reader_that_has_read_enough_is_no_error(own):
    """Such as `head`: the rest goes nowhere, and no traceback appears in the terminal."""
    command = [sys.executable, str(ROOT / "manage.py"), "help"]
    done = subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    done.stdout.close()
    with done.stderr as said:
        assert (said.read(), done.wait(60)) == ("", 141)


@pytest.mark.extended
def test_a_taken_port(own):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(own["PORT"])))
        taken.listen()
        assert "choose another with PORT=8001" in _refused(SERVE, own)
    assert not (_cluster(own).home / "data").exists(), "nothing was started"


@pytest.mark.extended
def test_something_else_on_the_port(own):
    import http.server
    import threading

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", int(own["PORT"])), Other)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        assert "another server listens" in _refused(DEMO, own)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("variables", "said"),
    representatives(
        [
            ({"DATABASE_URL": "postgresql://x@127.0.0.1:1/y"}, "the database cannot be reached"),
            ({"PORT": "eighty"}, "PORT must be a number"),
            ({"PORT": "99999"}, "PORT must be a number"),
            ({"DATABASE_URL": "mysql://x/y"}, "must begin with postgresql://"),
            ({"DATABASE_URL": "postgresql://x@127.0.0.1:port/y"}, "port in DATABASE_URL is not a number"),
            (
                {"DATABASE_URL": "postgresql://x:p@ss/word@127.0.0.1:1/y"},
                "special characters of the user and the password",
            ),
            (
                {"DATABASE_URL": "postgresql://x:p?word@127.0.0.1:1/y"},
                "special characters of the user and the password",
            ),
            (
                {"DATABASE_URL": "postgresql://x:p#word@127.0.0.1:1/y"},
                "special characters of the user and the password",
            ),
            ({"AUTOMATE_DATA": "/dev/null/nowhere"}, "cannot be read or written"),
            ({"AUTOMATE_SECRETS_KEYS": "tooshort"}, "32 bytes in URL-safe base64"),
            ({"AUTOMATE_LEASE_SECONDS": "abc"}, "AUTOMATE_LEASE_SECONDS must be a number of at least"),
            ({"AUTOMATE_LEASE_SECONDS": "nan"}, "AUTOMATE_LEASE_SECONDS must be a number of at least"),
            ({"AUTOMATE_LOG_LEVEL": "loud"}, "AUTOMATE_LOG_LEVEL must be one of WARNING"),
            ({"AUTOMATE_SITE_URL": "foo"}, "AUTOMATE_SITE_URL must be like https://"),
            ({"AUTOMATE_WORKER": "maybe"}, "AUTOMATE_WORKER must be one of managed, off"),
            ({"AUTOMATE_DEMO": "perhaps"}, "AUTOMATE_DEMO must be one of on, off"),
            (
                {"AUTOMATE_DEMO": "on", "AUTOMATE_SITE_URL": "https://a.example"},
                "AUTOMATE_DEMO=on is only for a site on this",
            ),
            (
                {"AUTOMATE_DEMO": "on", "AUTOMATE_TRUSTED_PROXIES": "127.0.0.1"},
                "AUTOMATE_DEMO=on is only for a site on this",
            ),
            ({"AUTOMATE_TRUSTED_PROXIES": "10.0.0.1/8"}, "AUTOMATE_TRUSTED_PROXIES takes addresses and networks"),
            ({"AUTOMATE_EGRESS_ALLOW": "foo"}, "AUTOMATE_EGRESS_ALLOW takes pairs like db.internal:8080"),
        ],
        always=2,
    ),
)
def test_what_a_person_can_mend_is_said_in_one_line(own, variables, said):
    assert said in _refused(SERVE, {**own, **variables})


@pytest.mark.parametrize(
    ("content", "said"),
    representatives([("[1, 2]", "does not contain a JSON object"), ("{", "is not valid JSON"), (None, "No such file")]),
)
def test_demo_refuses_what_is_no_json_object(own, tmp_path, content, said):
    path = tmp_path / "p.json"
    if content is not None:
        path.write_text(content)
    assert said in _refused([*DEMO, str(path)], own)


@pytest.mark.extended
def test_a_command_without_a_database_says_how_to_get_one(own):
    command = [sys.executable, str(ROOT / "manage.py"), "automate_export", "x"]
    assert "Start the site with `make run`" in _refused(command, own)


@pytest.mark.extended
def test_the_state_folder_is_outside_where_the_checkout_cannot_be_reached(own, tmp_path):
    """Root's server runs as somebody else, who cannot enter a folder that only root may enter."""
    if os.geteuid() != 0:
        pytest.skip("only root's server runs as another user")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    own["AUTOMATE_DATA"] = str(closed / "data")
    cluster = _cluster(own)
    assert str(cluster.home).startswith("/var/lib/django-automate/")
    try:
        with process(SERVE, own) as site:
            _lines_until(site, "Ctrl-C")
            wait_for(lambda: cluster.is_running())
        assert not cluster.is_running()
        assert (closed.stat().st_mode & 0o777, (closed / "data").stat().st_mode & 0o077) == (0o700, 0o055)
    finally:
        cluster.destroy()


def test_beside_a_log_that_programs_read_nothing_else_is_printed(monkeypatch):
    asked = []
    monkeypatch.setattr(serve.site_lock, "hold_site_lock", lambda *given: contextlib.nullcontext())
    monkeypatch.setattr(serve.server, "check_port", lambda *given, **more: None)
    monkeypatch.setattr(serve.signal, "signal", lambda *given: None)
    monkeypatch.setattr(serve.Command, "_serve", lambda self, port, host, quiet: asked.append(quiet))
    for form in ("text", "json"):
        monkeypatch.setenv("AUTOMATE_LOG_FORMAT", form)
        call_command("serve")
    assert asked == [False, True]
