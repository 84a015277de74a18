"""Processes that do not start with keys that are missing, short or wrong, and say what to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from automate_governance import checks, startup
from automate_governance.models import StoredSecret
from automate_governance.redaction.redactor import MASK, redactor
from automate_governance.secrets.keyring import generate_key
from tests.conftest import ROOT
from tests.support.matrix import representatives
from tests.support.processes import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(owner):
    made = StoredSecret(name="token", owner=owner)
    made.put("a-s3cret-before-the-start")
    made.save()
    return made


WRONG = {
    "missing": (",", "AUTOMATE_SECRETS_KEYS contains no key."),
    "short": ("c2hvcnQ=", "Key number 1 in AUTOMATE_SECRETS_KEYS must be 32 bytes in URL-safe base64, not 5 bytes"),
    "no base64": ("not a key!", "Key number 1 in AUTOMATE_SECRETS_KEYS must be 32 bytes in URL-safe base64"),
    "wrong": ("", "is not configured, but 1 stored secret(s) require it"),
}

STARTS = {
    "worker": [sys.executable, str(ROOT / "manage.py"), "automate_worker"],
    "asgi": [sys.executable, "-m", "uvicorn", "automate_site.asgi:application", "--log-level", "warning", "--port"],
    "wsgi": [
        sys.executable,
        "-c",
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'automate_site.settings'\n"
        "from django.core.wsgi import get_wsgi_application\n"
        "from automate_core.wsgi import automate\n"
        "automate(get_wsgi_application())\nprint('serving')",
    ],
    "runserver": [sys.executable, str(ROOT / "manage.py"), "runserver", "--noreload"],
}


@pytest.mark.process
@pytest.mark.parametrize(
    ("start", "wrong"),
    representatives(
        [
            ("worker", "no base64"),
            ("asgi", "wrong"),
            ("asgi", "short"),
            *(
                (start, wrong)
                for start in STARTS
                for wrong in ("missing", "wrong")
                if (start, wrong) != ("asgi", "wrong")
            ),
        ],
        always=1,
    ),
)
def test_nothing_starts_with_keys_that_do_not_fit(secret, environment, start, wrong):
    keys, said = WRONG[wrong]
    command = STARTS[start]
    if start in {"asgi", "runserver"}:
        command = [*command, str(free_port())]
    own = {**environment, "AUTOMATE_WORKER": "off", "AUTOMATE_SECRETS_KEYS": keys or generate_key()}
    ended = subprocess.run(command, env=own, capture_output=True, text=True, cwd=ROOT, timeout=240)
    shown = ended.stdout + ended.stderr
    assert ended.returncode not in {0, -9} and said in " ".join(shown.split()), shown
    assert "automate_generate_key" in shown or "Add the key" in shown, "it says what to do"
    assert "Traceback" not in shown or start == "wsgi", "a WSGI server says so by an exception"


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["asgi", "wsgi"])
def test_the_application_is_imported_before_django_is_set_up(name):
    code = f"from automate_core.{name} import automate\nimport sys\nassert 'automate_core.models' not in sys.modules"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "automate_site.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT / "apps"
    )
    assert done.returncode == 0, done.stderr


def test_good_keys_are_no_problem(secret):
    startup.prepare_process()
    assert not [check for check in run_checks(databases=["default"]) if check.id.startswith("automate_governance.E")]


def test_what_is_stored_is_kept_quiet_from_the_start(secret, monkeypatch):
    known = type(redactor)()
    monkeypatch.setattr(startup, "redactor", known)
    assert known.text("a-s3cret-before-the-start") != MASK
    startup.prepare_process()
    assert known.text("a-s3cret-before-the-start") == MASK


def test_a_secret_that_was_altered_keeps_nobody_from_starting(secret, caplog):
    StoredSecret.objects.update(box=b"x" * 40)
    startup.prepare_process()
    assert "The stored secret cannot be decrypted" in caplog.text


def test_a_database_that_is_away_is_waited_for(monkeypatch, caplog):
    from django.db import OperationalError

    def away(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr(checks, "check_stored_secrets", away)
    startup.prepare_process()
    assert "could not be compared with the keys now: connection refused" in caplog.text


def test_every_problem_is_in_one_line(settings):
    settings.AUTOMATE_SECRETS_KEYS = []
    settings.AUTOMATE_VAULT = {"url": "https://vault.example.com"}
    with pytest.raises(ImproperlyConfigured) as caught:
        startup.prepare_process()
    assert "contains no key" in str(caught.value) and "AUTOMATE_VAULT requires" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_debug_pages_and_a_public_address_do_not_go_together(settings):
    assert not checks.check_debug_is_off(None)
    settings.DEBUG, settings.AUTOMATE_SITE_URL = True, "https://automate.example.com"
    [error] = checks.check_debug_is_off(None)
    assert error.id == "automate_governance.E005"
    settings.AUTOMATE_SITE_URL = "http://127.0.0.1:8000"
    assert not checks.check_debug_is_off(None)
