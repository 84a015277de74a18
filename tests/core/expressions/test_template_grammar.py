"""Templates out of the grammar: whatever they are, nothing is read but JSON data, and limits hold."""

from __future__ import annotations

import json
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import budget, compile_template, compile_value, render_worker
from automate_core.expressions.templating.filters import FILTERS
from automate_core.expressions.templating.grammar import METHODS, TESTS
from automate_core.expressions.templating.limits import MAX_OUTPUT
from tests.support.costs import soon

HARMLESS = {"__class__", "get"}  # type checks, and our own look-up of a key


class Trap:
    """No JSON: notices every attribute that anything reads from it."""

    read: list[str] = []

    def __getattribute__(self, name):
        if name not in HARMLESS:
            Trap.read.append(name)
        return object.__getattribute__(self, name)


class TrapMapping(dict):
    """The same, as something whose keys may be looked up."""

    def __getattribute__(self, name):
        if name not in HARMLESS:
            Trap.read.append(name)
        return dict.__getattribute__(self, name)


class Watch:
    """Audit events of the interpreter, such as opening a file or reading a function's globals, while it is on."""

    def __init__(self):
        self.seen = []
        self.thread = None
        sys.addaudithook(self._hook)  # cannot be taken back: it does nothing while it is off

    def _hook(self, event, arguments):
        if self.thread == threading.get_ident():
            self.seen.append((event, str(arguments)[:200]))

    def __enter__(self):
        self.seen = []
        self.thread = threading.get_ident()

    def __exit__(self, *_):
        self.thread = None


@pytest.fixture(scope="module")
def watch():
    render_worker.warm_up()  # so that all that a filter reads where it is used has been read
    return Watch()


HOSTILE = [
    *["__class__", "__globals__", "__init__", "__mro__", "__subclasses__", "__dict__", "__getattribute__", "__code__"],
    *["format", "format_map", "func_globals", "gi_frame", "f_back", "mro", "encode", "join", "translate", "_name"],
    *["environment", "eval_ctx", "vars", "parent", "blocks", "cycle", "changed", "previtem", "_undefined_obj"],
]
FIELDS = ["payload", "items", "keys", "a", "text", "rows", "trap", "mapping", "0", *sorted(METHODS), *HOSTILE]
NAMES = ["event", "trap", "mapping", "text", "x", "loop", "self", "range", "now", "_x", "cycler", "dict", "item"]
CONSTANTS = ["'a'", "'é\\n'", "''", "0", "7", "-1", "1.5", "10 ** 3", "[1, 'a']", "{'a': 1}", "none", "true", "(1, 2)"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "and", "or", "==", "!=", "<", ">=", "in", "not in"]

_leaves = st.one_of(st.sampled_from(NAMES), st.sampled_from(CONSTANTS), st.integers(-10, 10_000).map(str))
_fields = st.sampled_from(FIELDS)
_filters = st.sampled_from([*FILTERS, "attr('x')", "format", "map('upper')", "xmlattr", "safe", "_each", "_concat"])
_tests = st.sampled_from([*TESTS, "callable", "sameas(1)", "filter"])


def _with(inner):
    few = st.lists(inner, max_size=2).map(", ".join)
    return st.one_of(
        st.builds("{}.{}".format, inner, _fields),
        st.builds("{}['{}']".format, inner, _fields),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}[{}:]".format, inner, inner),
        st.builds("{}({})".format, inner, few),
        st.builds("{}.{}({})".format, inner, _fields, few),
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("({} | {})".format, inner, _filters),
        st.builds("({} | {}({}))".format, inner, st.sampled_from(sorted(FILTERS)), few),
        st.builds("({} is {})".format, inner, _tests),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("[{}]".format, few),
        st.builds("{{'k': {}}}".format, inner),
        st.builds("(not {})".format, inner),
        st.builds("(-{})".format, inner),
    )


_expressions = st.recursive(_leaves, _with, max_leaves=10)
_bodies = st.builds("{{{{ {} }}}}".format, _expressions)


def _blocks(inner):
    body = st.lists(inner, min_size=1, max_size=3).map("\n".join)
    return st.one_of(
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, _expressions, body, body),
        st.builds("{{% for x in {} %}}{}{{% endfor %}}".format, _expressions, body),
        st.builds("{{% for event in {} if {} %}}{}{{% endfor %}}".format, _expressions, _expressions, body),
        st.builds("{{% set y = {} %}}{}".format, _expressions, body),
        st.builds("{{% macro m() %}}{}{{% endmacro %}}".format, body),
        st.builds("{{# {} #}}".format, body),
    )


_templates = st.lists(st.recursive(_bodies, _blocks, max_leaves=4), min_size=1, max_size=3).map(" ".join)


def scope():
    data = {"a": 1, "text": "Some text", "rows": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], "items": [3, 1, 2]}
    return {"event": {"payload": data}, "trap": Trap(), "mapping": TrapMapping(a=Trap()), "text": "text", "x": "x"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(_bodies, _templates))
def test_nothing_is_read_but_data_and_limits_hold(watch, source):
    """It renders, or says in words why not: in the same process, where only the first wall stands."""
    Trap.read.clear()
    data = scope()
    before = json.dumps(data["event"])
    try:
        evaluate = compile_template(source).evaluate
    except TemplateError as error:
        assert error.reason and error.line >= 1
        return
    try:
        budget.start_budget()
        with soon(), watch:
            result = evaluate(data)
    except TemplateError as error:
        assert error.reason and error.line >= 1
    except TypeError as error:  # a whole mapping is written as JSON, which a trap is not
        assert "Trap" in str(error)
    else:
        assert not isinstance(result, str) or len(result) <= MAX_OUTPUT
    assert Trap.read == []
    assert [event for event in watch.seen if not _harmless(*event)] == []
    assert json.dumps(data["event"]) == before


def _harmless(event, arguments):
    """What our own code and Jinja's do: frames for the line of an error, and time zones that are read by their name."""
    ours = event == "object.__getattr__" and arguments.startswith("(<traceback object") and "tb_frame" in arguments
    return ours or "zoneinfo" in arguments


@pytest.mark.extended
@settings(max_examples=150, deadline=None)
@given(_templates)
def test_through_the_pool_it_is_the_same_or_an_error(source):
    data = {"event": scope()["event"], "x": "x", "text": "text"}
    try:
        template = compile_value({"light": "{{ event.payload.a }}", "any": source})
        result = template.render(data)
    except TemplateError as error:
        assert "render worker" not in error.reason
        return
    assert result["light"] == 1
    assert json.loads(json.dumps(result)) == result
    if "now" not in source:
        budget.start_budget()
        assert json.loads(json.dumps(template.evaluate(data), default=list)) == result
