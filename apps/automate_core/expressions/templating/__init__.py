"""Expressions in step inputs: sandboxed Jinja2, which nothing else in the product imports.

Two walls, one behind the other (docs/architecture.md, Expressions):

- `grammar` and `sandbox`: an allow-list of syntax, filters, tests and methods. Data is plain JSON and dots are key
  look-ups only, so no attribute of any object is ever reached; operators and filters check the size of a result before
  they build it (`limits`).
- `pool` and `render_worker`: an expression whose cost is not proven to be bounded is evaluated by a render worker, a
  process without Django, secrets, files and network, which is killed when it takes too long.

A text that is exactly one `{{ expression }}` keeps the expression's type. A missing name is an error that lists the
names that exist, unless `default` or `is defined` handles it.

Nothing in this package imports Django, because render workers run it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec
from jinja2 import nodes  # noqa: TID251

from automate_core.expressions.json_path import Path, Scope, TemplateError, as_text, look_up
from automate_core.expressions.templating import budget, grammar, pool, sandbox, value_size
from automate_core.expressions.templating.grammar import GLOBALS, Lookup
from automate_core.expressions.templating.limits import LIGHT_SECONDS, LIGHT_TEXTS, MAX_SOURCE, MAX_TEXTS
from automate_core.expressions.templating.values import THE_TEXT, fits
from automate_plugins import text
from automate_plugins.texts import joined, verbatim

__all__ = ["NotAtOnceError", "Template", "compile_template", "compile_value", "expressions"]


class NotAtOnceError(Exception):
    """The template must be rendered by a render worker."""


@dataclass(frozen=True)
class Template:
    """A compiled value. `lookups` are the names that its texts look up, in order.

    A light one renders fast, in the calling process.
    """

    source: Any
    evaluate: Callable[[Scope], Any]  #: in this process, at any cost: for render workers
    lookups: tuple[Lookup, ...] = ()
    is_light: bool = True
    weighed: tuple[Path, ...] = ()  #: of a light one: paths of the values that it works on
    is_plain: bool = False  #: nothing but texts and look-ups, which need no budget of time

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths that are looked up, such as `("steps", "label", "output")`."""
        return tuple(lookup.path for lookup in self.lookups)

    def render(self, scope: Scope) -> Any:
        """Return the value for `scope`. Raises TemplateError. May block for a second unless the template is light."""
        if self.is_light:
            budget.start_budget()
            return self.evaluate(scope)
        return msgspec.json.decode(self.document(scope))

    def is_light_on(self, scope: Scope) -> bool:
        """Whether rendering with `scope` is fast: the template is light and the values it works on are small."""
        return self.is_light and value_size.are_small(scope, self.weighed)

    def render_at_once(self, scope: Scope) -> Any:
        """Return the same as `render` if it is fast. Raises NotAtOnceError when it is not, and TemplateError."""
        if not self.is_light_on(scope):
            raise NotAtOnceError
        if self.is_plain:
            return self.evaluate(scope)
        budget.start_budget(LIGHT_SECONDS, time.thread_time)  # CPU time: waiting on a busy machine does not count
        try:
            return self.evaluate(scope)
        except TemplateError:
            if budget.is_over():
                raise NotAtOnceError from None
            raise

    def document(self, scope: Scope) -> bytes:
        """Render the value as a JSON document in a render worker. Raises TemplateError. May block for a second."""
        return pool.render(self.request, self.paths, scope)

    @cached_property
    def request(self) -> bytes:
        """JSON document that a render worker compiles."""
        return msgspec.json.encode(self.source)


def compile_template(source: str) -> Template:
    """Compile one text. Raises TemplateError with the line and the reason."""
    if len(source) > MAX_SOURCE:
        raise TemplateError(text("The text is longer than %(maximum)s characters.", maximum=MAX_SOURCE))
    if "{" not in source:
        return Template(source, lambda scope: source, is_plain=True)
    tree = grammar.parse(sandbox.ENVIRONMENT, source)
    lookups, is_light = tuple(grammar.lookups(tree)), grammar.is_light(tree)
    parts = grammar.parts(tree)
    evaluate = _plain(parts)
    is_plain = evaluate is not None
    if evaluate is None and len(parts) == 1 and isinstance(parts[0], nodes.Expr):
        evaluate = sandbox.expression(parts[0])
    is_reference = len(parts) == 1 and grammar.chain(parts[0]) is not None  # a value as it is, whatever its size
    weighed = () if is_reference or not is_light else tuple(grammar.weighed(tree))
    return Template(source, evaluate or sandbox.compile_text(tree), lookups, is_light, weighed, is_plain)


def as_template(expression: str) -> str:
    """Return the template of an expression whose braces are optional, such as `event.payload.id`."""
    return expression if "{{" in expression else f"{{{{ {expression} }}}}"


def compile_value(value: Any) -> Template:
    """Compile a JSON value whose texts are templates. Raises TemplateError with the place in the reason."""
    texts = len(expressions(value))
    if texts > MAX_TEXTS:
        raise TemplateError(
            text("At most %(maximum)s texts can contain expressions, not %(count)s.", maximum=MAX_TEXTS, count=texts)
        )
    return _compile(value, is_light=texts <= LIGHT_TEXTS)


def expressions(value: Any) -> list[str]:
    """Return the texts of a JSON value that hold expressions, in no particular order."""
    found: list[str] = []
    stack = [value]
    while stack:
        inner = stack.pop()
        if isinstance(inner, dict | list):
            stack.extend(inner.values() if isinstance(inner, dict) else inner)
        elif isinstance(inner, str) and "{" in inner:
            found.append(inner)
    return found


def _compile(value: Any, *, is_light: bool = True) -> Template:
    evaluate: Callable[[Scope], Any]
    if isinstance(value, str):
        template = compile_template(value)
        return replace(template, is_light=is_light and template.is_light)
    if isinstance(value, dict):
        inner = [_compile_at(key, item) for key, item in value.items()]
        keyed = {key: template.evaluate for key, template in zip(value, inner, strict=True)}

        def evaluate(scope: Scope) -> Any:
            return {key: code(scope) for key, code in keyed.items()}

    elif isinstance(value, list):
        inner = [_compile_at(index, item) for index, item in enumerate(value)]
        listed = [template.evaluate for template in inner]

        def evaluate(scope: Scope) -> Any:
            return [code(scope) for code in listed]

    else:
        return Template(value, lambda scope: value, is_plain=True)
    return Template(
        value,
        evaluate,
        tuple(_all(inner)),
        is_light and all(each.is_light for each in inner),
        tuple(path for each in inner for path in each.weighed),
        all(each.is_plain for each in inner),
    )


def _all(templates: Iterable[Template]) -> Iterable[Lookup]:
    return (lookup for template in templates for lookup in template.lookups)


def _compile_at(place: str | int, value: Any) -> Template:
    try:
        return _compile(value)
    except TemplateError as error:
        raise TemplateError(joined([verbatim(str(place)), error.reason], ": "), error.line) from error


def _plain(parts: list[nodes.Node]) -> Callable[[Scope], Any] | None:
    """Return a renderer without Jinja for texts and look-ups only, the most frequent templates; else None."""
    pieces: list[str | tuple[Path, int]] = []
    for part in parts:
        path = grammar.chain(part)
        if isinstance(part, nodes.TemplateData):
            pieces.append(part.data)
        elif path is not None and path[0] not in GLOBALS:
            pieces.append((path, part.lineno or 1))
        else:
            return None
    if len(pieces) == 1 and isinstance(pieces[0], tuple):
        alone, line = pieces[0]
        return lambda scope: _looked_up(scope, alone, line)

    def render(scope: Scope) -> str:
        size = 0
        texts: list[str] = []
        for piece in pieces:
            written = piece if isinstance(piece, str) else as_text(_looked_up(scope, *piece))
            size += len(written)
            fits(size, THE_TEXT)
            texts.append(written)
        return "".join(texts)

    return render


def _looked_up(scope: Scope, path: Path, line: int) -> Any:
    try:
        return look_up(scope, path)
    except TemplateError as error:
        raise sandbox.MissingNameError(error.reason, line, path) from error
