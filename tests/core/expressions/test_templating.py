"""Expressions: what they give, what they say when something is missing, and what does not get out."""

from __future__ import annotations

import contextlib

import pytest

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import budget, compile_template, compile_value, sandbox
from automate_core.expressions.templating.filters import FILTERS
from automate_core.expressions.templating.grammar import TESTS
from tests.support.costs import at_most, soon
from tests.support.matrix import representatives

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
    "{{ first(event.payload.missing, event.payload.price, 'none') }}": "409.94",
    "{{ first(event.payload.x.y.z, steps.later.output.n, steps.a.output.n) }}": 2,
    "{{ first(event.payload.issue.body, 'empty') }}": "empty",
    "{{ first(event.payload.missing, event.payload.issue.body) }}": None,
    "{{ first(false, 1) }}": False,
    "{{ first(event.payload.x | upper | trim, event.payload.action | upper) }}": "OPENED",
    "{{ first(event.payload.x, first(event.payload.y, 'z')) }}": "z",
    "{{ first(event.payload.x, event.payload.y) | default('z') }}": "z",
    "{{ first(event.payload.x) is defined }}": False,
    "{{ first(event.payload.x, event.payload.issue.number) + 1 }}": 8,
    "{% for label in event.payload.issue.labels %}{{ first(label.title, label.name) }} {% endfor %}": "bug p1 ",
    "{{ event.payload.items[1:] }}": [2, 3],
    "{{ true ~ none ~ [1, 'a'] }}": 'true[1, "a"]',
    "{{ [event.payload.issue.number, event.type] }}": [7, "issues"],
    "{{ {'n': event.payload.issue.number} }}": {"n": 7},
    "{% for event in [{'type': 'inner'}] %}{{ event.type }} {% endfor %}{{ event.type }}": "inner issues",
    "{% for n in event.payload['items'] if n > 1 %}{{ n }}{% else %}none{% endfor %}": "23",
    "{% for n in [] %}x{% else %}none{% endfor %}": "none",
    "{% for key in event.payload.issue %}{{ key }} {% endfor %}": "number title labels body ",
    "{{ event.payload['ite' ~ 'ms'] }}": [1, 2, 3],
    "{{ steps | length }}": 1,
    "{{ steps.a.output }}{{ steps.a.output.n + 1 }}": '{"n": 2, "flag": true}3',
    "{{ [] | first | default('none') }}": "none",
    "{{ (event.payload.issue.labels | find('name', 'p2')).name | default('none') }}": "none",
    "{{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 10 }} {{ 7 / 2 }} {{ -3 }}": "3 3 1024 3.5 -3",
    "{# a comment #}": "",
    "a { b": "a { b",
}


@pytest.mark.matrix
@pytest.mark.parametrize("source", RESULTS)
def test_results(source):
    result = compile_template(source).render(SCOPE)
    assert (result, type(result)) == (RESULTS[source], type(RESULTS[source]))


MISSING = {
    "{{ event.payload.isue }}": "event.payload.isue does not exist. Did you mean 'issue'?",
    "{{ event.payload.zzz }}": "event.payload.zzz does not exist. Available: _id, action, issue, items, price.",
    "Hi {{ steps.b.output }}": "steps.b does not exist. Available: a.",
    "{{ nothing }}": "nothing does not exist. Available: event, steps.",
    "{{ event.payload.items[9] }}": "event.payload.items[9] does not exist. The list has 3 items.",
    "{{ event.payload.action.length }}": "event.payload.action.length does not exist. event.payload.action is a text.",
    "{{ event.payload.issue.body.x }}": "event.payload.issue.body.x does not exist. event.payload.issue.body is null.",
    "{{ event.payload.zz + 1 }}": "event.payload.zz does not exist",
    "{% if event.payload.zz %}x{% endif %}": "event.payload.zz does not exist",
    "a\n\n{{ event.payload.zz | upper }}": "Line 3: event.payload.zz does not exist",
    "{{ 1 / 0 }}": "division by zero",
    "{{ 'a' + 1 }}": "+ does not work with a text and a number.",
    "{{ event.payload.issue.labels | join(attribute='nam') }}": "an item has no 'nam'. nam does not exist. Did you mean 'name'?",
    "{% for label in event.payload.issue.labels %}\n{{ label.nam }}{% endfor %}": "Line 2: nam does not exist. Did you mean 'name'?",
    "{% if event.payload.zz is defined %}x{% endif %}\n{{ event.payload.actio }}": "Line 2: event.payload.actio does not exist. Did you mean 'action'?",
    "{{ event.payload.zz | default(event.payload.isue) }}": "event.payload.isue does not exist. Did you mean 'issue'?",
    "a\n{{ 1 + 1 }}\n{{ 'a' + 1 }}": "Line 3: + does not work with a text and a number.",
    "a\n{{ 'x' | upper }}\n\n{{ event.type | int }}": "Line 4: int needs a number, not 'issues'.",
    "{{ event.payload.issue.labels | sum('name') }}": "sum needs a list of numbers.",
    "{{ event.payload.zz }} {{ 1 + 1 }}": "event.payload.zz does not exist. Available: _id, action, issue, items, price.",
    "{{ even.type }} {{ 1 + 1 }}": "even does not exist. Did you mean 'event'?",
    "{{ event.payload.zz.upper() }}": "event.payload.zz does not exist",
    "{{ event.payload.zz is string }}": "event.payload.zz does not exist",
}


@pytest.mark.parametrize("source", MISSING)
def test_errors_say_what_is_missing(source):
    with pytest.raises(TemplateError) as caught:
        compile_template(source).render(SCOPE)
    assert MISSING[source] in str(caught.value)


# Each of these is an attack, or a construct that has no place here. None may compile and render.
ATTACKS = r"""
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
{% endif %}
{{ event.payload['items'] | sort(attribute='__class__') }}
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
{{ ''["\x5f\x5fclass\x5f\x5f"] }}
{{ ''|attr("\x5f\x5fclass\x5f\x5f") }}
{{ [].__class__.__base__.__subclasses__() }}
{{ ''.__class__.mro()[1] }}
{{ lipsum.__globals__["os"].popen("id") }}
{{ cycler.__init__.__globals__.os }}
{{ self._TemplateReference__context }}
{{ request.application.__globals__ }}
{{ config }}
{{ event.payload["__class__"]["__init__"] }}
{{ event.payload.items.__class__.__base__ }}
{{ "{0.__class__}".format(event) }}
{{ ("{0.__class__}".format)(event) }}
{{ [("a".format)] | first }}
{{ event.payload['items'] | map("format") }}
{{ event.payload['items'] | map("__class__") }}
{{ event.payload.issue.labels | map("name.__class__") }}
{{ event.payload.issue.labels | select("__class__") | first }}
{{ event.payload.issue.labels | groupby("__class__") }}
{{ event.payload.issue.labels | join(attribute="__class__") }}
{{ event.payload | dictsort }}
{{ event.payload | items }}
{{ 'abc' | batch(1) }}
{{ 'abc' | slice(1) }}
{{ 'abc' | forceescape }}
{{ 'abc' | striptags }}
{{ 'abc' | filesizeformat }}
{{ event is callable }}
{{ event is sameas(event) }}
{{ 'x' is filter }}
{{ event | selectattr('x', 'filter') }}
{{ {}.update({'a': 1}) }}
{{ {}.items() }}
{{ ''.join(['a']) }}
{{ 'a'.encode() }}
{{ 'a'.translate({97: 'b'}) }}
{{ now.__call__() }}
{{ now().__class__ }}
{{ now(1) }}
{{ now }}
{{ now | string }}
{{ [now] | first }}
{{ ([now] | first)() }}
{{ range }}
{{ range(1).__class__ }}
{{ range(3).start }}
{{ range('a') }}
{{ range(1, 2, 0) }}
{{ range(3)[0:2].__reduce__ }}
{% for range in [1] %}{{ range(3) }}{% endfor %}
{% for loop in [1] %}x{% endfor %}
{% for a in [1] %}{{ loop | length }}{% endfor %}
{% for a in [1] %}{{ loop | list }}{% endfor %}
{% for a in [1] %}{{ loop | string }}{% endfor %}
{% for a in [1] %}{{ loop.previtem }}{{ loop.changed(1) }}{% endfor %}
{% for a in [1] %}{{ [loop] | first }}{% endfor %}
{% for a in 7 %}x{% endfor %}
{% for a in event.payload.zz %}x{% endfor %}
{% for a in event.payload['items'] if a is nope %}x{% endfor %}
{% for a in range(1000) %}{% if loop.first %}{{ 'x' }}{% endif %}{% for b in range(1000) if b > 2000 %}{% endfor %}{% endfor %}
{% trans %}x{% endtrans %}
{% autoescape false %}x{% endautoescape %}
{% with a = 1 %}{{ a }}{% endwith %}
{% do event.clear() %}
{% debug %}
{% for a in [1] %}{% break %}{% endfor %}
{% set event.payload = 1 %}
{{ x | default(*[1]) }}
{{ x | default(**{'default_value': 1}) }}
{{ 'a'.split(*['b']) }}
{{ 'x' | upper(1) }}
{{ 'x' | truncate(size=3) }}
{{ 'x' | truncate(-1) }}
{{ 'x' | split('') }}
{{ 1e999 }}
{{ 1e308 * 10 }}
{{ [1e308, 1e308] | sum }}
{{ (-8) ** 0.5 }}
{{ 0 ** -1 }}
{{ 1 // 0 }}
{{ 1.5 % 0 }}
{{ 'a' < 1 }}
{{ true + true }}
{{ [1] * 3 }}
{{ [[1]] + 'a' }}
{{ -'a' }}
{{ '1e999999999' | number }}
{{ '1e999999999' | int }}
{{ '1e999999999' | currency('EUR') }}
{{ 'nan' | float }}
{{ 'inf' | float }}
{{ 'Infinity' | number }}
{{ '1_000' | int }}
{{ 1 | number(999999999) }}
{{ 1 | number(locale='../../../../etc/passwd') }}
{{ 1 | currency('../x') }}
{{ 1 | currency('EUR', '../../root') }}
{{ event.type | date(timezone='../../../../etc/passwd') }}
{{ 0 | date(timezone='/etc/passwd') }}
{{ 0 | date('%s') }}
{{ 0 | date('%999999999d') }}
{{ 0 | date('%') }}
{{ 0 | date('%Y' * 60) }}
{{ 0 | local_date('#,##0') }}
{{ 1e300 | date }}
{{ 'yesterday' | date }}
{{ 'x' | regex_match('(?=a)') }}
{{ 'x' | regex_match('(a)\\1') }}
{{ 'x' | regex_match('(') }}
{{ 'x' | regex_match('((a{1000}){1000}){1000}') }}
{{ 'x' | regex_replace('x', '\\7') }}
{{ 'x' | regex_find('y') }}
{{ '[1' | fromjson }}
{{ 'NaN' | fromjson }}
{{ '\ud800' | sha256 }}
{{ '\ud800' | regex_match('a') }}
{{ '%%%' | base64_decode }}
{{ '/w==' | base64_decode }}
{{ event | base64 }}
{{ [1, 'a'] | sort }}
{{ [1, 'a'] | max }}
{{ [{}, []] | sort }}
{{ [] | min }}
{{ [] | first }}
{{ first() }}
{{ first(value=1) }}
{{ first(*[1]) }}
{{ first(event.payload.x, event.payload.y) }}
{{ first(event.payload.x + 1, 2) }}
{% for a in [1] %}{{ first(loop) }}{% endfor %}
{{ now(1) }}
{{ {} | first }}
{{ 7 | length }}
{{ 'maybe' | bool }}
{{ "a" if }}
{{ ( }}
{{ }}
{% if %}
{% for %}
{{ 1 +* 2 }}
{{ "unclosed }}
{# unclosed
""".strip().splitlines()


@pytest.mark.parametrize("light", [True, False], ids=["here", "render worker"])
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "{{ event.payload.price | default(event.payload.titel) }}",
            "event.payload.titel does not exist. Did you mean 'items'? Use first(a, b): it skips missing values.",
        ),
        ("{{ first(event.payload.email, event.payload.mail) }}", "first() found no value. Missing: email, mail."),
        ("{{ event.payload.x }}", "event.payload.x does not exist. Available: _id, action, issue, items, price."),
    ],
)
def test_an_error_names_the_cure(source, reason, light):
    with pytest.raises(TemplateError) as caught:
        compile_template(source if light else source + "{{ 1 + 1 }}").render(SCOPE)
    assert caught.value.reason == reason


def test_a_text_in_a_sum_names_the_cure():
    with pytest.raises(TemplateError, match=r"\* does not work with a text and a number. Use to_number to convert"):
        compile_template("{{ event.payload.price * 2 }}").render(SCOPE)


def test_first_is_light_and_tells_all_that_it_may_look_up():
    template = compile_template("{{ first(steps.a.output.n, event.payload.b | upper) }}")
    assert template.is_light
    assert template.paths == (("steps", "a", "output", "n"), ("event", "payload", "b"))


@pytest.mark.parametrize("source", ATTACKS)
def test_attacks_end_in_an_error_and_soon(source):
    with soon(), pytest.raises(TemplateError) as caught:
        compile_template(source).render(SCOPE)
    assert "Traceback" not in str(caught.value) and "0x" not in str(caught.value) and len(str(caught.value)) < 1_000


def test_the_first_wall_stands_alone():
    """The same without a render worker before it: in this very process."""
    misses = []
    for source in ATTACKS:
        with soon(), contextlib.suppress(TemplateError):
            budget.start_budget()
            compile_template(source).evaluate(SCOPE)
            misses.append(source)
    assert misses == []


BIG = {"text": "ab " * 300_000, "listed": [{"k": index, "t": "x" * 20} for index in range(30_000)]}
# Each makes much out of little, or out of something large.
BOMBS = [
    "{{ " + " ~ ".join(["big.text"] * 400) + " }}",
    "{{ (" + " ~ ".join(["big.text"] * 400) + ") | length }}",
    "{{ [" + ", ".join(["big.listed"] * 1_000) + "] | tojson | length }}",
    "{{ [" + ", ".join(["big.listed"] * 1_000) + "] }}",
    "{{ {" + ", ".join(f"'k{index}': big.listed" for index in range(1_000)) + "} | string | length }}",
    "{{ big.text }}" * 1_000,
    "{{ big.listed }}" * 1_000,
    "{% for a in big.listed %}{{ a }}{% endfor %}",
    "{% for a in big.listed %}{% for b in big.listed %}{% endfor %}{% endfor %}",
    "{% for a in big.listed %}{{ big.listed | sort(attribute='k') | length }}{% endfor %}",
    "{{ big.text | replace('', 'y' * 1) | length }}",
    "{{ big.text | replace('', big.text) | length }}",
    "{{ big.listed | join(big.text) | length }}",
    "{{ big.text | split('b') | length }}",
    "{{ big.text | split | length }}",
    "{{ big.text | list | length }}",
    "{{ big.text | regex_match('x') }}",
    "{{ big.text[:90000] | regex_replace('', 'yyyyyyyyyyyyyyyyyyyy') | length }}",
    "{{ big.text[:90000] | regex_replace('(?s)(.*)', '" + "\\\\1" * 160 + "') | length }}",
    "{{ big.text[:90000] | regex_find_all('a[^y]*y|a') | length }}",
    "{{ big.text | slugify | length }}",
    "{{ big.text | upper | urlencode | length }}",
    "{{ big.text | base64 | length }}",
    "{{ big.text | title | length }}",
    "{{ big.text | trim(big.text) | length }}",
    "{{ big.text.strip(big.text) | length }}",
    "{{ big.text[:100].strip(big.text) | length }}",
    "{{ big.text.split() | length }}",
    "{{ big | urlencode | length }}",
    "{{ [big.text] | tojson | length }}",
    "{{ 'x' | truncate(100000) | replace('x', big.text) | length }}",
    "{{ " + "(" * 40 + "9" + " ** 9)" * 40 + " }}",
    "{{ " + "9 * " * 45 + "9.0e300 }}",
    "{{ 'a'" + ".upper()" * 60 + " }}",
    "{{ 'a'" + " | urlencode" * 60 + " }}",
]


@pytest.mark.parametrize("source", representatives(BOMBS, every=8), ids=range(len(BOMBS)))
def test_bombs_do_not_go_off(source):
    with soon(), pytest.raises(TemplateError):
        compile_value({"a": source}).render({"big": BIG})


HARD_TO_READ = [
    "{{ " + "1" * 19_000 + " }}",
    "{{ " + "1_" * 9_000 + "1 }}",
    "{{ " + "1." * 9_000 + " }}",
    "{" * 20_000,
    "{{" * 10_000,
    "{{ '" + "\\" * 9_900 + " }}",
    "{{ '" + "x" * 19_000,
    "{#" * 10_000,
    "{% if a %}" * 1_900,
    "{% for a in b %}" * 1_200,
    "{{ " + "(" * 19_000,
    "{{ " + "[" * 19_000,
    "{{ " + "-" * 19_000 + "1 }}",
    "{{ " + "not " * 4_900 + "1 }}",
    "{{ a" + ".a" * 9_900 + " }}",
    "{{ a" + "|upper" * 3_000 + " }}",
    "{{ " + "a if b else " * 1_600 + "c }}",
    "{{ " + "a < " * 4_900 + "b }}",
    "{% raw %}" + "{% endra" * 2_000,
    "{{ " + " " * 19_900 + "}}x{{",
    "\n" * 19_000 + "{{ a b }}",
    "{%-" + " " * 19_000 + "x",
]


@pytest.mark.matrix
@pytest.mark.parametrize("source", HARD_TO_READ, ids=range(len(HARD_TO_READ)))
def test_what_is_hard_to_read_is_refused_soon(source):
    with at_most(200), contextlib.suppress(TemplateError):
        compile_template(source)


@pytest.mark.parametrize(
    "source", ["{{ big.a.strip(big.b) }}", "{{ big.a | trim(big.b) }}", "{{ big.a.split(big.b) }}"]
)
def test_what_is_evaluated_in_place_takes_no_time(source):
    template = compile_template(source)
    assert template.is_light
    with at_most(50), contextlib.suppress(TemplateError):
        template.render({"big": {"a": "a" * 1_000_000, "b": "b" * 1_000_000 + "a"}})


def test_each_thing_that_is_allowed_is_needed_by_somebody():
    """The allow-lists hold no more than what the tests above and the reference page show."""
    assert set(sandbox.ENVIRONMENT.globals) == {"first", "now", "range"}
    maybe = {f"_maybe_{name}" for name in FILTERS if name != "default"}  # the same in an argument of `first`
    assert set(sandbox.ENVIRONMENT.filters) == {*FILTERS, *maybe, "_each", "_concat", "_item"}
    assert set(sandbox.ENVIRONMENT.tests) == TESTS
    assert not sandbox.ENVIRONMENT.extensions and sandbox.ENVIRONMENT.loader is None


@pytest.mark.parametrize(
    "source", ["{{ 'A' * 10**9 }}", "{% if 'A' * 10**9 %}{% endif %}", "{{ ('A' * 10**9) | upper }}", "{{ 10**10**8 }}"]
)
def test_nothing_is_folded_while_compiling(source):
    with at_most(50):
        compile_template(source)


@pytest.mark.parametrize(
    "source",
    ["{{ 'x' | upper }}", "a {{ 'x' | upper }}", "{% if 'x' | upper %}{% endif %}", "a {{ ('x' | upper) ~ 1 }}"],
)
def test_no_filter_is_called_while_compiling(source, monkeypatch):
    called = []
    monkeypatch.setitem(sandbox.ENVIRONMENT.filters, "upper", lambda value: called.append(value) or "")
    template = compile_template(source)
    assert called == []
    budget.start_budget()
    template.evaluate({})
    assert called == ["x"]


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
    with pytest.raises(TemplateError, match="At most 500 texts"):
        compile_value({"listed": ["{{ event.payload }}"] * 501})


def test_values_are_rendered_inside_lists_and_mappings():
    template = compile_value({"a": ["{{ event.type }}", 1, None], "b": {"c": "{{ steps.a.output.n }}"}})
    assert template.render(SCOPE) == {"a": ["issues", 1, None], "b": {"c": 2}}
    with pytest.raises(TemplateError, match=r"b: c: There is no filter 'uper'\. Did you mean 'upper' / 'number'"):
        compile_value({"b": {"c": "{{ 1 | uper }}"}})


def test_paths_are_known_before_anything_runs():
    template = compile_template(
        "{{ steps.a.output }} {% for x in event.payload.items %}{{ x.y }}{{ now() }}{% endfor %}"
    )
    assert set(template.paths) == {("steps", "a", "output"), ("event", "payload", "items")}
