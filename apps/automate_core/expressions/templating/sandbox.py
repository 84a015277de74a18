"""Sandbox around Jinja: dots and brackets look up keys of JSON data, calls are allow-listed, operators are bounded.

Constants are not folded: compiling computes nothing. This needs both `optimized=False` and a `finalize` that takes the
context; either alone is not enough.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import jinja2  # noqa: TID251
import jinja2.sandbox  # noqa: TID251
from jinja2 import nodes  # noqa: TID251
from jinja2.exceptions import SecurityError  # noqa: TID251
from jinja2.runtime import Context, LoopContext  # noqa: TID251
from jinja2.utils import missing  # noqa: TID251
from jinja2.visitor import NodeTransformer  # noqa: TID251

from automate_core.errors import DeferredError
from automate_core.expressions.json_path import (
    ABSENT,
    Path,
    Scope,
    TemplateError,
    as_text,
    missing_at,
    missing_reason,
    part_of,
)
from automate_core.expressions.templating import budget
from automate_core.expressions.templating.filters import FILTERS, Filter
from automate_core.expressions.templating.filters.numbers import finite
from automate_core.expressions.templating.filters.plugin import PLUGIN_FILTERS
from automate_core.expressions.templating.functions import FUNCTIONS
from automate_core.expressions.templating.grammar import LOOP_FIELDS, METHODS, TESTS, Lookup, lookups, syntax_problem
from automate_core.expressions.templating.limits import MAX_BITS, MAX_STRIPPED
from automate_core.expressions.templating.values import (
    THE_TEXT,
    Missing,
    UsedMissingError,
    advised,
    checked,
    fits,
    is_number,
    kind,
    plain,
)
from automate_plugins import text
from automate_plugins.texts import marked


class MissingNameError(TemplateError):
    """A look-up of a missing name: `path` ends with the missing part; empty when it began at a loop variable.

    `advice` ends the reason and says how to correct the expression.
    """

    def __init__(self, reason: str, line: int, path: Path, advice: str = "") -> None:
        super().__init__(advised(reason, advice), line)
        self.path = path
        self.advice = advice


_TOLERANT = "_maybe_"  #: before the name of a filter that lets a missing value pass
_A_CALL = marked(text("A call"))
_TAKE_MISSING = [each.code for each in FUNCTIONS.values() if each.takes_missing]


def _is_function(called: Any) -> bool:
    return any(called is each.code for each in FUNCTIONS.values())


class Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """The environment of all templates."""

    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, str) and attribute in METHODS:
            return getattr(obj, attribute)
        if isinstance(obj, LoopContext) and attribute in LOOP_FIELDS:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, jinja2.Undefined):
            return obj
        value = part_of(obj, argument)
        return self.undefined(obj=obj, name=argument) if value is ABSENT else value

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, jinja2.Undefined):
            str(obj)  # raises its own error
        if _is_function(obj):
            return True
        return isinstance(getattr(obj, "__self__", None), str) and getattr(obj, "__name__", "") in METHODS

    def call(self, context: Context, obj: Any, /, *arguments: Any, **named: Any) -> Any:
        """Call a function or method that `is_safe_callable` allows, with JSON values, on a text of bounded length."""
        budget.check_time()
        if any(obj is code for code in _TAKE_MISSING):
            return super().call(context, obj, *arguments, **named)
        if self.is_safe_callable(obj) and not _is_function(obj):
            name = obj.__name__
            fits(len(obj.__self__), name)
            if name == "strip" and any(isinstance(each, str) and len(each) > MAX_STRIPPED for each in arguments):
                raise TemplateError(
                    text("%(what)s supports at most %(maximum)s characters.", what="strip", maximum=MAX_STRIPPED)
                )
        arguments = tuple(checked(each, _A_CALL) for each in arguments)
        return super().call(context, obj, *arguments, **{key: checked(each, _A_CALL) for key, each in named.items()})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        budget.check_time()
        left, right = checked(left, operator), checked(right, operator)
        numbers = is_number(left) and is_number(right)
        if not numbers and not (operator == "+" and type(left) is type(right) and isinstance(left, str | list)):
            reason = text(
                "%(operator)s does not work with %(left)s and %(right)s.",
                operator=operator,
                left=kind(left),
                right=kind(right),
            )
            is_text = isinstance(left, str) or isinstance(right, str)
            raise TemplateError(
                advised(reason, text("Use to_number to convert a text to a number.") if is_text else "")
            )
        if not numbers:
            fits(len(left) + len(right), operator, is_list=isinstance(left, list))
            return left + right
        _bound(operator, left, right)
        result = super().call_binop(context, operator, left, right)
        if not is_number(result):
            raise TemplateError(text("%(operator)s has no result for these numbers.", operator=operator))
        return finite(result, operator)


def _bound(operator: str, left: float, right: float) -> None:
    bits = [abs(value).bit_length() if isinstance(value, int) else 64 for value in (left, right)]
    grown = bits[0] * abs(right) if operator == "**" else sum(bits) if operator == "*" else max(bits)
    if grown > MAX_BITS:
        raise TemplateError(text("The numbers for %(operator)s are too large.", operator=operator))


def _each(items: Any) -> Iterator[Any]:
    """Yield the items of a loop and count them against the budget. Raises TemplateError."""
    items = checked(items, marked(text("A loop")))
    if not isinstance(items, list | dict | str):
        raise TemplateError(text("A loop needs a list, not %(kind)s.", kind=kind(items)))
    for item in items:
        budget.count_iteration()
        yield item


def _checked_item(value: Any) -> Any:
    return checked(value, marked(text("A list or object")))


def _concat(values: Any) -> str:
    """Join the operands of `~`. Raises TemplateError."""
    budget.check_time()
    texts = [as_text(checked(value, "~")) for value in values]
    fits(sum(map(len, texts)), "~")
    return "".join(texts)


def _guarded(offered: Filter) -> Callable[..., Any]:
    """Wrap a filter: check the time, pass in JSON values only, and limit the length of the text it returns."""
    code, name, takes_missing = offered.code, offered.name, offered.name == "default"

    @functools.wraps(code)
    def run(value: Any, *arguments: Any, **named: Any) -> Any:
        budget.check_time()
        if not takes_missing:
            value = checked(value, name)
        try:
            arguments = tuple(checked(argument, name) for argument in arguments)
            named = {key: checked(argument, name) for key, argument in named.items()}
        except UsedMissingError as error:
            error.advice = text("Use first(a, b): it skips missing values.") if takes_missing else ""
            raise
        result = code(value, *arguments, **named)
        if isinstance(result, str):
            fits(len(result), name)
        return result

    return run


class _Filters(dict[str, Callable[..., Any]]):
    """The guarded built-in filters, and those of plug-ins when a template names them first."""

    def __missing__(self, name: str) -> Callable[..., Any]:
        plain_name = name.removeprefix(_TOLERANT)
        offered = PLUGIN_FILTERS.get(plain_name)
        if offered is None:
            raise KeyError(name)
        code = _guarded(offered)
        return _tolerant(code) if plain_name != name else code

    def get(self, name: str, default: Any = None) -> Any:
        """The filter; Jinja asks for filters by this method, too."""
        try:
            return self[name]
        except KeyError:
            return default


def _tolerant(code: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter for an argument of `first`: a missing value is returned unchanged."""

    @functools.wraps(code)
    def run(value: Any, *arguments: Any, **named: Any) -> Any:
        return value if isinstance(value, jinja2.Undefined) else code(value, *arguments, **named)

    return run


def _present(name: str, code: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a test that needs an existing value."""

    @functools.wraps(code)
    def test(value: Any, *arguments: Any) -> Any:
        return code(checked(value, name), *[checked(argument, name) for argument in arguments])

    return test


@jinja2.pass_context
def _finalize(context: Context, value: Any) -> Any:
    """Format output as text. Taking the context prevents Jinja from folding output while it compiles."""
    return as_text(checked(value, marked(text("An output"))))


def _sandbox() -> Sandbox:
    sandbox = Sandbox(
        undefined=Missing, optimized=False, finalize=_finalize, autoescape=False, loader=None, cache_size=0
    )
    sandbox.globals = {each.name: each.code for each in FUNCTIONS.values()}
    filters = _Filters({offered.name: _guarded(offered) for offered in FILTERS.values()})
    filters |= {f"{_TOLERANT}{name}": _tolerant(filters[name]) for name in FILTERS.keys() - {"default"}}
    filters |= {"_each": _each, "_concat": _concat, "_item": _checked_item}
    sandbox.filters = filters
    about_names = {"defined", "undefined"}
    tests: dict[str, Any] = sandbox.tests
    sandbox.tests = {name: tests[name] if name in about_names else _present(name, tests[name]) for name in TESTS}
    return sandbox


ENVIRONMENT = _sandbox()


class _Guards(NodeTransformer):
    """Inserts bounded code where Jinja's own would do unbounded work without calling the environment."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_each", [], [], None, None, lineno=node.lineno)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        node.items = [_item(item) for item in node.items]
        return node

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        if node.ctx == "load":
            node.items = [_item(item) for item in node.items]
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:
        self.generic_visit(node)
        node.key, node.value = _item(node.key), _item(node.value)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.node, nodes.Name) and FUNCTIONS[node.node.name].takes_missing:
            for argument in node.args:
                _allow_missing(argument)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        values = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(values, "_concat", [], [], None, None, lineno=node.lineno)


def _allow_missing(node: nodes.Expr | None) -> None:
    """Let the filters of an argument pass a missing value through."""
    while isinstance(node, nodes.Filter):
        if node.name != "default":
            node.name = f"{_TOLERANT}{node.name}"
        node = node.node


def _item(node: nodes.Expr) -> nodes.Expr:
    """Wrap an item of a literal, which must exist and be JSON."""
    if isinstance(node, nodes.Const):
        return node
    return nodes.Filter(node, "_item", [], [], None, None, lineno=node.lineno)


def _compiled(tree: nodes.Template) -> jinja2.Template:
    try:
        return ENVIRONMENT.from_string(tree)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(syntax_problem(error.message or ""), error.lineno) from error
    except (SyntaxError, RecursionError, ValueError, MemoryError) as error:
        raise TemplateError(text("Invalid expression: %(reason)s", reason=str(error))) from error


def expression(node: nodes.Expr) -> Callable[[Scope], Any]:
    """Compile a lone expression; the result keeps its type."""
    found = tuple(lookups(node))
    wrapped = nodes.Template([nodes.Output([node], lineno=node.lineno)], lineno=1)
    [output] = _Guards().visit(wrapped).body
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), output.nodes[0], lineno=node.lineno)]
    template = _compiled(nodes.Template(body, lineno=1))

    def render(scope: Scope) -> Any:
        with _Errors(template, found, scope):
            context = template.new_context(dict(scope))
            for _ in template.root_render_func(context):
                pass
            return plain(context.vars["result"])

    return render


def compile_text(tree: nodes.Template) -> Callable[[Scope], str]:
    """Compile a text."""
    found = tuple(lookups(tree))
    template = _compiled(_Guards().visit(tree))

    def render(scope: Scope) -> str:
        with _Errors(template, found, scope):
            size = 0
            chunks: list[str] = []
            for chunk in template.root_render_func(template.new_context(dict(scope))):
                size += len(chunk)
                fits(size, THE_TEXT)
                chunks.append(chunk)
            return "".join(chunks)

    return render


class _Errors:
    """Converts errors of a rendering to TemplateError with the line and the full path of a missing name."""

    def __init__(self, template: jinja2.Template, found: tuple[Lookup, ...], scope: Scope) -> None:
        self.template = template
        self.found = found
        self.scope = scope

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, MemoryError | DeferredError) or not isinstance(error, Exception):
            return
        line = self._line(traceback)
        if isinstance(error, TemplateError):
            raise TemplateError(error.reason, line) from error
        if isinstance(error, UsedMissingError):
            raise self._missing(error, line) from error
        if isinstance(error, SecurityError):
            raise TemplateError(text("This cannot be called here."), line) from error
        if isinstance(error, RecursionError):
            raise TemplateError(text("The expression is nested too deeply."), line) from error
        raise TemplateError(text("The expression failed: %(reason)s", reason=str(error)), line) from error

    def _line(self, traceback: TracebackType | None) -> int:
        line = 1
        while traceback is not None:
            if traceback.tb_frame.f_globals.get("__jinja_template__") is self.template:
                line = self.template.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line

    def _missing(self, error: UsedMissingError, line: int) -> MissingNameError:
        """Return the error for the look-up that failed, with its path as written in the template."""
        for lookup in self.found:
            parent, depth = missing_at(self.scope, lookup.path) or (None, -1)
            is_it = error.parent is parent or (error.parent is missing and depth == 0)
            if depth >= 0 and is_it and error.name == lookup.path[depth]:
                path = lookup.path[: depth + 1]
                return MissingNameError(missing_reason(self.scope, path), lookup.line, path, error.advice)
        return MissingNameError(str(error), line, (), error.advice)
