"""Reference page of templates, generated from the code.

`python -m automate_core.expressions.templating.reference > docs/expressions.md`
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import Parameter, Signature
from itertools import groupby
from typing import Any

from automate_core.expressions.json_path import as_text
from automate_core.expressions.templating import budget, compile_template, limits
from automate_core.expressions.templating.filters import FILTERS, Filter
from automate_core.expressions.templating.filters.numbers import LOCALES
from automate_core.expressions.templating.filters.times import MAX_FORMAT
from automate_core.expressions.templating.functions import FUNCTIONS, Function
from automate_core.expressions.templating.grammar import LOOP_FIELDS, METHODS, TESTS
from automate_core.expressions.templating.pool import WORKERS
from automate_core.expressions.templating.render_protocol import MAX_DOCUMENT
from automate_core.expressions.templating.render_worker import CPU_SECONDS, MEMORY_BYTES

FUNCTIONS_ABOUT = "Functions"
_ORDER = ["Anything", "Text", "Numbers", "Lists", "Dates and times", "Encodings", "Regular expressions"]

_HEAD = """\
# Templates

<!-- Made by `python -m automate_core.expressions.templating.reference`; a test compares this page with the code. -->

Inputs of steps are texts with expressions in them: `Order {{ event.payload.number }} is late`. The language is a
part of [Jinja](https://jinja.palletsprojects.com/en/stable/templates/). What is looked up are keys of JSON data,
never anything of Python's: `event.payload.items` is the field of that name, whatever else may be called so.

- A text that is exactly one `{{ expression }}` keeps its type: a number stays a number, a list a list.
- Inside a text, null is empty, true and false stand in JSON's words, lists and mappings as JSON.
- A name that is not there is an error that names the nearest ones. `default` and `is defined` ask without an error.
- `first(a, b)` is for a value that may lie in two places: it skips what is missing or null. What stands in the brackets
  of `default` has to be there.
- `{% if %}`, `{% elif %}`, `{% else %}` and `{% for item in list %}` with `loop.` {loop} exist, and so do
  comparisons, `and`, `or`, `not`, `in`, `a if b else c`, arithmetic, `~` for joining texts, and literals.
- `range(n)` gives at most {range} numbers.
- Texts have the methods {methods}. Nothing else can be called, and nothing can be included, imported, set or
  defined.
- Tests after `is`: {tests}.

Names in scope: `event` (payload, type, source, headers, id, time), `steps.<key>.output` of the steps before,
`vars`, `run`, inside loops `item` and `index`, in error steps `error`. Secrets are in no scope.

## Functions

| function | what it gives | example |
|---|---|---|
{functions}

## Filters

The filtered value comes first and is left out in the brackets: `{{ event.payload.title | truncate(80) }}`.
"""

_TAIL = """\

Locales: {locales}.

A date's format has at most {format} characters, of Python's codes for days, months, years, hours, minutes, seconds
and time zones. Regular expressions are RE2's (no look-around, no back-references): at most {pattern} characters, on
texts of at most {searched}.

## Limits

| of | at most |
|---|---|
| the source of a text | {source} characters, {nodes} parts, nested {depth} deep, loops nested {loops} deep |
| texts with expressions in one step | {texts} |
| texts with expressions in one workflow | {written} characters together |
| a text that comes out, or that a filter makes | {output} characters |
| a list that a filter makes | {items} items |
| turns of all loops of a step | {iterations} |
| whole numbers | {bits} bits |
| all inputs of a step, when a render worker evaluates them | {document} bytes |
| the time of a step's inputs | {seconds} s, counted from when a render worker begins |

## Where templates are evaluated

Look-ups, comparisons, conditions and the filters without a star, at most {steps} of them in a text and {light}
texts in a step, are evaluated where they are needed, as long as the values that they work on have {small}
characters together (each item of a list or mapping counts as {item} more) and they take {quick} ms of CPU. A value that
is looked up as it is, its length, its first or last item, and a part of it cost nothing, whatever its size.

Everything else (loops, arithmetic, `~`, `range`, literals that hold names, the filters with a star) goes to one of
{workers} render workers of the process, all inputs of a step in one round trip. A limit on how many runs of a
workflow go on at once takes only the former, since it is needed before a run starts; so do search terms and subject
lines. Where these work on larger values, a key is empty, and a search term or subject line is left out.

A worker goes through the steps of a run for 50 ms; then it is the turn of others.

A render worker is started when the first template needs one, with an empty environment. It imports neither Django
nor the project, gets the templates and only what they look up, and before it reads the first one it gives up

- the network, by a namespace of its own, where the system allows that;
- root, by becoming `nobody`, where it was root;
- opening files and sockets of any kind, starting processes, writing files, and memory over {memory} MB, by resource
  limits.

It is ended and replaced when it does not answer in {seconds} s, needs more memory, or answers anything but what was
asked; the step then fails with `template_error`. By itself it ends with the process that started it, and after
{cpu} s of CPU for one rendering.

What is not defended:

- Templates that are evaluated in place rely on the first wall alone, the allow-lists.
- Code that had broken out of Jinja's sandbox and of Python, in a render worker, would see what that worker is asked to
  evaluate until it is replaced, and could answer falsely. Where the process is not root, it runs as the same user, and
  could signal that user's processes, or trace them where the system allows it; resource limits keep it from files and
  sockets, with or without a network namespace.
- On macOS the limit of memory is not enforced by the system.
- Two render workers serve a process: who may edit workflows can keep them busy, {seconds} s a step, and make the
  heavier templates of others wait. A step that finds none free in time fails with `render_unavailable`, which its
  retry policy may repeat.
"""


def page() -> str:
    """Render the whole page."""
    words = {
        "functions": "\n".join(_row(each) for each in entries() if each.about == FUNCTIONS_ABOUT),
        "loop": _names(LOOP_FIELDS),
        "range": f"{limits.MAX_RANGE:,}",
        "methods": _names(METHODS),
        "tests": _names(TESTS),
        "locales": _names(LOCALES),
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


def _filled(text: str, words: dict[str, Any]) -> str:
    """Replace `{name}` placeholders. `str.format` does not work: the page is full of braces."""
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", str(word))
    return text


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


def _entry(offered: Filter | Function, about: str, parameters: str) -> Entry:
    brackets = f"({parameters})" if parameters or isinstance(offered, Function) else ""
    return Entry(
        name=offered.name,
        heading=f"{offered.name}{brackets}",
        about=about,
        words=" ".join((inspect.getdoc(offered.code) or "").split()),
        example=offered.example,
        result=_result(offered.example),
        is_cheap=offered.is_cheap,
    )


def _result(example: str) -> str:
    budget.start_budget()
    result = compile_template(example).evaluate({"event": {"payload": {}}})
    return result if isinstance(result, str) else as_text(result)


def _tables() -> Iterator[str]:
    filters = [each for each in entries() if each.about != FUNCTIONS_ABOUT]
    for about, group in groupby(filters, key=lambda each: each.about):
        yield f"\n### {about}\n\n| filter | what it gives | example |\n|---|---|---|"
        yield from map(_row, group)


def _row(entry: Entry) -> str:
    heading = f"`{entry.heading}`{'' if entry.is_cheap else ' *'}"
    shown = "" if "now()" in entry.example else f" gives `{entry.result}`"
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
