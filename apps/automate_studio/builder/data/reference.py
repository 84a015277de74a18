"""Reference page of expressions, generated from the code.

`python -m automate_studio.builder.data.reference > docs/expressions.md`
"""

from __future__ import annotations

import functools
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import Parameter, Signature
from itertools import groupby
from typing import Any

from automate_core.expressions.json_path import TemplateError, as_text
from automate_core.expressions.templating import budget, compile_template, limits
from automate_core.expressions.templating.filters import FILTERS, Filter, encoding, lists, numbers, patterns, times
from automate_core.expressions.templating.filters import text as texts
from automate_core.expressions.templating.filters.numbers import LOCALES
from automate_core.expressions.templating.filters.plugin import ABOUT as ABOUT_PLUGINS
from automate_core.expressions.templating.filters.plugin import PLUGIN_FILTERS
from automate_core.expressions.templating.filters.times import MAX_FORMAT
from automate_core.expressions.templating.functions import FUNCTIONS, Function
from automate_core.expressions.templating.grammar import LOOP_FIELDS, METHODS, TESTS
from automate_core.expressions.templating.pool import WORKERS
from automate_core.expressions.templating.render_protocol import MAX_DOCUMENT
from automate_core.expressions.templating.render_worker import CPU_SECONDS, MEMORY_BYTES
from automate_plugins import text

FUNCTIONS_ABOUT = text("Functions")
_ORDER = [texts.ANYTHING, texts.ABOUT, numbers.ABOUT, lists.ABOUT, times.ABOUT, encoding.ABOUT, patterns.ABOUT]

_HEAD = """\
# Expressions

<!-- Made by `python -m automate_studio.builder.data.reference`; a test compares this page with the code. -->

At the end of this page you will be able to use data of events and earlier steps in the inputs of a step.

Inputs of steps can contain expressions: `Order {{ event.payload.number }} is late`. The language is a subset of
[Jinja](https://jinja.palletsprojects.com/en/stable/templates/). Dots and brackets look up keys of JSON data, never
attributes of Python objects: `event.payload.items` is the field `items`.

- A text that is exactly one `{{ expression }}` keeps the type of the value: a number stays a number, a list a list.
- Where JSON is wanted, several expressions side by side are a problem of the draft: give each a key, or join them to
  one text: `{{ a ~ ' ' ~ b }}`.
- Inside a text, null becomes an empty text, true and false become `true` and `false`, and lists and objects become
  JSON.
- A missing name is an error that suggests similar names. Use `default` or `is defined` where a name may be missing.
- Use `first(a, b)` for a value that is in one of two places: it skips missing values and null. The argument of
  `default` must exist.
- You can use `{% if %}`, `{% elif %}`, `{% else %}`, `{% for item in list %}`, comparisons, `and`, `or`, `not`, `in`,
  `a if b else c`, arithmetic, `~` to join texts, and literals.
- In a loop, `loop` has the fields {loop}.
- `range(n)` returns at most {range} numbers.
- Texts have the methods {methods}.
  Nothing else can be called. Expressions cannot include, import, set or define anything.
- Tests after `is`:
  {tests}.

Available names: `event` (payload, type, source, headers, id, time), `steps.<key>.output` of earlier steps, `vars`,
`run`; inside loops `item` and `index`; in error steps `error`. Secrets are never available.

## Functions

| Function | Result | Example |
|---|---|---|
{functions}

## Filters

Write the value before the filter, not in its brackets: `{{ event.payload.title | truncate(80) }}`.
Functions and filters with * are evaluated by a [render worker](#where-expressions-are-evaluated).

[Plug-ins](plugins.md) can add filters. The setting `AUTOMATE_EXPRESSION_FILTERS` lists those that can be used, and the
*Functions* dialog of the builder describes them."""

_TAIL = """\

Locales: {locales}.

A date format has at most {format} characters. It can contain Python's codes for days, months, years, hours, minutes,
seconds and time zones. Regular expressions use RE2 (no look-around, no back-references). A pattern has at most
{pattern} characters, the searched text at most {searched}.

## Limits

| Limit | Maximum |
|---|---|
| source of a text | {source} characters, {nodes} parts, nested {depth} levels deep, loops nested {loops} levels deep |
| texts with expressions in one step | {texts} |
| all texts with expressions of one workflow | {written} characters |
| result of a text or of a filter that returns a text | {output} characters |
| result of a filter that returns a list | {items} items |
| iterations of all loops of a step | {iterations} |
| whole numbers | {bits} bits |
| all inputs of a step, when a render worker evaluates them | {document} bytes |
| time for the inputs of a step | {seconds} s, from the start in a render worker |

## Where expressions are evaluated

Look-ups, comparisons, conditions and the filters without a star are evaluated in the calling process. This applies to
at most {steps} of them in a text and {light} texts in a step. The values that they use may have {small} characters in
total, where each item of a list or object counts as {item} more characters. The evaluation may take {quick} ms of CPU
time. A value of any size counts as nothing if it is only looked up, or if only its length, its first or last item or a
part of it is used.

Everything else (loops, arithmetic, `~`, `range`, literals that contain names, the filters with a star) is evaluated by
one of {workers} render workers of the process, all inputs of a step in one round trip. The key of a concurrency limit,
search terms and subject lines are needed before a run starts, so they can use only expressions of the first
kind. If their values are too large, the key is empty, and the search term or subject line is omitted.

A worker advances one run for 50 ms, then continues with other runs.

A render worker is started for the first expression that needs one, with an empty environment. It imports neither
Django nor the other packages of the project. It receives the expressions and only the values that they look up.
Before it reads the first one, it drops these privileges:

- the network, by a network namespace, where the system allows this;
- root, by becoming `nobody`, if it ran as root;
- opening files and sockets, starting processes, writing files, and memory above {memory} MB, by resource limits.

It is killed and replaced when it does not respond in {seconds} s, needs more memory, or returns an invalid response;
the step then fails with `template_error`. It ends together with the process that started it, and after {cpu} s of CPU
time for one evaluation.

Known limits of the protection:

- Expressions that are evaluated in the calling process rely on the allow-lists alone.
- Code that escaped from Jinja's sandbox in a render worker could read what that worker evaluates until it is
  replaced, and could return wrong results. If the process does not run as root, the worker runs as the same user, and
  the code could send signals to the processes of that user, or trace them where the system allows this. Resource
  limits keep it from files and sockets, with or without a network namespace.
- macOS does not enforce the memory limit.
- Two render workers serve one process. A person who can edit workflows can keep them busy for {seconds} s per step,
  and delay the heavier expressions of others. A step that finds no free worker in time fails with
  `render_unavailable`; its retry policy can retry it.
"""


def page() -> str:
    """Render the whole page."""
    words = {
        "functions": "\n".join(_row(each) for each in entries() if each.about == FUNCTIONS_ABOUT),
        "loop": _names(LOOP_FIELDS),
        "range": f"{limits.MAX_RANGE:,}",
        "methods": _names(METHODS),
        "tests": textwrap.fill(_names(TESTS), 117, subsequent_indent="  "),
        "locales": textwrap.fill(_names(LOCALES), 110),
        "format": MAX_FORMAT,
        "pattern": limits.MAX_PATTERN,
        "searched": f"{limits.MAX_SEARCHED:,}",
        "source": f"{limits.MAX_SOURCE:,}",
        "nodes": f"{limits.MAX_NODES:,}",
        "depth": limits.MAX_DEPTH,
        "loops": limits.MAX_LOOPS,
        "texts": limits.MAX_TEXTS,
        "written": f"{limits.MAX_WRITTEN:,}",
        "output": f"{limits.MAX_OUTPUT:,}",
        "items": f"{limits.MAX_ITEMS:,}",
        "iterations": f"{limits.MAX_ITERATIONS:,}",
        "bits": limits.MAX_BITS,
        "document": f"{MAX_DOCUMENT:,}",
        "seconds": f"{limits.MAX_SECONDS:g}",
        "steps": limits.LIGHT_STEPS,
        "light": limits.LIGHT_TEXTS,
        "small": f"{limits.LIGHT_SIZE:,}",
        "item": limits.ITEM_SIZE,
        "quick": f"{limits.LIGHT_SECONDS * 1_000:g}",
        "workers": WORKERS,
        "memory": MEMORY_BYTES // 1_000_000,
        "cpu": CPU_SECONDS,
    }
    return "\n".join([_filled(_HEAD, words), *_tables(), _filled(_TAIL, words)])


def _filled(page: str, words: dict[str, Any]) -> str:
    """Replace `{name}` placeholders. `str.format` does not work: the page is full of braces."""
    for name, word in words.items():
        page = page.replace(f"{{{name}}}", str(word))
    return page


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A function or filter: its name with its parameters, its description, and an example with its result."""

    name: str
    heading: str
    about: str
    words: str
    example: str
    result: str
    is_cheap: bool


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Return all functions and filters by category, cached."""
    ordered = sorted(FILTERS.values(), key=lambda each: (_ORDER.index(each.about), each.name))
    return (
        *(_entry(each, FUNCTIONS_ABOUT, _parameters(each.signature)) for each in FUNCTIONS.values()),
        *(_entry(each, each.about, _parameters(each.signature, skip=1)) for each in ordered),
    )


def plugin_entries() -> tuple[Entry, ...]:
    """Return the allowed filters of plug-ins. A render worker evaluates their examples, which may have no result."""
    return tuple(
        _entry(each, each.about, _parameters(each.signature, skip=1))
        for _, each in sorted(PLUGIN_FILTERS.find().items())
    )


def _entry(offered: Filter | Function, about: str, parameters: str) -> Entry:
    brackets = f"({parameters})" if parameters or isinstance(offered, Function) else ""
    return Entry(
        name=offered.name,
        heading=f"{offered.name}{brackets}",
        about=about,
        words=" ".join(_words(offered).split()),
        example=offered.example,
        result=_result(offered.example) if about != ABOUT_PLUGINS else _result_of_worker(offered.example),
        is_cheap=offered.is_cheap,
    )


def _words(offered: Filter | Function) -> str:
    return (offered.words if isinstance(offered, Filter) else "") or inspect.getdoc(offered.code) or ""


@functools.lru_cache(256)
def _result_of_worker(example: str) -> str:
    try:
        return as_text(compile_template(example).render({"event": {"payload": {}}}))
    except TemplateError:
        return ""


def _result(example: str) -> str:
    budget.start_budget()
    result = compile_template(example).evaluate({"event": {"payload": {}}})
    return result if isinstance(result, str) else as_text(result)


def _tables() -> Iterator[str]:
    filters = [each for each in entries() if each.about != FUNCTIONS_ABOUT]
    for about, group in groupby(filters, key=lambda each: each.about):
        yield f"\n### {about}\n\n| Filter | Result | Example |\n|---|---|---|"
        yield from map(_row, group)


def _row(entry: Entry) -> str:
    heading = f"`{entry.heading}`{'' if entry.is_cheap else ' *'}"
    shown = "" if "now()" in entry.example else f" returns `{entry.result}`"
    cells = (heading, entry.words, f"`{entry.example}`{shown}")
    return f"| {' | '.join(cell.replace('|', '\\|') for cell in cells)} |"


def _parameters(signature: Signature, skip: int = 0) -> str:
    return ", ".join(_parameter(each) for each in list(signature.parameters.values())[skip:])


def _parameter(parameter: Parameter) -> str:
    default = parameter.default
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return f"{parameter.name}, ..."
    if default is Parameter.empty:
        return parameter.name
    if default is None or type(default) is object:
        return f"[{parameter.name}]"
    return f"{parameter.name}={str(default).lower() if isinstance(default, bool) else repr(default)}"


if __name__ == "__main__":
    sys.stdout.write(page())
