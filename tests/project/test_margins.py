"""No test depends on a margin of less than ten seconds of a clock: order, counts and causes are the same everywhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

LEAST_SECONDS = 10
CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "thread_time", "time"}
WAITS = {"wait", "join", "wait_for", "communicate", "insist", "until", "quiet"}
BROWSER_WAITS = ("expect_", "to_", "not_to_", "wait_for_", "click", "fill", "goto")
ALLOWED: dict[str, str] = {}  # file and line's text: why no slow machine can break it


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines that say a margin, and what is wrong with it."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            told = _names_of_clocks(function)
            for node in ast.walk(function):
                if isinstance(node, ast.Assert) and any(_is_short(each, told) for each in ast.walk(node.test)):
                    yield node.lineno, "an assert compares a clock with a few seconds"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (given := _patience(node)) is not None and 0 < given < LEAST_SECONDS:
            yield node.lineno, f"it waits for {given:g} s at most"


def _is_short(node: ast.AST, told: set[str]) -> bool:
    """A comparison that asks a difference of times to be small: a lower bound holds on a slow machine as well."""
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    pairs = zip(sides, node.ops, sides[1:], strict=False)
    return any(
        (isinstance(how, ast.Lt | ast.LtE) and _is_clock(left, told) and _is_few(right))
        or (isinstance(how, ast.Gt | ast.GtE) and _is_few(left) and _is_clock(right, told))
        for left, how, right in pairs
    )


def _is_few(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and _name(node.func) == "timedelta":
        return any(each.arg in {"seconds", "milliseconds"} and _is_few(each.value) for each in node.keywords)
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value < LEAST_SECONDS


def _is_clock(node: ast.AST, told: set[str]) -> bool:
    """Whether it is made of a clock, of what was made of one, or of two times that a row tells."""
    return any(
        _reads(each) or _is_difference(each) or (isinstance(each, ast.Name) and each.id in told)
        for each in ast.walk(node)
    )


def _is_difference(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _is_time(node.left) and _is_time(node.right)


def _is_time(node: ast.AST) -> bool:
    return _name(node).endswith(("_at", "now"))


def _reads(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and (
        _name(node.func.value) == "time" and node.func.attr in CLOCKS
    )  # fmt: skip


def _names_of_clocks(function: ast.AST) -> set[str]:
    """Names that hold what a clock said, or a difference of it, in whatever steps."""
    told: set[str] = set()
    for _ in range(3):
        for node in ast.walk(function):
            if (
                isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)
                and node.value
                and _is_clock(node.value, told)
            ):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                told |= {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
            elif (
                isinstance(node, ast.Call)
                and _name(node.func) == "append"
                and any(_is_clock(a, told) for a in node.args)
            ):
                told.add(_name(node.func.value))
    return told


def _patience(node: ast.Call) -> float | None:
    """How many seconds a call waits at most for what has to come; None where it says nothing."""
    name = _name(node.func)
    named = {each.arg: each.value for each in node.keywords}
    if name.startswith(BROWSER_WAITS) and (given := named.get("timeout")) is not None:
        return _number(given, 1_000)
    if name in WAITS:
        first = node.args[0] if node.args and name in {"wait", "join"} else None
        return _number(named.get("timeout") or named.get("seconds") or first, 1)
    return None


def _number(node: ast.AST | None, of: float) -> float | None:
    is_number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    return node.value / of if is_number else None  # type: ignore[union-attr]


def _name(node: ast.AST) -> str:
    return getattr(node, "attr", None) or getattr(node, "id", None) or ""


FILES = [path for path in sorted((ROOT / "tests").rglob("*.py")) if "/faults/long/" not in str(path)]


@pytest.mark.extended
def test_no_test_depends_on_a_short_margin():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {fault}"
        for path in FILES
        for number, fault in faults(ast.parse(path.read_text(encoding="utf-8")))
        if f"{path.relative_to(ROOT)}: {_line(path, number)}" not in ALLOWED
    ]
    assert found == []


def test_what_is_allowed_is_there():
    for each in ALLOWED:
        name, _, line = each.partition(": ")
        assert line in (ROOT / name).read_text(encoding="utf-8"), each


@pytest.mark.parametrize(
    "text",
    [
        "started = time.monotonic(); go(); assert time.monotonic() - started < 2",
        "took = time.process_time() - before; assert (took < 0.5, 1) == (True, 1)",
        "told.append(time.perf_counter() - at); assert told[0] < 3",
        "assert run.finished_at - run.started_at < timedelta(seconds=2)",
        "wait_for(lambda: done, seconds=5)",
        "assert worker.wait(5) == 0",
        "expect(page).to_have_text('x', timeout=5_000)",
    ],
)
def test_what_it_finds(text):
    assert list(faults(ast.parse(f"def test():\n    {text}")))


@pytest.mark.parametrize(
    "text",
    [
        "started = time.monotonic(); go(); assert time.monotonic() - started < 60",
        "assert time.monotonic() - started >= 2",
        "wait_for(lambda: done)",
        "assert len(calls) < 3",
        "expect(page).to_have_text('x', timeout=30_000)",
        "time.sleep(1)",
    ],
)
def test_what_it_lets_pass(text):
    assert not list(faults(ast.parse(f"def test():\n    {text}")))


def _line(path: Path, number: int) -> str:
    return path.read_text(encoding="utf-8").splitlines()[number - 1].strip()
