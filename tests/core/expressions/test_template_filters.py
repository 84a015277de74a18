"""Filters: what each gives, and what it does not take."""

from __future__ import annotations

import itertools

import pytest

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import budget, compile_template
from automate_core.expressions.templating.filters import FILTERS

SCOPE = {
    "time": "2026-03-29T00:30:00Z",
    "rows": [
        {"n": 3, "name": "Cy", "team": {"id": 1}, "open": True},
        {"n": 1, "name": "ada", "team": {"id": 2}, "open": False},
        {"n": 2, "name": "Bo", "team": {"id": 1}},
    ],
    "text": 'He said: "a & b"\nÜmlaut',
}
GIVES = {
    "{{ missing | default('x') }}": "x",
    "{{ none | default('x') }}": None,
    "{{ none | default('x', true) }}": "x",
    "{{ '' | default('x', boolean=true) }}": "x",
    "{{ ('19.90' | to_number) * 2 }} {{ 3 | to_number }}": "39.8 3",
    "{{ ' 12 ' | to_number }}": 12,
    "{{ 5 | upper }}": "5",
    "{{ 'straße' | upper }}": "STRASSE",
    "{{ true | upper }}": "TRUE",
    "{{ 'ÄB' | lower }}": "äb",
    "{{ 'the end of it' | title }}": "The End Of It",
    "{{ ' x ' | trim }}": "x",
    "{{ '--x--' | trim('-') }}": "x",
    "{{ 'The quick brown fox' | truncate(12) }}": "The quick...",
    "{{ 'The quick brown fox' | truncate(12, killwords=true, end='…') }}": "The quick b…",
    "{{ 'short' | truncate(12) }}": "short",
    "{{ 'Donaudampfschiff' | truncate(8) }}": "Donau...",
    "{{ 'a-b-c' | replace('-', '+') }}": "a+b+c",
    "{{ rows | join(', ', 'name') }}": "Cy, ada, Bo",
    "{{ [1, none, true] | join('/') }}": "1//true",
    "{{ ' a  b ' | split }}": ["a", "b"],
    "{{ 'a,b,,c' | split(',') }}": ["a", "b", "", "c"],
    "{{ rows | length }}": 3,
    "{{ text | length }}": 23,
    "{{ {} | length }}": 0,
    "{{ rows | first }}": SCOPE["rows"][0],
    "{{ 'abc' | last }}": "c",
    "{{ rows | sort(attribute='n') | map('n') }}": [1, 2, 3],
    "{{ rows | sort(attribute='name') | map('name') }}": ["ada", "Bo", "Cy"],
    "{{ rows | sort(attribute='name', case_sensitive=true) | map('name') }}": ["Bo", "Cy", "ada"],
    "{{ [2, none, 1] | sort(reverse=true) }}": [2, 1, None],
    "{{ [1, 1.0, true, '1', 1] | unique }}": [1, True, "1"],
    "{{ rows | unique('team.id') | map('n') }}": [3, 1],
    "{{ rows | sum('n') }}": 6,
    "{{ [1, 2.5] | sum(start=10) }}": 13.5,
    "{{ [] | sum }}": 0,
    "{{ rows | min('n') }} {{ rows | max('name') }}": "1 ada",
    "{{ 2.5 | round }} {{ 2.345 | round(2) }} {{ 2.1 | round(0, 'ceil') }} {{ 1234 | round(-2, 'floor') }}": "2.0 2.35 3.0 1200.0",
    "{{ ' 42 ' | int }}": 42,
    "{{ '42.9' | int }}": 42,
    "{{ -1.5 | int }}": -1,
    "{{ 'x' | int(0) }}": 0,
    "{{ none | int(default=7) }}": 7,
    "{{ '1e3' | float }}": 1000.0,
    "{{ true | int }}": 1,
    "{{ 'x' | float(none) }}": None,
    "{{ 7 | string }}": "7",
    "{{ rows[1].team | string }}": '{"id": 2}',
    "{{ 'YES' | bool }} {{ 'off' | bool }} {{ 0 | bool }} {{ [0] | bool }}": "true false false true",
    "{{ -3 | abs }}": 3,
    "{{ {'a': 1} | list }}": ["a"],
    "{{ 'ab' | list }}": ["a", "b"],
    "{{ rows | map('team.id') }}": [1, 2, 1],
    "{{ [[1, 2], [3, 4]] | map(1) }}": [2, 4],
    "{{ rows | select('open') | map('n') }}": [3],
    "{{ rows | reject('open') | map('n') }}": [1, 2],
    "{{ rows | select('team.id', 1) | map('n') }}": [3, 2],
    "{{ (rows | find('n', 2)).name }}": "Bo",
    "{{ rows | groupby('team.id') | map('items') | map(0) | map('n') }}": [3, 1],
    "{{ time | date }} {{ time | time }}": "2026-03-29 00:30",
    "{{ time | date('%d.%m.%Y %H:%M %Z', timezone='Europe/Berlin') }}": "29.03.2026 01:30 CET",
    "{{ '2026-03-29T01:30:00Z' | time('%H:%M %Z', 'Europe/Berlin') }}": "03:30 CEST",
    "{{ '2026-12-24' | date('%A', timezone='America/New_York') }}": "Thursday",
    "{{ 1782000000 | date('%Y-%m-%dT%H:%M:%S%z') }}": "2026-06-21T00:00:00+0000",
    "{{ '2026-12-24T18:00:00+05:00' | timestamp }}": 1798117200,
    "{{ time | local_date('long', locale='de') }}": "29. März 2026",
    "{{ time | local_date('full', locale='pt-BR') }}": "domingo, 29 de março de 2026",
    "{{ time | local_datetime('short', timezone='Asia/Tokyo', locale='ja') }}": "2026/03/29 9:30",
    "{{ 1234567.891 | number }}": "1,234,567.891",
    "{{ '1234567.891' | number(2, 'de') }}": "1.234.567,89",
    "{{ 1234 | number(0, locale='de_CH') }}": "1\u2019234",
    "{{ 409.94 | currency('USD') }}": "$409.94",
    "{{ '409.9' | currency('EUR', locale='de') }}": "409,90\xa0€",
    "{{ 1000 | currency('JPY', locale='ja') }}": "￥1,000",
    "{{ rows[1] | tojson }}": '{"n": 1, "name": "ada", "team": {"id": 2}, "open": false}',
    "{{ text | tojson }}": '"He said: \\"a & b\\"\\nÜmlaut"',
    "{{ ('[1, {\"a\": null}]' | fromjson)[1] }}": {"a": None},
    "{{ 'Crème brûlée & Co.' | slugify }}": "creme-brulee-co",
    "{{ text | urlencode }}": "He%20said%3A%20%22a%20%26%20b%22%0A%C3%9Cmlaut",
    "{{ {'q': 'a b', 'n': 1, 'ok': true} | urlencode }}": "q=a%20b&n=1&ok=true",
    "{{ 'Ümlaut' | base64 }} {{ 'w5xtbGF1dA' | base64_decode }}": "w5xtbGF1dA== Ümlaut",
    "{{ 'abc' | sha256 }}": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "{{ '<a href=\"x\">' | escape }}": "&lt;a href=&quot;x&quot;&gt;",
    "{{ text | regex_match('(?i)SAID: \"') }} {{ text | regex_match('^b') }}": "true false",
    "{{ 'Order 1234' | regex_find('[0-9]+') }}": "1234",
    "{{ 'Order 1234' | regex_find('x') | default('none') }}": "none",
    "{{ 'a=1;b=2' | regex_find_all('([a-z])=') }}": ["a", "b"],
    "{{ 'Ada Löve' | regex_replace('(\\\\w+) (\\\\S+)', '\\\\2, \\\\1 <\\\\0>') }}": "Löve, Ada <Ada Löve>",
    "{{ 'abc' | regex_replace('', '-') }}": "-a-b-c-",
}


@pytest.mark.parametrize("source", GIVES)
def test_filters_give(source):
    wanted = GIVES[source]
    result = compile_template(source).render(SCOPE)
    assert (result, type(result)) == (wanted, type(wanted))


def test_a_render_worker_gives_the_same():
    """Whether a template is light decides where it is evaluated, not what it gives."""
    misses = []
    for source in GIVES:
        result = compile_template(source + "{{ 1 + 1 }}").render(SCOPE)
        budget.start_budget()
        if result != compile_template(source + "{{ 1 + 1 }}").evaluate(SCOPE):
            misses.append(source)
    assert misses == []


def test_every_filter_is_tried_and_has_an_example_that_works():
    for name, offered in FILTERS.items():
        assert f"| {name}" in "".join(GIVES), name
        assert f"| {name}" in offered.example and offered.code.__doc__, name
        budget.start_budget()
        compile_template(offered.example).evaluate({"event": {"payload": {}}})


VALUES = ("missing", "none", "true", "7", "0.5", "'x'", "[]", "[1]", "[{}]", "{}", "rows", "text")
ARGUMENTS = ("", "('n')", "(1)", "(none)", "([])", "('n', 'n')")


@pytest.mark.extended
def test_a_filter_takes_a_value_or_says_why_not():
    """Whatever it is given: a JSON value, or an error in words."""
    misses = []
    for name, value, arguments in itertools.product(sorted(set(FILTERS) - {"default"}), VALUES, ARGUMENTS):
        source = f"{{{{ ({value} | {name}{arguments}) | tojson }}}}"
        try:
            compile_template(source).render(SCOPE)
        except TemplateError as error:
            if not error.reason or "object at" in error.reason or "<class" in error.reason:
                misses.append((source, error.reason))
    assert misses == []
