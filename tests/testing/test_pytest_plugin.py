"""The fixture in a suite of others, whose conftest.py names the plugin before Django is ready."""

from __future__ import annotations

import subprocess
import sys


def test_the_package_is_imported_before_django_is_ready():
    code = (
        "import automate_testing, automate_testing.fixtures, sys\n"
        "assert 'automate_core.models' not in sys.modules\n"
        "assert automate_testing.__all__"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_names_of_the_package_are_those_of_the_workflows():
    import automate_testing
    from automate_testing import workflows

    assert automate_testing.run_workflow is workflows.run_workflow
    assert not hasattr(automate_testing, "run_workflows")
