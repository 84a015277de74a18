"""The figures of the house do not grow again: what was reached stays reached."""

from __future__ import annotations

import inspect
import sys

import pytest

from scripts.measures import delivery_path, imports_of, measures
from tests.conftest import ROOT

#: No more than these.
REACHED = {
    "lines of the kernel": 30_900,
    "lines of the apps and the command line": 143_700,
    "files to follow a delivery to the run page": 15,
    "modules in one folder, most": 20,
    "file cycles": 0,
    "template lines over 120 columns": 0,
    "scripts on window.automate": 0,
    "files of tests that import files of tests": 0,
    "files that count a run as ended": 1,
    "files that make a dispatch job": 1,
    "files that build the event scope": 1,
}
FILES_OF_A_DELIVERY = 131  # a few more or less, by what the maintenance does meanwhile; the page says who it ran as
NOTHING = "{name: Nothing, slug: nothing, triggers: [{endpoint: github}], steps: [{kind: stop, key: done}]}"


def test_the_house_is_no_larger_and_no_more_tangled_than_it_was():
    found = measures()
    assert found.keys() == REACHED.keys()
    assert {name: figure for name, figure in found.items() if figure > REACHED[name]} == {}


@pytest.mark.extended
def test_a_delivery_can_be_followed_from_file_to_file():
    path = delivery_path()
    started_by_the_database = {"apps/automate_core/worker/worker.py", "apps/automate_studio/runs/page/live_hub.py"}
    for at, file in enumerate(path[1:], start=1):
        called = any(file in _imported_by(earlier) for earlier in path[:at])
        assert called is not (file in started_by_the_database), f"{file}: which file before it calls it?"


def _imported_by(path):
    """What a file imports, by way of the table of a package as well."""
    direct = imports_of(path)
    return direct.union(*(imports_of(each) for each in direct if each.endswith("/__init__.py")))


@pytest.mark.django_db(transaction=True)
def test_a_delivery_goes_through_no_more_files_than_it_did(workflow, deliver, drain, sign_in, owner):
    """From the request that brings it to the page of its run: files of ours of which a function is called. A first
    delivery imports them."""
    made, client, entered = workflow(NOTHING), sign_in(owner), set()
    ours, watch, tool = str(ROOT / "apps"), sys.monitoring, sys.monitoring.PROFILER_ID
    hooks = str(ROOT / "apps" / "automate_testing")  # which contract suites that ran here before have left installed

    def follow():
        assert deliver().status_code == 202
        drain()
        run = made.runs.latest("pk")
        assert client.get(f"/admin/automate_core/executionrun/{run.pk}/change/").status_code == 200

    def enter(code, _):
        is_ours = code.co_filename.startswith(ours) and not code.co_filename.startswith(hooks)
        if is_ours and code.co_flags & inspect.CO_OPTIMIZED:
            entered.add(code.co_filename)
        return watch.DISABLE

    follow()
    watch.use_tool_id(tool, "files of a delivery")
    watch.register_callback(tool, watch.events.PY_START, enter)
    watch.set_events(tool, watch.events.PY_START)
    try:
        follow()
    finally:
        watch.set_events(tool, watch.events.NO_EVENTS)
        watch.free_tool_id(tool)
    assert len(entered) <= FILES_OF_A_DELIVERY, "\n".join(sorted(entered))
