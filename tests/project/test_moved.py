"""Old names of moved modules: a plug-in, the settings of a project or the command of a Celery worker may have them."""

from __future__ import annotations

import importlib
import re
import sys
import warnings

import pytest

from automate_core.moved import MOVED
from tests.conftest import ROOT

#: What the documentation of 0.2.0 named, and where it is.
DOCUMENTED = {
    "automate_core.executors.celery_pool": "automate_pools.celery_pool",
    "automate_core.executors.consumers": "automate_pools.consumers",
    "automate_core.executors.performer": "automate_pools.performer",
    "automate_core.executors.threads": "automate_core.engine.threads_executor",
    "automate_core.operations.health": "automate_core.worker.health",
    "automate_core.operations.notifications.channels.contract": "automate_operations.notifications.channels.contract",
    "automate_core.operations.telemetry.metrics.collector": "automate_telemetry.metrics.collector",
}


@pytest.fixture(autouse=True)
def _not_imported_before():
    old = tuple(MOVED)
    for name in [each for each in sys.modules if each.startswith(old)]:
        del sys.modules[name]


@pytest.mark.parametrize(("old", "new"), DOCUMENTED.items())
def test_an_old_name_is_the_same_module_and_says_the_new_one(old, new):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = importlib.import_module(old)
    assert f"{old} is now {new}." in [str(each.message) for each in said if each.category is DeprecationWarning]
    assert found is importlib.import_module(new)
    assert found.__name__ == found.__spec__.name == new, "the module itself stays as it is"


@pytest.mark.filterwarnings("ignore:automate_core.executors:DeprecationWarning")
def test_what_was_never_there_is_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"automate_pools\.nothing"):
        importlib.import_module("automate_core.executors.nothing")


def test_names_that_only_begin_alike_are_left_alone():
    with pytest.raises(ModuleNotFoundError, match=r"automate_core\.executors_of_mine"):
        importlib.import_module("automate_core.executors_of_mine")


def test_what_plug_ins_begin_with_has_the_names_of_today():
    """Starters, examples and guides; how to upgrade tells the old names."""
    folders = {"apps/automate_connectors/scaffold": "*.tpl", "examples": "*.py", "docs": "*.md"}
    pages = [path for folder, name in folders.items() for path in (ROOT / folder).rglob(name)]
    found = {
        f"{path.relative_to(ROOT)}: {old}"
        for path in pages
        for old in MOVED
        if path.name != "upgrading.md" and re.search(rf"\b{old}\b", path.read_text())
    }
    assert found == set()
