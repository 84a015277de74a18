"""A project made with a released version is upgraded by the commands of docs/upgrading.md, with a run that waits."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from automate_core import older_releases
from tests.conftest import ROOT
from tests.host.host import OWN, Host, fresh_database, printed
from tests.support.databases import dump
from tests.support.releases import RELEASES
from tests.support.wheel import built_wheel, run, uv

pytestmark = pytest.mark.process

#: The settings that docs/in-your-project.md of the first release told to add; later ones are read from their commit.
SETTINGS = {
    "0.1.0": """
INSTALLED_APPS = [
    "automate_studio", "unfold", *INSTALLED_APPS, "django_htmx", "guardian", "pgtrigger",
    "automate_governance", "automate_connectors", "automate_llm", "automate_core",
]
MIDDLEWARE += [
    "django_htmx.middleware.HtmxMiddleware",
    "automate_studio.middleware.SignInAgainMiddleware",
    "automate_studio.middleware.CompressBuilderMiddleware",
    "automate_governance.middleware.RedactAnswersMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
LOGIN_URL = "admin:login"
AUTOMATE_SITE_URL = "https://example.com"
AUTOMATE_SECRETS_KEYS = [os.environ["AUTOMATE_SECRETS_KEY"]]
""",
}

URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("hooks/", include("automate_core.urls")),
    path("admin/automate/", include("automate_studio.urls")),
    path("admin/", admin.site.urls),
]
"""
TRACKER = "import logging\n\n\nclass Tracker(logging.NullHandler):\n    pass\n"

#: What a project has that emits events.
EVENT_TYPES = '\nAUTOMATE_EVENT_TYPES = {"order.paid": "auth.view_user"}\n'

MAIL = '\nMAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}\n'
ROUTED = '\nDATABASE_ROUTERS = ["routers.{}"]\nDATABASES["second"] = {{**DATABASES["default"]}}\n'
ROUTERS = """
class Own:
    apps = ["sales"]

    def db_for_read(self, model, **hints):
        return "second" if model._meta.app_label in self.apps else None

    db_for_write = db_for_read


class Elsewhere(Own):
    apps = ["automate_governance"]
"""
ASK = """
name: Ask
slug: ask
triggers: [{kind: event, event: order.paid}]
steps:
  - {key: values, action: data.set, inputs: {values: {order: '{{ event.payload.order }}'}}}
  - {key: ask, kind: approval, assignees: [ada], timeout: 1d, message: May it be?}
  - {key: after, action: data.set, inputs: {values: {order: '{{ steps.values.output.values.order }}'}}}
"""
EMIT = """
from django.db import transaction
try:
    from automate_core.api import emit
except ImportError:  # in the first release
    from automate_core.triggers import emit
with transaction.atomic():
    emit("order.paid", {"order": 17}, key="17")
"""
DECIDE = """
from django.contrib.auth import get_user_model
from automate_core.api import decide
from automate_core.models import ExecutionRun
ada = get_user_model().objects.get(username="ada")
decide(ExecutionRun.objects.get(workflow__slug="ask").pk, "ask", "approved", by=ada)
"""
EMIT_AGAIN = EMIT.replace("17", "18")


def test_every_released_version_is_upgraded():
    listed = re.findall(r"^## ([\d.]+)(?!.*unreleased)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    today = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert set(listed) - {today} == set(RELEASES), "a release has no commit to name until it is committed"


def checked_out(commit: str, folder: Path) -> Path:
    """The files of a commit, in that folder. Skips where there is no history, or only its end."""
    shallow = subprocess.run(
        ["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shallow.stdout.strip() != "false":
        pytest.skip("the files are no clone with a whole history: there is no earlier version")
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    return folder


def installed(python: Path, source: Path, folder: Path) -> None:
    """Put the wheel of those files into the environment, with the packages that this version pins."""
    wheel = built_wheel(source, folder)
    uv("pip", "install", "--quiet", "--python", python, "--constraint", source / "requirements.txt", wheel)


def statuses(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT status FROM automate_core_executionrun ORDER BY id")]


@contextmanager
def project_of(version: str, tmp_path: Path) -> Iterator[Host]:
    """A project made with that version, with a run that waits for an approval."""
    old = checked_out(RELEASES[version], tmp_path / version)
    python = tmp_path / "venv" / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    installed(python, old, tmp_path / "wheels" / version)

    project = tmp_path / "project"
    project.mkdir()
    run(python, "-m", "django", "startproject", "example", project)
    settings = project / "example" / "settings.py"
    guide = SETTINGS.get(version) or printed("At the end of your settings", old)
    settings.write_text(settings.read_text() + OWN + MAIL + guide + EVENT_TYPES)
    (project / "example" / "urls.py").write_text(URLS)
    for name, text in {"tracker.py": TRACKER, "routers.py": ROUTERS, "ask.yaml": ASK}.items():
        (project / name).write_text(text)

    with fresh_database("upgraded") as url:
        made = Host(project, python, url)
        made.manage("migrate", "--verbosity", "0")
        made.manage("createsuperuser", "--noinput", "--username", "ada", "--email", "ada@example.com")
        made.manage("automate_import", "--publish", "ask.yaml")
        made.manage("shell", "-c", EMIT)
        made.manage("automate_worker", "--drain")
        assert statuses(url) == ["waiting"]
        yield made


@pytest.mark.extended
@pytest.mark.timeout(2_400)  # a build and an installation for each version, and all migrations one by one
@pytest.mark.parametrize("version", RELEASES)
def test_a_project_is_upgraded(version, tmp_path):
    """Through each later release, none skipped, to the version of today."""
    later = list(RELEASES)[list(RELEASES).index(version) :]
    with project_of(version, tmp_path) as made:
        for next_version in later[1:]:
            source = checked_out(RELEASES[next_version], tmp_path / next_version)
            installed(made.python, source, tmp_path / "wheels" / next_version)
            upgrade(made)
        installed(made.python, ROOT, tmp_path / "wheels" / "today")
        add_apps(made)
        settings = made.folder / "example" / "settings.py"
        text = settings.read_text()
        settings.write_text(text + ROUTED.format("Elsewhere"))
        said = made.manage("check", "--database", "default", fails=True)
        assert "automate_core.E036" in said and "Traceback" not in said
        settings.write_text(text + ROUTED.format("Own"))
        upgrade(made)
        assert statuses(made.url) == ["waiting"], "an upgrade touches no run"
        assert statements(made.url) == statements_of_new(made)

        made.manage("shell", "-c", DECIDE)
        made.manage("shell", "-c", EMIT_AGAIN)
        made.manage("automate_worker", "--drain")
        assert statuses(made.url) == ["succeeded", "waiting"]

        made.manage("automate_uninstall", "--yes", "--force")
        with psycopg.connect(made.url) as connection:
            recorded = "SELECT name FROM django_migrations WHERE app LIKE 'automate%'"
            assert connection.execute(recorded).fetchall() == [], "those that only older versions had go, too"


def statements(url: str) -> list[str]:
    """Tables with their columns in order, indexes, constraints, functions, triggers and sequences."""
    text = re.sub(r"(?m)^--.*\n", "", dump(url, "--schema-only"))
    return sorted(re.split(r"\n\n+", text))


def statements_of_new(made: Host) -> list[str]:
    """Those of a new database of the same project."""
    with fresh_database("new_one") as url:
        Host(made.folder, made.python, url).manage("migrate", "--verbosity", "0")
        return statements(url)


@pytest.mark.extended
@pytest.mark.timeout(1_200)
def test_a_project_that_skips_0_2_0_is_refused_and_stays_as_it_is(tmp_path):
    with project_of("0.1.0", tmp_path) as made:
        installed(made.python, ROOT, tmp_path / "wheels" / "today")
        add_apps(made)
        before = dump(made.url)
        for command in (["migrate"], ["migrate", "--plan"], ["check", "--database", "default"]):
            said = made.manage(*command, fails=True)
            assert said.count(older_releases.REFUSAL) == 1 and "Traceback" not in said, command
            assert re.findall(r"automate_\w+\.E\d+", said) == ["automate_core.E039"], "the only error"
        assert dump(made.url) == before


def add_apps(made: Host) -> None:
    """Add the lines that `check` prints to the settings: the apps that are new."""
    said = made.manage("check", fails=True)
    assert re.findall(r"automate_\w+\.E\d+", said) == ["automate_core.E010"], said
    lines = re.findall(r'^    "automate_\w+",$', said, re.MULTILINE)
    assert len(lines) == 5
    settings = made.folder / "example" / "settings.py"
    settings.write_text("\n".join([settings.read_text(), "INSTALLED_APPS += [", *lines, "]\n"]))


def upgrade(made: Host) -> None:
    """The steps of docs/upgrading.md, with the new version installed."""
    for command in (["check", "--deploy"], ["migrate", "--plan"], ["check", "--database", "default"]):
        made.manage(*command)  # on the tables of then
    made.manage("migrate", "--verbosity", "0")
    for command in (["migrate", "--check"], ["check", "--database", "default"], ["check"]):
        made.manage(*command)
