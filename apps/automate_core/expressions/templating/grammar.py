"""Grammar of templates, as allow-lists. Anything else is rejected when the template is saved, before anything runs."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import Signature
from typing import NoReturn

import jinja2  # noqa: TID251
from jinja2 import nodes  # noqa: TID251

from automate_core.expressions.json_path import Path, TemplateError
from automate_core.expressions.templating.filters import FILTERS
from automate_core.expressions.templating.filters.plugin import PLUGIN_FILTERS, find_filter
from automate_core.expressions.templating.functions import FUNCTIONS
from automate_core.expressions.templating.limits import LIGHT_STEPS, MAX_BITS, MAX_DEPTH, MAX_LOOPS, MAX_NODES
from automate_plugins import text
from automate_plugins.texts import joined, verbatim

METHODS = frozenset({"upper", "lower", "strip", "split", "startswith", "endswith", "title"})
LOOP_FIELDS = frozenset({"index", "index0", "revindex", "first", "last", "length"})
GLOBALS = frozenset(FUNCTIONS)
_TESTS = "boolean defined divisibleby even false in integer mapping none number odd sequence string true undefined"
TESTS = frozenset(_TESTS.split())
_RESERVED = frozenset({"self", "caller", "varargs", "kwargs"})
# Bounded by what they look at; what they are applied to is counted.
_LIGHT = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Test,
    nodes.Keyword,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.List,
    nodes.Dict,
    nodes.Pair,
    nodes.Tuple,
    nodes.Call,
)
_ALLOWED = (
    *_LIGHT,
    nodes.Slice,
    nodes.For,
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
)
_COUNTED = (nodes.Filter, nodes.Test, nodes.Compare, nodes.Call)
_LITERALS = (nodes.List, nodes.Dict, nodes.Tuple)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A chain of names in a template, such as `steps.label.output`."""

    path: Path
    line: int


def parse(environment: jinja2.Environment, source: str) -> nodes.Template:
    """Parse a text. Raises TemplateError with the line and the reason."""
    try:
        tree = environment.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(syntax_problem(error.message or ""), error.lineno) from error
    except RecursionError:
        raise TemplateError(text("The expression is nested too deeply.")) from None
    except ValueError as error:  # a number of thousands of digits
        raise TemplateError(text("Invalid expression: %(reason)s", reason=str(error))) from error
    _check(tree)
    return tree


def parts(tree: nodes.Template) -> list[nodes.Node]:
    """Return the texts, expressions and statements of a template, in order."""
    return [part for node in tree.body for part in (node.nodes if isinstance(node, nodes.Output) else [node])]


def chain(node: nodes.Node) -> Path | None:
    """Return the path of a chain of names, attributes and constant items; None for any other node."""
    found: list[str | int] = []
    while True:
        if isinstance(node, nodes.Getattr):
            found.append(node.attr)
            node = node.node
        elif (
            isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and type(node.arg.value) in (str, int)
        ):
            found.append(node.arg.value)
            node = node.node
        elif isinstance(node, nodes.Name):
            return (node.name, *reversed(found))
        else:
            return None


def lookups(tree: nodes.Node, local: frozenset[str] = GLOBALS) -> Iterator[Lookup]:
    """Yield the outermost chains of `tree` in source order, except those that begin with a `local` name."""
    path = chain(tree)
    if path is not None:
        if path[0] not in local:
            yield Lookup(path, tree.lineno or 1)
        return
    if not isinstance(tree, nodes.For):
        for child in tree.iter_child_nodes():
            yield from lookups(child, local)
        return
    inside = local | {"loop"} | {name.name for name in [tree.target, *tree.target.find_all(nodes.Name)]
                                 if isinstance(name, nodes.Name)}  # fmt: skip
    yield from lookups(tree.iter, local)
    for part in [*filter(None, [tree.test]), *tree.body]:
        yield from lookups(part, inside)
    for part in tree.else_:
        yield from lookups(part, local)


_AT_ONCE = frozenset({"length", "first", "last"})  #: filters that take no time, whatever they are applied to


def weighed(tree: nodes.Node) -> Iterator[Path]:
    """Yield the paths whose values a light text works on.

    Values are left out of which the text takes only an item, the length or a test, since that takes no time.
    """
    path = chain(tree)
    if path is not None:
        if path[0] not in GLOBALS:
            yield path
        return
    passed_over: nodes.Node | None = None
    if (
        isinstance(tree, nodes.Getitem)
        or (isinstance(tree, nodes.Filter) and tree.name in _AT_ONCE)
        or (isinstance(tree, nodes.Test) and tree.name != "in")
    ):
        passed_over = tree.node
    for child in tree.iter_child_nodes():
        if child is not passed_over or chain(child) is None:
            yield from weighed(child)


def is_light(tree: nodes.Template) -> bool:
    """Whether the cost is proven to be bounded: look-ups, comparisons and a few cheap filters, each on a looked-up
    value."""
    steps = 0
    for node in _all(tree):
        if not isinstance(node, _LIGHT):
            return False
        if isinstance(node, nodes.Filter) and not is_cheap(node.name):
            return False
        called = node.node if isinstance(node, nodes.Call) else None
        if isinstance(called, nodes.Name) and not FUNCTIONS[called.name].is_cheap:
            return False
        if isinstance(node, _LITERALS) and node.find(nodes.Name):
            return False  # the same look-up many times over, in one value
        steps += isinstance(node, _COUNTED)
    return steps <= LIGHT_STEPS


def is_cheap(name: str) -> bool:
    """Whether a filter may run in the calling process; those of plug-ins never do."""
    return name in FILTERS and FILTERS[name].is_cheap


def _all(tree: nodes.Node) -> Iterator[nodes.Node]:
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.iter_child_nodes())


def _check(tree: nodes.Template) -> None:
    """Reject everything outside the allow-lists. Does not recurse: a hostile tree must not exhaust the stack."""
    count = 0
    stack: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    while stack:
        node, depth, loops = stack.pop()
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            too_large = count > MAX_NODES
            _refuse(
                node,
                text("The expression is too large.") if too_large else text("The expression is nested too deeply."),
            )
        if not isinstance(node, _ALLOWED):
            _refuse(node, text("%(syntax)s is not allowed here.", syntax=type(node).__name__.lower()))
        if isinstance(node, nodes.For):
            loops += 1
            if loops > MAX_LOOPS or node.recursive:
                _refuse(node, text("Loops can be nested at most %(maximum)s levels deep.", maximum=MAX_LOOPS))
        _check_node(node)
        stack.extend((child, depth + 1, loops) for child in node.iter_child_nodes())


def _check_node(node: nodes.Node) -> None:
    match node:
        case nodes.Filter():
            _check_filter(node)
        case nodes.Test() if node.name not in TESTS or node.dyn_args or node.dyn_kwargs:
            _refuse(node, _unknown_test(node.name))
        case nodes.Name() if node.name.startswith("_") or node.name in _RESERVED:
            _refuse(node, text("The name %(missing)s cannot be used here.", missing=repr(node.name)))
        case nodes.Call():
            called = node.node
            known = called.name if isinstance(called, nodes.Name) and called.name in GLOBALS else ""
            method = isinstance(called, nodes.Getattr) and called.attr in METHODS
            if not (known or method) or node.dyn_args or node.dyn_kwargs:
                reason = text(
                    "Only the functions %(functions)s and the text methods %(methods)s can be called.",
                    functions=", ".join(sorted(GLOBALS)),
                    methods=", ".join(sorted(METHODS)),
                )
                _refuse(node, reason)
            if known:
                _check_arguments(node, known, FUNCTIONS[known].signature)
        case nodes.Const():
            _check_number(node)


def _check_filter(node: nodes.Filter) -> None:
    offered = find_filter(node.name)
    if offered is None or node.node is None:
        _refuse(node, PLUGIN_FILTERS.refusal(node.name) or _unknown_filter(node.name))
    if node.dyn_args or node.dyn_kwargs:
        _refuse(node, text("%(what)s does not support * and ** arguments.", what=node.name))
    _check_arguments(node, node.name, offered.signature, None)


def _check_arguments(node: nodes.Filter | nodes.Call, name: str, taken: Signature, *before: None) -> None:
    try:
        taken.bind(*before, *[None] * len(node.args), **{str(pair.key): None for pair in node.kwargs})
    except TypeError as error:
        _refuse(node, joined([verbatim(name), str(error)], ": "))


def _check_number(node: nodes.Const) -> None:
    value = node.value
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        _refuse(node, text("The number is too large."))
    if isinstance(value, float) and not math.isfinite(value):
        _refuse(node, text("The number is too large."))


def _unknown_filter(name: str) -> str:
    shown = repr(name[:100])
    if near := _near(name, (*FILTERS, *PLUGIN_FILTERS.find())):
        return text("There is no filter %(missing)s. Did you mean %(names)s?", missing=shown, names=near)
    names = ", ".join(sorted((*FILTERS, *PLUGIN_FILTERS.find())))
    return text("There is no filter %(missing)s. Available: %(names)s.", missing=shown, names=names)


def _unknown_test(name: str) -> str:
    shown = repr(name[:100])
    if near := _near(name, TESTS):
        return text("There is no test %(missing)s. Did you mean %(names)s?", missing=shown, names=near)
    names = ", ".join(sorted(TESTS))
    return text("There is no test %(missing)s. Available: %(names)s.", missing=shown, names=names)


def _near(name: str, known: Iterable[str]) -> str:
    return " / ".join(map(repr, difflib.get_close_matches(name[:100], list(known), n=3)))


_NOT_CLOSED = re.compile(r"unexpected end of template, expected 'end of print statement'\.|unexpected '\}'")
_INCOMPLETE = re.compile(r"expected name or number|unexpected 'end of (template|print statement)'")
_EMPTY = re.compile(r"Expected an expression, got 'end of print statement'")
_UNEXPECTED = re.compile(r"expected token '.*', got '(?P<got>.*)'|unexpected '?(?P<char>[^']+?)'?", re.DOTALL)
_MISSING_TAG = re.compile(
    r"Unexpected end of template\. Jinja was looking for the following tags: '(?P<tag>\w+)'.*", re.DOTALL
)
_UNKNOWN_TAG = re.compile(r"Encountered unknown tag '(?P<tag>\w+)'\..*", re.DOTALL)


def syntax_problem(message: str) -> str:
    """Return Jinja's reason why a text cannot be parsed in our words; one that is not known stays as it is."""
    if _NOT_CLOSED.fullmatch(message):
        return text("The expression is not closed: add }}.")
    if _INCOMPLETE.fullmatch(message):
        return text("The expression is incomplete.")
    if _EMPTY.fullmatch(message):
        return text("The expression is empty.")
    if found := _MISSING_TAG.fullmatch(message):
        return text("{%% %(tag)s %%} is missing.", tag=found["tag"])
    if found := _UNKNOWN_TAG.fullmatch(message):
        return text("There is no tag %(tag)s.", tag=repr(found["tag"]))
    if found := _UNEXPECTED.fullmatch(message):
        return text("Unexpected %(found)s in the expression.", found=repr(found["got"] or found["char"]))
    return text("Invalid expression: %(reason)s", reason=message or "?")


def _refuse(node: nodes.Node, reason: str) -> NoReturn:
    raise TemplateError(reason, node.lineno or 1)
