"""A project's life with Automate, by the commands that docs/in-your-project.md prints: install, check, use, uninstall."""

from __future__ import annotations

import os
import re
import subprocess

import psycopg
import pytest

from tests.conftest import ROOT
from tests.host.host import Host, host

pytestmark = pytest.mark.process

WATCHED = """
AUTOMATE_MODEL_TRIGGERS = {"auth.Group": {"fields": ["name"], "mode": "database"}}
SILENCED_SYSTEM_CHECKS = ["automate_core.W002"]  # groups are what this project has
"""

#: What a database holds, by name: all that somebody who uninstalls may look for.
HELD = """
SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'function', proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'type', typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
UNION ALL SELECT 'extension', extname::text FROM pg_extension
UNION ALL SELECT 'group', name FROM auth_group
UNION ALL SELECT 'permission', codename FROM auth_permission
UNION ALL SELECT 'content type', app_label || '.' || model FROM django_content_type
UNION ALL SELECT 'migration', app || '.' || name FROM django_migrations
UNION ALL SELECT 'history', object_repr FROM django_admin_log
"""

BROKEN = """
USE_TZ = False
MIDDLEWARE = MIDDLEWARE[:-2]
AUTOMATE_SITE_ULR = "https://example.com"
AUTOMATE_LEASE_SECONDS = "30"
AUTOMATE_WORKER = "managed"
ASGI_APPLICATION = "example.nowhere.application"
AUTHENTICATION_BACKENDS = AUTHENTICATION_BACKENDS[:1]
DATABASES["default"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}
del AUTOMATE_SITE_URL
"""
CHECK_ID = r"automate_\w+\.([EW]\d+)"
BROKEN_IDS = {"E030", "E037", "E040", "E050", "E060", "E080", "E021", "W010"}


def commands(heading: str) -> list[str]:
    """The lines of the shell blocks below a heading, without the installation of the package."""
    text = (ROOT / "docs/in-your-project.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
    return [line for line in lines if not line.startswith("pip ")]


def shell(made: Host, *lines: str, fails: bool = False) -> str:
    """What a shell says that runs those lines in the project's folder, with its Python in front."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))}
    environment |= made.environment | {"PATH": f"{made.python.parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    script = "\n".join(["set -e", *lines])
    done = subprocess.run(["sh", "-c", script], cwd=made.folder, env=environment, capture_output=True, text=True)
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def held(made: Host) -> set[tuple[str, str]]:
    with psycopg.connect(made.url) as connection:
        return set(connection.execute(HELD).fetchall())


@pytest.mark.extended
@pytest.mark.timeout(1_800)  # it migrates four times
def test_a_project_comes_and_goes_by_the_docs(tmp_path, wheel_python):
    with host(tmp_path, wheel_python, "life", after=WATCHED) as made:
        for app in ("admin", "sessions", "guardian"):
            made.manage("migrate", app, "--verbosity", "0")
        before = held(made)
        key, *install = commands("Install")
        assert set(re.findall(CHECK_ID, shell(made, key, *install))) == {"W061"}, "Django's pages of users and groups"
        made.visit()
        made.manage("shell", "-c", START)

        listing, deletion, drop_grants = commands("Uninstall")
        listed = shell(made, listing)
        assert "auth_group" in listed and "Builders (1 members)" in listed and "Nothing was deleted" in listed
        assert held(made) > before, "a listing deletes nothing"
        assert "not ended. Use --force" in shell(made, deletion, fails=True)
        assert "Deleted." in shell(made, f"{deletion} --force")
        assert held(made) == before
        assert "Deleted." in shell(made, deletion), "one that was interrupted is run again"
        made.manage("migrate", "automate_core", "zero", "--verbosity", "0")
        shell(made, drop_grants)
        left = {name for kind, name in held(made) if kind == "relation"}
        assert not [name for name in left if name.startswith(("guardian_", "automate_"))]

        settings = tmp_path / "example" / "settings.py"
        text = settings.read_text()
        settings.write_text(text + BROKEN)
        said = made.manage("check", fails=True)
        assert set(re.findall(CHECK_ID, said)) >= BROKEN_IDS
        settings.write_text(text[: text.index('INSTALLED_APPS = [\n    "automate_studio"')])
        (tmp_path / "example" / "urls.py").write_text(URLS)
        assert "no issues" in made.manage("check")
        made.manage("migrate", "--check")
        assert "200" in made.manage("shell", "-c", SIGN_IN)


#: A run that waits for its worker.
START = """
from automate_core.triggers import manual
from automate_core.models import ExecutionRun, Workflow
from django.contrib.auth import get_user_model
from automate_core.worker.worker import Worker
manual.start_workflow(Workflow.objects.get(slug="ask"), {"amount": 1}, by=get_user_model().objects.get(is_superuser=True))
Worker(concurrency=2, drain=True, name="start").run()
"""
URLS = """
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
"""
SIGN_IN = """
from django.test import Client
print(Client().get("/admin/login/").status_code)
"""
