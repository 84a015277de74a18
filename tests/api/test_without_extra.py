"""Without the extra `api` the site starts, and a check says what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

WITHOUT = """
import sys
sys.modules["ninja"] = None
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check", *sys.argv[1:]])
"""


@pytest.mark.extended
@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_check_names_the_missing_extra(environment):
    made = subprocess.run(
        [sys.executable, "-c", WITHOUT, "--settings", "automate_site.settings"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 1
    assert "automate_api.E001" in made.stderr and "django-automate[api]" in made.stderr
    assert "Traceback" not in made.stderr
