"""Expressions: what they give, what they say when something is missing, and what does not get out."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automate_core.lookups import TemplateError
from automate_core.templating import compile_template, compile_value

SCOPE = {
    "event": {
        "payload": {
            "action": "opened",
            "issue": {"number": 7, "title": "Hi", "labels": [{"name": "bug"}, {"name": "p1"}], "body": None},
            "items": [1, 2, 3],
            "price": "409.94",
            "_id": "x",
        },
        "type": "issues",
    },
    "steps": {"a": {"output": {"n": 2, "flag": True}}},
}
RESULTS = {
    "plain": "plain",
    "{{ event.payload.issue.number }}": 7,
    "{{ event.payload.issue }}": SCOPE["event"]["payload"]["issue"],
    "{{ event.payload.items }}": [1, 2, 3],
    "{{ event.payload['items'][0] }}": 1,
    "{{ event.payload._id }}": "x",
    "{{ event.payload.issue.body }}": None,
    "{{ steps.a.output.flag }}": True,
    "#{{ event.payload.issue.number }}: {{ event.payload.issue.title }}": "#7: Hi",
    "{{ event.payload.issue.body }}.": ".",
    "{{ steps.a.output.flag }} {{ event.payload.items }}": "true [1, 2, 3]",
    "{{ event.payload.issue.number + 1 }}": 8,
    "{{ event.payload.price | float + 1 }}": 410.94,
    "{{ event.payload.x.y.z | default('none') }}": "none",
    "{{ event.payload.x is defined }}": False,
    "{{ event.payload.issue.labels | join(', ', attribute='name') }}": "bug, p1",
    "{% for label in event.payload.issue.labels %}{{ loop.index }}{{ label.name }} {% endfor %}": "1bug 2p1 ",
    "{{ 'yes' if event.type == 'issues' else 'no' }}": "yes",
    "{{ event.payload.action.upper() }}": "OPENED",
    "{{ 'a,b'.split(',') }}": ["a", "b"],
    "{{ range(3) }}": [0, 1, 2],
    "{{ event.payload.issue | tojson }}": '{"number": 7, "title": "Hi", "labels": [{"name": "bug"}, {"name": "p1"}], "body": null}',
    "{{ event.payload.items | sum }} of {{ event.payload.items | length }}": "6 of 3",
    "{{ 'a' ~ 1 }}": "a1",
    "{{ event.payload.items[1:] }}": [2, 3],
}


@pytest.mark.parametrize("source", RESULTS)
def test_results(source):
    result = compile_template(source).render(SCOPE)
    assert (result, type(result)) == (RESULTS[source], type(RESULTS[source]))


MISSING = {
    "{{ event.payload.isue }}": "event.payload.isue does not exist; did you mean 'issue'?",
    "{{ event.payload.zzz }}": "event.payload.zzz does not exist; there is _id, action, issue, items, price",
    "Hi {{ steps.b.output }}": "steps.b does not exist; there is a",
    "{{ nothing }}": "nothing does not exist; there is event, steps",
    "{{ event.payload.items[9] }}": "event.payload.items[9] does not exist; event.payload.items is a list of 3",
    "{{ event.payload.action.length }}": "event.payload.action.length does not exist; event.payload.action is text",
    "{{ event.payload.issue.body.x }}": "event.payload.issue.body.x does not exist; event.payload.issue.body is null",
    "{{ event.payload.zz + 1 }}": "event.payload.zz does not exist",
    "{% if event.payload.zz %}x{% endif %}": "event.payload.zz does not exist",
    "a\n\n{{ event.payload.zz | upper }}": "line 3: event.payload.zz does not exist",
    "{{ 1 / 0 }}": "division by zero",
    "{{ 'a' + 1 }}": "text + a number cannot be computed",
    "{{ event.payload.issue.labels | join(attribute='nam') }}": "an item has no 'nam'",
}


@pytest.mark.parametrize("source", MISSING)
def test_errors_say_what_is_missing(source):
    with pytest.raises(TemplateError) as caught:
        compile_template(source).render(SCOPE)
    assert MISSING[source] in str(caught.value)


# Each of these is an attack, or a construct that has no place here. None may compile and render.
ATTACKS = """
{{ ''.__class__ }}
{{ ''['__class__'] }}
{{ event.__class__.__mro__ }}
{{ event.payload.action.format(1) }}
{{ event.payload.action.format_map({}) }}
{{ event.payload.items.append(4) }}
{{ event.payload.clear() }}
{{ event.payload.get('action') }}
{{ self }}
{{ self.__init__ }}
{{ cycler }}
{{ lipsum() }}
{{ joiner() }}
{{ namespace(a=1) }}
{{ dict(a=1) }}
{{ range.__globals__ }}
{{ now.__globals__ }}
{{ event | attr('payload') }}
{{ ['a'] | map('upper') | list }}
{{ 'x' | format(1) }}
{{ 'x' | center(900000000) }}
{{ 'x' | indent(900000000) }}
{{ 'x' | wordwrap(1) }}
{{ 'x' | xmlattr }}
{{ 'x' | urlize }}
{{ 'x' | pprint }}
{{ 'x' | safe }}
{% set x = 1 %}{{ x }}
{% include 'x' %}
{% import 'x' as y %}
{% extends 'x' %}
{% block b %}{% endblock %}
{% macro m() %}{% endmacro %}
{% call m() %}{% endcall %}
{% filter upper %}x{% endfilter %}
{% raw %}{{ x }}{% endraw %}{{ ''.__doc__ }}
{% for a in range(9) recursive %}{{ loop(a) }}{% endfor %}
{{ 'A' * 1000000000 }}
{{ 'A' * 10 ** 9 }}
{{ [0] * 1000000000 }}
{{ 9 ** 9 ** 9 ** 9 }}
{{ 2 ** 100000 }}
{{ 999999999999999999999 ** 99 }}
{{ '%s' % 1 }}
{{ range(100000000) }}
{{ range(0, 1000000, 1) | list }}
{{ range(*[1, 2]) }}
{{ event.payload.action.upper.__self__ }}
{{ event.payload.action.upper }}
{{ (event.payload.action.upper)() }}{{ ''.join.__self__ }}
{{ loop.__class__ }}
{% for a in [1] %}{{ loop.__class__ }}{% endfor %}
{% for a in [1] %}{{ loop.cycle.__globals__ }}{% endfor %}
{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}
{% for a in [1] %}{% for b in [1] %}{% for c in [1] %}{% endfor %}{% endfor %}{% endfor %}
{% for a in range(1000) %}{{ 'x' * 1000 }}{% endfor %}
{{ _budget }}
{{ x
{{ 1 if }}
{% endif %}
{{ event.payload.items | sort(attribute='__class__') }}{{ ''.__class__ }}
{{ caller() }}
{{ varargs }}
{{ 'a' | replace('a', 'b' * 999) | replace('b', 'c' * 999) }}
{{ ('x', 'y').__class__ }}
{{ 1.0.__class__ }}
{{ true.__class__ }}
{{ none.__class__ }}
{{ 1.real }}
{{ 1 | round(999999999, 'ceil') }}
{{ 5 | round(-999999999) }}
{{ [[1], [2]] | sum(start=[]) }}
{{ ['a', 'b'] | sum }}
x{{ 'x'.upper }}
{% for a in [1] %}{{ loop }}{% endfor %}
{% for a in range(1000) %}{% for b in range(99) %}{{ range(1000) | list | sort | first }}{% endfor %}{% endfor %}
""".strip().splitlines()


@pytest.mark.parametrize("source", ATTACKS)
def test_attacks_end_in_an_error_and_soon(source):
    started = time.perf_counter()
    with pytest.raises(TemplateError):
        compile_template(source).render(SCOPE)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "source", ["{{ 'A' * 10**9 }}", "{% if 'A' * 10**9 %}{% endif %}", "{{ ('A' * 10**9) | upper }}", "{{ 10**10**8 }}"]
)
def test_nothing_is_folded_while_compiling(source):
    started = time.perf_counter()
    compile_template(source)
    assert time.perf_counter() - started < 0.5


def test_sizes_are_capped():
    with pytest.raises(TemplateError, match="longer than"):
        compile_template("x" * 20_001)
    with pytest.raises(TemplateError, match="too large"):
        compile_template("{{ [" + "1," * 5_100 + "] }}")
    with pytest.raises(TemplateError, match="nested too deeply"):
        compile_template("{{ " + "(" * 200 + "1" + ")" * 200 + " + 1" * 60 + " }}")
    with pytest.raises(TemplateError, match="longer than"):
        compile_template("{{ a }}{{ a }}").render({"a": "x" * 150_000})


def test_a_step_holds_so_many_expressions():
    with pytest.raises(TemplateError, match="more than 500 texts"):
        compile_value({"listed": ["{{ event.payload }}"] * 501})


def test_values_are_rendered_inside_lists_and_mappings():
    template = compile_value({"a": ["{{ event.type }}", 1, None], "b": {"c": "{{ steps.a.output.n }}"}})
    assert template.render(SCOPE) == {"a": ["issues", 1, None], "b": {"c": 2}}
    with pytest.raises(TemplateError, match="b: c: there is no filter"):
        compile_value({"b": {"c": "{{ 1 | nope }}"}})


def test_paths_are_known_before_anything_runs():
    template = compile_template(
        "{{ steps.a.output }} {% for x in event.payload.items %}{{ x.y }}{{ now() }}{% endfor %}"
    )
    assert set(template.paths) == {("steps", "a", "output"), ("event", "payload", "items")}


class Trap:
    """Notices every attribute that a template reads from it."""

    def __init__(self):
        object.__setattr__(self, "read", [])

    def __getattribute__(self, name):
        if name in ("read", "__class__"):
            return object.__getattribute__(self, name)
        object.__getattribute__(self, "read").append(name)
        return object.__getattribute__(self, name)


_names = st.sampled_from(["event", "trap", "x", "loop", "self", "range", "now", "_x", "__class__", "cycler"])
_attributes = st.sampled_from(
    ["payload", "__class__", "__globals__", "upper", "format", "items", "_id", "mro", "func_code"]
)
_leaf = st.one_of(_names, st.integers(-5, 99).map(str), st.sampled_from(["'a'", "[1]", "{'a': 1}", "none", "true"]))
_expressions = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.builds("{0}.{1}".format, inner, _attributes),
        st.builds("{0}['{1}']".format, inner, _attributes),
        st.builds("{0}()".format, inner),
        st.builds("({0} {1} {2})".format, inner, st.sampled_from(["+", "*", "~", "**", "%", "and", "==", "in"]), inner),
        st.builds(
            "({0} | {1})".format, inner, st.sampled_from(["upper", "list", "attr('x')", "default(1)", "tojson", "sum"])
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=2000)
@given(
    _expressions,
    st.sampled_from(
        [
            "{{{{ {} }}}}",
            "a {{{{ {} }}}}",
            "{{% if {} %}}x{{% endif %}}",
            "{{% for i in {} %}}{{{{ i }}}}{{% endfor %}}",
        ]
    ),
)
def test_no_template_reads_an_attribute_of_an_object(expression, shape):
    """Whatever the grammar gives: it renders or raises TemplateError, and no object behind the data is touched."""
    trap = Trap()
    with contextlib.suppress(TemplateError):
        compile_template(shape.format(expression)).render({"event": {"payload": {"a": 1}}, "trap": trap, "x": "text"})
    assert [name for name in trap.read if name not in {"__str__", "__html__", "__format__", "__hash__", "__eq__"}] == []
