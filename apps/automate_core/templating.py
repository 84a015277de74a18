"""Expressions in step inputs: sandboxed Jinja2, and nothing else in the product imports it.

The wall inside the process (docs/security.md): source and node caps, an allow-list of AST nodes, filters, tests and
methods, operators with size limits, a clock that loops, filters and operators look at, no folding while compiling,
output with a running cap. Data is plain JSON; dots
are key look-ups only, so that no attribute of any object is ever reached.

A text that is exactly one `{{ expression }}` keeps the expression's type. A missing name is an error that says what is
there instead, unless `default` or `is defined` asks about it.
"""

from __future__ import annotations

import datetime
import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import jinja2  # noqa: TID251 - the one place that may
import jinja2.filters  # noqa: TID251
import jinja2.sandbox  # noqa: TID251
from jinja2 import nodes  # noqa: TID251
from jinja2.environment import TemplateExpression  # noqa: TID251
from jinja2.exceptions import SecurityError  # noqa: TID251
from jinja2.runtime import Context, LoopContext  # noqa: TID251

from automate_core.lookups import ABSENT, Path, Scope, TemplateError, as_text, look_up, part_of

MAX_SOURCE = 20_000
MAX_NODES = 5_000
MAX_DEPTH = 50
MAX_LOOPS = 2
MAX_RANGE = 1_000
MAX_OUTPUT = 200_000
MAX_ITERATIONS = 100_000
MAX_BITS = 512
MAX_SECONDS = 1.0
MAX_TEXTS = 500
MAX_DIGITS = 15

_METHODS = frozenset({"upper", "lower", "strip", "split", "startswith", "endswith", "title"})
_LOOP_FIELDS = frozenset({"index", "index0", "revindex", "first", "last", "length"})
_FILTERS = frozenset(
    [
        "abs",
        "default",
        "first",
        "float",
        "int",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "max",
        "min",
        "replace",
        "round",
        "sort",
        "string",
        "sum",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
    ]
)
_TESTS = frozenset(
    [
        "boolean",
        "defined",
        "divisibleby",
        "even",
        "false",
        "in",
        "integer",
        "mapping",
        "none",
        "number",
        "odd",
        "sequence",
        "string",
        "true",
        "undefined",
    ]
)
_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.Keyword,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Pow,
    nodes.Neg,
    nodes.Pos,
    nodes.Concat,
    nodes.List,
    nodes.Dict,
    nodes.Pair,
    nodes.Tuple,
    nodes.Call,
)


@dataclass(frozen=True)
class Template:
    """A compiled text. `paths` are the look-ups in it, such as `("steps", "label", "output")`."""

    source: str
    render: Callable[[Scope], Any]
    paths: tuple[Path, ...] = field(default=())


def compile_template(source: str) -> Template:
    """Compile one text. Raises TemplateError with the line and the reason."""
    if len(source) > MAX_SOURCE:
        raise TemplateError(f"longer than {MAX_SOURCE:,} characters")
    if "{" not in source:
        return Template(source, lambda scope: source)
    tree = _parse(source)
    paths = tuple(path for _, path in _lookups(tree))
    parts = _parts(tree)
    if len(parts) == 1 and isinstance(parts[0], nodes.Expr) and not isinstance(parts[0], nodes.TemplateData):
        return Template(source, _expression(parts[0], tree), paths)
    plain = _plain_text(parts)
    return Template(source, plain or _text(tree), paths)


def compile_value(value: Any) -> Template:
    """Compile a JSON-like value whose texts are templates. Raises TemplateError, with the place in the reason."""
    if _expressions(value) > MAX_TEXTS:
        raise TemplateError(f"more than {MAX_TEXTS} texts with expressions")
    return _compile(value)


def _expressions(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(map(_expressions, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and "{" in value


def _compile(value: Any) -> Template:
    if isinstance(value, str):
        return compile_template(value)
    if isinstance(value, dict):
        keyed = {key: _compile_at(key, item) for key, item in value.items()}
        return Template(
            "",
            lambda scope: {key: template.render(scope) for key, template in keyed.items()},
            tuple(path for template in keyed.values() for path in template.paths),
        )
    if isinstance(value, list):
        listed = [_compile_at(index, item) for index, item in enumerate(value)]
        return Template(
            "",
            lambda scope: [template.render(scope) for template in listed],
            tuple(path for template in listed for path in template.paths),
        )
    return Template("", lambda scope: value)


def _compile_at(place: str | int, value: Any) -> Template:
    try:
        return _compile(value)
    except TemplateError as error:
        raise TemplateError(f"{place}: {error.reason}", error.line) from error


# --- look-ups without Jinja -------------------------------------------------------------------------------------------


def _chain(node: nodes.Node) -> Path | None:
    """The path of a chain of names, attributes and constant items, or None for anything else."""
    parts: list[str | int] = []
    while True:
        if isinstance(node, nodes.Getattr):
            parts.append(node.attr)
            node = node.node
        elif (
            isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and type(node.arg.value) in (str, int)
        ):
            parts.append(node.arg.value)
            node = node.node
        elif isinstance(node, nodes.Name):
            return (node.name, *reversed(parts))
        else:
            return None


def _lookups(tree: nodes.Node) -> Iterator[tuple[nodes.Node, Path]]:
    """The outermost look-up chains of `tree` in source order, without loop variables and globals."""
    local = {name.name for loop in tree.find_all(nodes.For) for name in loop.target.find_all(nodes.Name)}
    local |= {loop.target.name for loop in tree.find_all(nodes.For) if isinstance(loop.target, nodes.Name)} | {"loop"}

    def walk(node: nodes.Node) -> Iterator[tuple[nodes.Node, Path]]:
        chain = _chain(node)
        if chain is not None:
            if chain[0] not in local and chain[0] not in _GLOBALS:
                yield node, chain
            return
        for child in node.iter_child_nodes():
            yield from walk(child)

    yield from walk(tree)


def _parts(tree: nodes.Template) -> list[nodes.Node]:
    return [part for node in tree.body for part in (node.nodes if isinstance(node, nodes.Output) else [node])]


def _plain_text(parts: list[nodes.Node]) -> Callable[[Scope], str] | None:
    """A renderer for texts made of look-ups only, or None when Jinja is needed."""
    pieces: list[str | Path] = []
    for part in parts:
        chain = _chain(part)
        if isinstance(part, nodes.TemplateData):
            pieces.append(part.data)
        elif chain is not None and chain[0] not in _GLOBALS:
            pieces.append(chain)
        else:
            return None

    def render(scope: Scope) -> str:
        text = "".join(piece if isinstance(piece, str) else as_text(look_up(scope, piece)) for piece in pieces)
        if len(text) > MAX_OUTPUT:
            raise TemplateError(f"the result is longer than {MAX_OUTPUT:,} characters")
        return text

    return render


# --- Jinja, caged -----------------------------------------------------------------------------------------------------


class _Missing(jinja2.StrictUndefined):
    """A name that is not there. Deeper look-ups keep it, so that `a.b.c | default(1)` works; any use is an error."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> Any:
        return self


class _Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """Dots and brackets look up keys, calls reach the allow-listed few, operators are bounded."""

    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, str) and attribute in _METHODS:
            return getattr(obj, attribute)
        if isinstance(obj, LoopContext) and attribute in _LOOP_FIELDS:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, jinja2.Undefined):
            return obj
        value = part_of(obj, argument)
        return self.undefined(obj=obj, name=str(argument)) if value is ABSENT else value

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        if obj in _GLOBALS.values():
            return True
        return isinstance(getattr(obj, "__self__", None), str) and getattr(obj, "__name__", "") in _METHODS

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _look_at_the_clock()
        for operand in (left, right):
            if isinstance(operand, jinja2.Undefined):
                str(operand)  # raises its own error
        numbers = _is_number(left) and _is_number(right)
        if not numbers and not (operator == "+" and type(left) is type(right) and isinstance(left, str | list)):
            raise TemplateError(f"{_kind(left)} {operator} {_kind(right)} cannot be computed")
        if not numbers and len(left) + len(right) > MAX_OUTPUT:
            raise TemplateError(f"the result of {operator} is longer than {MAX_OUTPUT:,}")
        if numbers:
            _bound(operator, left, right)
        return super().call_binop(context, operator, left, right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
    }
    return "null" if value is None else kinds.get(type(value), "this")


def _bound(operator: str, left: float, right: float) -> None:
    bits = [abs(value).bit_length() if isinstance(value, int) else 64 for value in (left, right)]
    grown = bits[0] * abs(right) if operator == "**" else sum(bits) if operator == "*" else max(bits)
    if grown > MAX_BITS:
        raise TemplateError(f"the numbers of {operator} are too large")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise TemplateError(f"range() gives at most {MAX_RANGE:,} numbers")
    return numbers


_GLOBALS: dict[str, Any] = {"now": _now, "range": _range}


def _join(value: Any, separator: str = "", attribute: str | None = None) -> str:
    items = [item if attribute is None else part_of(item, attribute) for item in value]
    if any(item is ABSENT for item in items):
        raise TemplateError(f"join: an item has no {attribute!r}")
    texts = [as_text(item) for item in items]
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_OUTPUT:
        raise TemplateError(f"the result of join is longer than {MAX_OUTPUT:,} characters")
    return separator.join(texts)


def _replace(value: Any, old: str, new: str) -> str:
    text = as_text(value)
    if len(text) + text.count(old) * max(0, len(new) - len(old)) > MAX_OUTPUT:
        raise TemplateError(f"the result of replace is longer than {MAX_OUTPUT:,} characters")
    return text.replace(old, new)


def _round(value: Any, precision: int = 0, method: str = "common") -> float:
    if not _is_number(value) or not isinstance(precision, int) or abs(precision) > MAX_DIGITS:
        raise TemplateError(f"round takes a number and at most {MAX_DIGITS} digits")
    return jinja2.filters.do_round(value, precision, method)  # type: ignore[arg-type]


def _sum(value: Any, attribute: str | None = None, start: float = 0) -> float:
    numbers = [item if attribute is None else part_of(item, attribute) for item in value]
    if not all(map(_is_number, [*numbers, start])):
        raise TemplateError("sum takes numbers")
    return sum(numbers, start)


def _tojson(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@jinja2.pass_context
def _each(context: Context, items: Any) -> Iterator[Any]:
    """The items of a loop, counted against what one rendering may go through in all."""
    budget = context["_budget"]
    for item in items:
        _look_at_the_clock()
        budget[0] -= 1
        if budget[0] < 0:
            raise TemplateError(f"loops go through more than {MAX_ITERATIONS:,} items")
        yield item


_clock = threading.local()


def _look_at_the_clock() -> None:
    """Each piece of work is bounded by its input; this bounds how many there are."""
    if time.monotonic() > _clock.until:
        raise TemplateError(f"takes longer than {MAX_SECONDS:g} second")


def _timed(code: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(code)
    def run(*arguments: Any, **named: Any) -> Any:
        _look_at_the_clock()
        return code(*arguments, **named)

    return run


@jinja2.pass_context
def _finalize(context: Context, value: Any) -> Any:
    """Output in JSON's words. Needing the context, it keeps Jinja from folding output while compiling."""
    return value if isinstance(value, jinja2.Undefined) else as_text(value)


def _sandbox() -> _Sandbox:
    sandbox = _Sandbox(
        undefined=_Missing, optimized=False, finalize=_finalize, autoescape=False, loader=None, cache_size=0
    )
    sandbox.globals = dict(_GLOBALS)
    sandbox.filters = {name: code for name, code in sandbox.filters.items() if name in _FILTERS}
    sandbox.filters |= {"join": _join, "replace": _replace, "tojson": _tojson, "string": as_text}
    sandbox.filters |= {"round": _round, "sum": _sum}
    sandbox.filters = {name: _timed(code) for name, code in sandbox.filters.items()} | {"_each": _each}
    sandbox.tests = {name: code for name, code in sandbox.tests.items() if name in _TESTS}
    return sandbox


_ENVIRONMENT = _sandbox()


def _parse(source: str) -> nodes.Template:
    try:
        tree = _ENVIRONMENT.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(error.message or "not a template", error.lineno) from error
    except RecursionError:
        raise TemplateError("nested too deeply") from None
    _check(tree)
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, "_each", [], [], None, None, lineno=loop.lineno)
    return tree


def _check(tree: nodes.Template) -> None:
    """Refuse whatever is not on the allow-lists. Iterative: a hostile tree must not exhaust the stack."""
    count = 0
    stack: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    while stack:
        node, depth, loops = stack.pop()
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise TemplateError("too large" if count > MAX_NODES else "nested too deeply", node.lineno or 1)
        if not isinstance(node, _NODES):
            raise TemplateError(f"{type(node).__name__.lower()} is not allowed here", node.lineno or 1)
        if isinstance(node, nodes.For):
            loops += 1
            if loops > MAX_LOOPS or node.recursive:
                raise TemplateError(f"loops may be nested {MAX_LOOPS} deep", node.lineno)
        _check_names(node)
        stack.extend((child, depth + 1, loops) for child in node.iter_child_nodes())


def _check_names(node: nodes.Node) -> None:
    match node:
        case nodes.Filter() if node.name not in _FILTERS or node.node is None:
            _refuse(node, f"there is no filter {node.name!r}; there is {', '.join(sorted(_FILTERS))}")
        case nodes.Test() if node.name not in _TESTS:
            _refuse(node, f"there is no test {node.name!r}; there is {', '.join(sorted(_TESTS))}")
        case nodes.Name() if node.name.startswith("_") or node.name in {"self", "caller", "varargs", "kwargs"}:
            _refuse(node, f"{node.name!r} is not a name that can be used here")
        case nodes.Call():
            called = node.node
            known = isinstance(called, nodes.Name) and called.name in _GLOBALS
            method = isinstance(called, nodes.Getattr) and called.attr in _METHODS
            if not (known or method) or node.dyn_args or node.dyn_kwargs:
                names = ", ".join(sorted(_GLOBALS)), ", ".join(sorted(_METHODS))
                _refuse(node, f"only {names[0]} and the text methods {names[1]} can be called")
        case nodes.Const() if isinstance(node.value, int) and node.value.bit_length() > MAX_BITS:
            _refuse(node, "the number is too large")


def _refuse(node: nodes.Node, reason: str) -> NoReturn:
    raise TemplateError(reason, node.lineno or 1)


def _expression(node: nodes.Expr, tree: nodes.Template) -> Callable[[Scope], Any]:
    """A renderer that keeps the type of a lone expression."""
    chain = _chain(node)
    if chain is not None and chain[0] not in _GLOBALS:
        return lambda scope: look_up(scope, chain)
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), node, lineno=1)]
    evaluate = TemplateExpression(_ENVIRONMENT.from_string(nodes.Template(body, lineno=1)), undefined_to_none=False)

    def render(scope: Scope) -> Any:
        with _errors(tree, scope):
            value = evaluate(**scope)
            if isinstance(value, jinja2.Undefined):
                str(value)  # raises
            return _plain(value)

    return render


def _text(tree: nodes.Template) -> Callable[[Scope], str]:
    template = _ENVIRONMENT.from_string(tree)

    def render(scope: Scope) -> str:
        with _errors(tree, scope):
            size = 0
            chunks: list[str] = []
            for chunk in template.root_render_func(template.new_context({**scope, "_budget": [MAX_ITERATIONS]})):
                size += len(chunk)
                if size > MAX_OUTPUT:
                    raise TemplateError(f"the result is longer than {MAX_OUTPUT:,} characters")
                chunks.append(chunk)
            return "".join(chunks)

    return render


def _plain(value: Any) -> Any:
    """JSON types only: a range or a tuple becomes a list."""
    if value is None or isinstance(value, str | int | float | dict):
        if isinstance(value, str) and len(value) > MAX_OUTPUT:
            raise TemplateError(f"the result is longer than {MAX_OUTPUT:,} characters")
        return value
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    raise TemplateError("the expression gives no JSON value")


class _errors:
    """Start the clock, and turn whatever rendering raises into a TemplateError that says what is missing."""

    def __init__(self, tree: nodes.Template, scope: Scope) -> None:
        self.tree = tree
        self.scope = scope

    def __enter__(self) -> None:
        _clock.until = time.monotonic() + MAX_SECONDS

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: Any) -> None:
        if error is None or isinstance(error, TemplateError) or not isinstance(error, Exception):
            return
        if isinstance(error, jinja2.UndefinedError):
            raise self._first_missing() or TemplateError(str(error)) from error
        if isinstance(error, SecurityError):
            raise TemplateError("that cannot be called here") from error
        raise TemplateError(f"cannot be computed: {error}") from error

    def _first_missing(self) -> TemplateError | None:
        for node, path in _lookups(self.tree):
            try:
                look_up(self.scope, path)
            except TemplateError as error:
                return TemplateError(error.reason, node.lineno or 1)
        return None
