"""One rule stands in one place: a second copy of it would drift."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from automate_api.v1.error_codes import BY_STATUS, NARROWER
from automate_plugins.errors import AutomateError
from tests.conftest import ROOT

# --- what expressions see as `event` ----------------------------------------------------------------------------------


@pytest.mark.extended
def test_one_module_builds_the_event_scope():
    scope = {"payload", "type", "source", "headers", "id", "time"}
    built = [
        name
        for name, node in _nodes(ast.Dict, naming="headers")
        if scope <= {getattr(key, "value", None) for key in node.keys}
    ]
    assert built == ["automate_core/events/scope.py"]


def test_one_module_formats_the_time_of_an_event():
    written = [name for name, source in _sources() if "T%H:%M:%S.%fZ" in source]
    assert written == ["automate_core/events/scope.py"]


# --- people by name ---------------------------------------------------------------------------------------------------


def test_one_function_names_people():
    """Usernames of other projects may be numbers, and `str()` of their users may fail."""
    assert [name for name, source in _sources() if "get_username()" in source] == [
        "automate_governance/people/names.py"
    ]


# --- a delivery answered ----------------------------------------------------------------------------------------------


def test_one_function_answers_a_delivery():
    callers = {
        name
        for name, node in _nodes(ast.Call, naming="answer_delivery")
        if isinstance(node.func, ast.Name) and node.func.id == "answer_delivery"
    }
    assert callers == {"automate_core/webhooks/application.py", "automate_core/webhooks/view.py"}
    limited = [name for name, source in _sources() if "deliveries.take(" in source]
    received = [name for name, source in _sources() if "receiver.receive" in source]
    assert limited == received == ["automate_core/webhooks/deliveries.py"]


def test_one_module_reads_bodies():
    parsers = re.compile(r"\b(MultiPartParser|parse_qsl|RecursionError)\(")
    assert [name for name, source in _sources("automate_core/webhooks") if parsers.search(source)] == [
        "automate_core/webhooks/bodies.py"
    ]


# --- how a run ends, and what makes a job -------------------------------------------------------------------------------

LIFECYCLE = ["automate_core/outbox/lifecycle.py"]


@pytest.mark.extended
def test_a_run_ends_by_one_text():
    """In SQL a status comes from the row of the new state; the ORM never saves a final one."""
    assert _with(r"IN \('succeeded', 'failed'(, 'cancelled')?\) THEN automate_now\(\)") == LIFECYCLE
    assert _with(r"INSERT INTO automate_core_endedrun") == LIFECYCLE
    assert _with(r"INSERT INTO automate_core_event\b[^;]*?'run:' \|\|") == LIFECYCLE
    assert _with(r"UPDATE automate_core_executionrun\b[^\"]*?SET status = '(succeeded|failed|cancelled)'") == []
    assert _with(r"\brun\.status(, [\w.]+)* = [^\n]*RunStatus\.CANCELLED") == []
    assert _with(r"\.update\([^)]*status=RunStatus\.(SUCCEEDED|FAILED|CANCELLED)") == []


def test_a_call_is_answered_by_one_text():
    """What a workflow gives to the step that called it."""
    assert _with(r"jsonb_build_object\('run', \w+\.id, 'status', \w+\.status, 'output'") == [
        "automate_core/runs/waits/sub_run_outcomes.py"
    ]
    assert _with(r"[\"']run[\"']: str\([^\n]*[\"']status[\"']: [^\n]*[\"']output[\"']: None") == []


def test_a_job_is_made_by_one_text():
    assert _with(r"SELECT automate_uuid7\(\), 'dispatch', 'ready'") == LIFECYCLE
    assert _with(r"INSERT INTO automate_core_outboxjob") == LIFECYCLE
    assert _with(r"OutboxJob(\.objects\.(create|bulk_create))?\(\s*kind=") == []


# --- what a definition holds ------------------------------------------------------------------------------------------


def test_one_module_says_where_lists_of_steps_stand():
    assert _with(r"\"on_error\.steps\"|\]\.steps\"") == ["automate_core/definition/slots.py"]
    assert _with(r"OnError\(steps=") == ["automate_core/definition/slots.py"]


def test_one_module_says_which_steps_can_be_named():
    reads_match = [name for name, source in _sources("automate_authoring/definitions") if 'match="all"' in source]
    assert reads_match == ["automate_authoring/definitions/scope.py"]
    assert _with(r"\bAvailableStep\(") == ["automate_authoring/definitions/scope.py"]


def _with(pattern: str) -> list[str]:
    return [name for name, source in _sources() if re.search(pattern, source)]


# --- templates --------------------------------------------------------------------------------------------------------


def test_one_template_draws_a_field():
    assert _templates_with(r"include field\.template") == ["ui/field.html"]
    assert _templates_with(r"\bda-(field|control)(?![\w-])") == ["ui/field.html"]
    assert _templates_with(r"class=\"da-complaint\"|data-missing=") == ["ui/field_message.html"]


@pytest.mark.extended
def test_one_viewer_shows_json():
    """What else is printed as it stands is a command for a shell."""
    assert _templates_with("<pre") == ["builder/triggers/endpoint.html"]
    assert _with(r"\bpprint\b|highlight_json") == []


def _templates_with(pattern: str) -> list[str]:
    folder = ROOT / "templates" / "automate_studio"
    found = [path for path in sorted(folder.rglob("*.html")) if re.search(pattern, path.read_text(encoding="utf-8"))]
    return [str(path.relative_to(folder)) for path in found]


# --- SQL of screens ---------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_screens_write_no_sql():
    statement = re.compile(r"\b(SELECT|INSERT INTO|DELETE FROM|WHERE|CROSS JOIN)\b")
    written = [
        f"{name}: {node.value[:60]!r}"
        for name, node in _nodes(ast.Constant, "automate_studio")
        if isinstance(node.value, str) and statement.search(node.value)
    ]
    run = re.compile(r"\bRawSQL\b|\bdatabase\.run\(|\bcursor\(|\.raw\(|\.extra\(")
    assert written == [] and [name for name, source in _sources("automate_studio") if run.search(source)] == []


# --- dialogs, menus and keys ------------------------------------------------------------------------------------------


def test_menus_are_popovers_and_pages_hold_no_state_of_alpine():
    tag = re.compile(r"<[a-z]+\b(?:[^<>]|\{%.*?%\}|\{\{.*?\}\})*>", re.DOTALL)
    wrong = [
        f"{path.name}: {found[:80]}"
        for path in (ROOT / "templates" / "automate_studio").rglob("*.html")
        for found in tag.findall(path.read_text(encoding="utf-8"))
        if re.search(r"\s(x-[a-z]+|@[a-z]+|data-dialog)[=.:]", found)
        or ('role="menu"' in found and not re.search(r"\spopover\s", found))
    ]
    assert wrong == []


def test_the_keys_of_composite_widgets_stand_in_two_modules():
    """Beside them a card that is picked up and the bars of the histogram, which are no widgets of that kind, know Home."""
    scripts = ROOT / "static" / "automate_studio"
    known = {
        path.relative_to(scripts).as_posix()
        for path in scripts.rglob("*.js")
        if "vendor" not in path.parts and re.search(r"\bHome\b[^;]*:", path.read_text(encoding="utf-8"))
    }
    assert known == {"shared/listbox.js", "shared/roving.js", "builder/move.js", "runs/page.js"}


def _sources(under: str = "") -> Iterator[tuple[str, str]]:
    apps = ROOT / "apps"
    for path in sorted((apps / under).rglob("*.py")):
        if "migrations" not in path.parts:
            yield str(path.relative_to(apps)), path.read_text(encoding="utf-8")


def _nodes[Node: ast.AST](kind: type[Node], under: str = "", *, naming: str = "") -> Iterator[tuple[str, Node]]:
    """Nodes of that kind in the modules in which a word occurs."""
    for name, source in _sources(under):
        if naming in source:
            yield from ((name, node) for node in ast.walk(ast.parse(source)) if isinstance(node, kind))


# --- errors -------------------------------------------------------------------------------------------------------------


def test_an_error_says_itself_what_programs_are_told():
    """Its status and code stand at its class: a table in the API would know every module that raises one."""
    errors = list(_subclasses(AutomateError))
    assert len(errors) > 20
    assert {error.__name__ for error in errors if error.status not in BY_STATUS} == set()
    assert {error.code for error in errors} - {""} <= NARROWER | set(BY_STATUS.values())


def _subclasses(cls):
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


# --- what connectors describe -----------------------------------------------------------------------------------------


def test_the_tables_of_connectors_in_python_are_data():
    """Actions and polls stand in files of YAML beside their modules, as those of declared connectors do."""
    made = {
        name
        for name, node in _nodes(ast.Call, "automate_connectors/adapters")
        if isinstance(node.func, ast.Name) and node.func.id in {"Action", "Poll"} and node.keywords[1:]
    }
    assert made == {"automate_connectors/adapters/base.py"}  # the action of an adapter that describes none
