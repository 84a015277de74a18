"""Types of a connector's context: annotate `context: Context`, and mypy finds a misspelt name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, TypedDict, overload

from automate_egress import HttpResponse, Network
from automate_plugins.files import FileValue


class Http(Protocol):
    """The guarded session: `automate_egress.HttpSession` in a run, `automate_testing.fakes.ScriptedHttp` in tests."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: bytes | str | Mapping[str, Any] | Iterable[bytes] | None = None,
        follow_redirects: bool = True,
        into: IO[bytes] | None = None,
        max_bytes: int | None = None,
    ) -> HttpResponse:
        """Send one request and read its answer, whatever its status. Raises EgressError.

        The body of a good answer (below 400) is written to `into`, where it is given; `max_bytes` bounds that.
        """


class Files(Protocol):
    """Files that pass between steps: `automate_core.files` in a run, `automate_testing.fakes.MemoryFiles` in tests.

    `max_bytes` is the size of the largest file.
    """

    @property
    def max_bytes(self) -> int: ...

    def open(self, value: Any, /) -> BinaryIO:
        """Return the content of a file, to be closed. `value` is an input of the kind `FieldKind.FILE`.

        Raises ConnectorError, also for a file that the run has no right to.
        """

    def create(self, name: str, content: bytes | IO[bytes] | Iterable[bytes], content_type: str = "") -> FileValue:
        """Store a file and return its value, for the output. The type is checked against the content.

        Raises ConnectorError, such as `file_too_large`.
        """


class Log(Protocol):
    """Writes a line to the page of the run; `level` is debug, info, warning or error."""

    def __call__(self, message: str, level: str = "info") -> None:
        """Write the line."""


class RunIds(TypedDict, total=False):
    """The run that the call belongs to; empty outside of runs, as in a connection test."""

    id: Any
    trace_id: str
    workflow: str


class StepIds(TypedDict, total=False):
    """The step and the number of its attempt, from 1; empty outside of runs."""

    path: str
    attempt: int


class Context(dict[str, Any]):
    """A dict whose keys are known to type checkers.

    `describe` gets none of `http`, `network`, `files` and `user`, and an action with `Effect.PURE` only `run`, `step`,
    `idempotency_key`, `log`, `cancelled` and `version`.
    """

    if TYPE_CHECKING:

        @overload  # type: ignore[override] # a name that is not there is an error
        def __getitem__(self, key: Literal["connection"], /) -> dict[str, Any]: ...
        @overload
        def __getitem__(self, key: Literal["http"], /) -> Http: ...
        @overload
        def __getitem__(self, key: Literal["network"], /) -> Network: ...
        @overload
        def __getitem__(self, key: Literal["files"], /) -> Files: ...
        @overload
        def __getitem__(self, key: Literal["idempotency_key"], /) -> str: ...
        @overload
        def __getitem__(self, key: Literal["deadline"], /) -> float: ...
        @overload
        def __getitem__(self, key: Literal["cancelled"], /) -> Callable[[], bool]: ...
        @overload
        def __getitem__(self, key: Literal["log"], /) -> Log: ...
        @overload
        def __getitem__(self, key: Literal["run"], /) -> RunIds: ...
        @overload
        def __getitem__(self, key: Literal["step"], /) -> StepIds: ...
        @overload
        def __getitem__(self, key: Literal["user"], /) -> Any: ...
        @overload
        def __getitem__(self, key: Literal["version"], /) -> int: ...
        def __getitem__(self, key: str, /) -> Any: ...
