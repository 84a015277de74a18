"""Types of a provider's options: annotate `options: ChatOptions`, and mypy finds a misspelt name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from automate_connectors.context import Http


@dataclass(frozen=True, kw_only=True)
class TokenUsage:
    """The usage of an answer, as the service reports it. `cut_off`: it ended at `max_tokens`."""

    tokens_in: int
    tokens_out: int
    cut_off: bool = False


class ChatOptions(dict[str, Any]):
    """A dict whose keys are known to type checkers; `check` gets `http` and `connection` alone.

    `temperature`, `max_tokens`, `schema`, `on_usage` and `cancelled` may be missing: read them with `get`.
    """

    if TYPE_CHECKING:

        @overload  # type: ignore[override] # a name that is not there is an error
        def __getitem__(self, key: Literal["model"], /) -> str: ...
        @overload
        def __getitem__(self, key: Literal["http"], /) -> Http: ...
        @overload
        def __getitem__(self, key: Literal["connection"], /) -> dict[str, Any]: ...
        @overload
        def __getitem__(self, key: Literal["temperature"], /) -> float: ...
        @overload
        def __getitem__(self, key: Literal["max_tokens"], /) -> int: ...
        @overload
        def __getitem__(self, key: Literal["schema"], /) -> dict[str, Any]: ...
        @overload
        def __getitem__(self, key: Literal["on_usage"], /) -> Callable[[TokenUsage], object]: ...
        @overload
        def __getitem__(self, key: Literal["cancelled"], /) -> Callable[[], bool]: ...
        @overload
        def __getitem__(self, key: Literal["log"], /) -> Callable[[str], object]: ...
        def __getitem__(self, key: str, /) -> Any: ...
