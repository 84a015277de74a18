"""Projects of others: the wheel in an environment of its own, set up by what docs/in-your-project.md prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.host.host import HERE, answer, host, printed

pytestmark = [pytest.mark.process, pytest.mark.timeout(1_800)]  # a whole project, on a busy machine too

ROOT_LOGIN = {"username": "root@example.com", "password": "a password of tests"}

API = printed("## The API")
PEOPLE = 'INSTALLED_APPS += ["people"]\nAUTH_USER_MODEL = "people.Clerk"\n'

OFFICE_URLS = """
from django.contrib import admin
from django.urls import include, path
from office import site

urlpatterns = [
    path("hooks/", include("automate_core.urls")),
    path("back/office/automate/", include("automate_studio.urls")),
    path("back/office/automate/", include("automate_api.screens.urls")),
    path("api/v1/", include("automate_api.urls")),
    path("back/office/", site.urls),
    path("admin/", admin.site.urls),
]
"""


def check(found: dict, *, is_first_page: bool = False, slowest: str = "Slowest workflows") -> None:
    """No page fails, for whoever looks; what an assignee is asked can be decided; nothing was taken over."""
    assert [each for each in found["pages"] if each[3] >= 500] == [], found["log"]
    assert len(found["pages"]) > 200, "what is visited grows with the pages"
    shown = {name for name, status in found["nobody"] if status not in {302, 404, 405}}
    assert shown == {"sign_in", "script_messages"}, "all others want to know who asks"
    assert found["htmx"] == 401, "a fragment leads to the page for signing in, too"
    assert found["approval"] == [200, 303, "succeeded"]
    assert found["first"]["status"] == found["overview"]["status"] == 200
    assert slowest in found["overview"]["text"] and "automate_studio/shared/base.css" in found["overview"]["text"]
    assert (slowest in found["first"]["text"]) is is_first_page


def test_a_project_with_people_of_its_own(tmp_path, wheel_python):
    """Sign-in by e-mail, UUID keys, no names; its own sidebar; its error tracker; served by ASGI, managed worker."""
    after = 'UNFOLD = {"SIDEBAR": {"navigation": "sidebars.own"}}\nAUTOMATE_WORKER = "managed"\n' + API
    urls = printed("`urls.py`") + printed("Add its URLs at the end of `urls.py`")
    with host(tmp_path, wheel_python, "people", before=PEOPLE, after=after, urls=urls) as made:
        made.manage("migrate", "--verbosity", "0")
        found = made.visit()
        check(found)
        assert "Own entry" in found["first"]["text"] and "Retention" not in found["first"]["text"]
        assert any("automate_studio/overview/" in link for link in found["app_list"]), "it stands in the list of apps"
        assert "Retention" in found["overview"]["text"], "its page leads to what the sidebar does not list"
        assert found["own_error"] == 500
        [seen] = [json.loads(line) for line in (tmp_path / "tracked.jsonl").read_text().splitlines()]
        assert seen["error"] == "LookupError" and "boom" in seen["frames"] and "own mistake" in seen["message"]
        log = (tmp_path / "errors.log").read_text()
        assert "LookupError: the project's own mistake" in log
        with made.served("-m", "uvicorn", "example.asgi:application", "--port") as address:
            status, text = answer(f"{address}/hooks/github/", b"{}", {"Content-Type": "application/json"})
            assert status == 401 and "signature" in text.lower(), (
                "answered before Django's handler, which wants a token"
            )


@pytest.mark.extended
def test_a_project_whose_people_sign_in_by_a_number(tmp_path, wheel_python):
    """Every page, form, run and entry of the audit trail, though `str()` of a person fails."""
    before = 'AUTH_USER_MODEL = "badges.Guard"\n'
    after = 'INSTALLED_APPS = ["badges", *INSTALLED_APPS]\n' + API  # a template of its own in front of django-unfold's
    urls = printed("`urls.py`") + printed("Add its URLs at the end of `urls.py`")
    with host(tmp_path, wheel_python, "badges", before=before, after=after, urls=urls) as made:
        made.manage("migrate", "--verbosity", "0")
        check(made.visit())
        assert "There is no user 'ada'" in made.manage("automate_handover", "ada", "1", fails=True)
        (tmp_path / "hand.yaml").write_text(HAND)
        assert "runs as 1" in made.manage("automate_import", "--publish", "--owner", "1", "hand.yaml")


HAND = "{name: Hand, slug: hand, triggers: [{key: hand, kind: manual}], steps: [{key: end, kind: stop, outcome: succeeded}]}"


def test_people_without_a_column_for_active_ones_are_refused_in_a_line(tmp_path):
    """Django's attribute alone does not do: queries ask the database. The check says so, and no import fails before."""
    code = tmp_path / "guards"
    code.mkdir()
    (code / "__init__.py").touch()
    models = (HERE / "badges" / "models.py").read_text()
    (code / "models.py").write_text(models.replace("    is_active = models.BooleanField(default=True)\n", ""))
    (tmp_path / "own.py").write_text(
        'from automate_site.settings import *\nAUTH_USER_MODEL = "guards.Guard"\n'
        'INSTALLED_APPS = ["guards", *(name for name in INSTALLED_APPS if name != "automate_site")]\n'
    )
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "own", "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "(automate_core.E022) AUTH_USER_MODEL guards.Guard has no column is_active." in done.stderr


@pytest.mark.extended
def test_a_project_that_migrates_in_parts(tmp_path, wheel_python):
    """One app at a time, back to nothing and forth again: no handler stumbles over tables that are not there."""
    with host(tmp_path, wheel_python, "parts") as made:
        made.manage("migrate", "contenttypes", "--verbosity", "0")
        made.manage("migrate", "automate_governance", "--verbosity", "0")
        made.manage("migrate", "automate_core", "0001_initial", "--verbosity", "0")
        made.manage("migrate", "--verbosity", "0")
        made.manage("migrate", "automate_studio", "zero", "--verbosity", "0")
        made.manage("migrate", "automate_core", "zero", "--verbosity", "0")
        made.manage("migrate", "automate_governance", "zero", "--verbosity", "0")
        made.manage("migrate", "--verbosity", "0")
        check(made.visit())


@pytest.mark.extended
def test_a_project_in_german_under_wsgi(tmp_path, wheel_python):
    """What our pages write in formats for machines does not follow the language; WSGI serves them as well."""
    german = f'LANGUAGE_CODE = "de"\nTIME_ZONE = "Europe/Berlin"\n{printed("The overview is at")}'
    with host(tmp_path, wheel_python, "german", after=german) as made:
        made.manage("migrate", "--verbosity", "0")
        found = made.visit()
        check(found, is_first_page=True, slowest="Langsamste Workflows")
        assert "Aufbewahrung" in found["first"]["text"], "the sidebar is ours, as the settings say"
        with made.served("-c", SERVE) as address:
            assert answer(f"{address}/admin/login/")[0] == 200
            assert answer(f"{address}/hooks/github/", b"{}", {"Content-Type": "application/json"})[0] == 401


SERVE = """
import sys
from wsgiref.simple_server import make_server
from example.wsgi import application
make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""


@pytest.mark.extended
def test_a_project_with_an_admin_of_its_own(tmp_path, wheel_python):
    """Beside Django's, at another address and under another name; its sidebar includes our entries."""
    office = (
        'AUTOMATE_ADMIN_SITE = "office.site"\nUNFOLD = {"SIDEBAR": {"navigation": "sidebars.with_automate"}}\n' + API
    )
    with host(tmp_path, wheel_python, "office", after=office, urls=OFFICE_URLS) as made:
        made.manage("migrate", "--verbosity", "0")
        found = made.visit()
        check(found)
        assert found["first"]["path"] == "/back/office/" and found["overview"]["path"].startswith("/back/office/")
        assert "Own entry" in found["first"]["text"] and "Retention" in found["first"]["text"]
        assert "/back/office/automate/api-tokens/" in found["first"]["text"], "with the pages of the API"
        assert "More pages" not in found["overview"]["text"], "the sidebar has them all"
        assert 'href="/admin/' not in found["overview"]["text"]
