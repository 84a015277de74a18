"""The contract of expression filters. Checks run in a render worker, as expressions do."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.filters import plugin
from automate_core.expressions.templating.filters.plugin import ExpressionFilter
from automate_core.expressions.templating.pool import RenderProcess
from automate_testing.contracts.calls import Call, make_instance, observe

NAME = "filter_under_test"
#: Values of every JSON type, as expressions may pass them.
VALUES: tuple[Any, ...] = (None, True, 0, -1.5, "", "Grüße", "2026-01-31", [], [1, "a", None], {}, {"a": {"b": [1]}})


@dataclass(frozen=True)
class FilterCase:
    """A value, arguments in the filter's brackets, and the result."""

    value: Any
    result: Any
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)


class ExpressionFilterContractTest:
    """What every filter keeps. `cases` are results that it must have."""

    filter_cls: type[ExpressionFilter]
    cases: tuple[FilterCase, ...] = ()
    call_seconds: float = 10.0  #: of a call outside of a render worker, where it has one second

    @pytest.fixture(name="filter")
    def _filter(self) -> ExpressionFilter:
        return make_instance(self.filter_cls)

    @pytest.fixture
    def worker(self) -> Iterator[RenderProcess]:
        """A render worker that knows the filter."""
        made = self.start_worker()
        yield made
        made.end()

    def start_worker(self) -> RenderProcess:
        """Start a render worker that knows the filter."""
        return RenderProcess([(NAME, f"{self.filter_cls.__module__}:{self.filter_cls.__qualname__}")])

    def test_contract_made_without_arguments(self, filter: ExpressionFilter) -> None:
        """Its class is called without arguments."""
        make_instance(type(filter))

    def test_contract_identity(self, filter: ExpressionFilter) -> None:
        """It is an ExpressionFilter with an example, a description and arguments that can be checked."""
        assert isinstance(filter, ExpressionFilter), "it is not an ExpressionFilter"
        try:
            described = plugin.describe(NAME, filter)
        except TypeError as error:
            raise AssertionError(str(error)) from error
        assert described.words.strip(), "say in `description`, or in the docstring of `apply`, what it returns"

    def test_contract_example(self, filter: ExpressionFilter, worker: RenderProcess) -> None:
        """The example is an expression that a render worker can evaluate."""
        assert "{{" in filter.example, "example must be an expression, such as {{ 'a' | shout }}"
        bar, _, rest = filter.example.partition("|")
        assert rest, "the example must use the filter"
        name = rest.strip().split("(")[0].split("}")[0].split("|")[0].strip()
        worker_example = f"{bar}|{rest.replace(name, NAME, 1)}"
        reason = self._render(worker, worker_example, {})[1]
        assert not reason, f"the example fails: {reason}"

    def test_contract_cases(self, filter: ExpressionFilter, worker: RenderProcess) -> None:
        """Each case has its result."""
        if not self.cases:
            pytest.skip("declare `cases` to check results")
        for case in self.cases:
            result, reason = self._apply(worker, case)
            assert not reason, f"{case} fails: {reason}"
            assert result == case.result, f"{case} gives {result!r}"

    def test_contract_any_value(self, filter: ExpressionFilter, worker: RenderProcess) -> None:
        """Any JSON value has a result, or is refused with TemplateError that says why."""
        for value in VALUES:
            call = self._call(filter, copy.deepcopy(value))
            assert call.error is None or isinstance(call.error, TemplateError), (
                f"{value!r} raises {type(call.error).__name__}: {call.error}; raise TemplateError with a reason"
            )
            if call.error is None:
                _check_json(call.value, value)

    def test_contract_pure(self, filter: ExpressionFilter, worker: RenderProcess) -> None:
        """The same value gives the same result, and is not changed."""
        for value in (*VALUES, *(case.value for case in self.cases)):
            given = copy.deepcopy(value)
            results = [self._call(filter, given) for _ in range(2)]
            assert given == value, f"the filter changes its value {value!r}"
            assert results[0].value == results[1].value, f"two calls with {value!r} give different results"

    def test_contract_returns_in_time(self, filter: ExpressionFilter, worker: RenderProcess) -> None:
        """A render worker, which has one second, is not ended."""
        for value in VALUES:
            reason = self._apply(worker, replace(self._first_case, value=value))[1]
            assert "takes longer" not in reason and "too much memory" not in reason, f"{value!r}: {reason}"

    @property
    def _first_case(self) -> FilterCase:
        """The case whose arguments the checks of other values use."""
        return self.cases[0] if self.cases else FilterCase(None, None)

    def _call(self, filter: ExpressionFilter, value: Any) -> Call:
        case = self._first_case
        return observe(
            lambda: filter.apply(value, *case.arguments, **case.named),
            seconds=self.call_seconds,
            what="apply",
            plugin=type(filter),
        )

    def _apply(self, worker: RenderProcess, case: FilterCase) -> tuple[Any, str]:
        scope = {"value": case.value, "arguments": list(case.arguments), "named": case.named}
        written = [f"arguments[{number}]" for number in range(len(case.arguments))]
        written += [f"{name}=named.{name}" for name in case.named]
        return self._render(worker, f"{{{{ value | {NAME}({', '.join(written)}) }}}}", scope)

    def _render(self, worker: RenderProcess, template: str, scope: dict[str, Any]) -> tuple[Any, str]:
        """(the result, the reason why there is none)."""
        try:
            answer = worker.render(json.dumps(template).encode(), json.dumps(scope).encode())
        except TemplateError as error:
            return None, error.reason
        return json.loads(bytes(answer.value)), answer.reason


def _check_json(result: Any, value: Any) -> None:
    try:
        json.dumps(result, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the result for {value!r} is not JSON: {error}") from error
