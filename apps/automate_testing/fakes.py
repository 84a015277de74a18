"""Fakes of what a plug-in is handed, and of other plug-ins: HTTP session, network, secrets backend, language model."""

from __future__ import annotations

import json
import mimetypes
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import IO, Any, BinaryIO

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.context import Context
from automate_egress import EgressConnectionError, HttpResponse, Network
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend
from automate_llm.providers.base import LLMProvider
from automate_plugins.files import FILE_KEY, FileValue, file_value, is_file


@dataclass(frozen=True, kw_only=True)
class SentRequest:
    """A request that a connector made."""

    method: str
    url: str
    headers: dict[str, str]
    params: Any
    json: Any
    data: Any


type Responder = Callable[[SentRequest], HttpResponse | Exception]  # answers one request


def answer(status: int = 200, body: Any = None, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return an HTTP response: a body of bytes as it is, anything else as JSON. Header names are in lower case."""
    content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    kind = "text/html" if isinstance(body, bytes) else "application/json"
    given = {name.lower(): value for name, value in (headers or {}).items()}
    return HttpResponse(status=status, headers={"content-type": kind, **given}, body=content)


class ScriptedHttp:
    """A `context["http"]` that returns prepared responses in order, the last one repeatedly.

    Instead of responses, give it a function that answers each request. An exception among the responses, or returned by
    the function, is raised. `requests` lists the requests. A response without a URL gets that of its request.
    """

    def __init__(self, answers: Iterable[HttpResponse | Exception] | Responder = ()) -> None:
        self._responder = answers if callable(answers) else None
        self._answers = [] if callable(answers) else list(answers) or [answer()]
        self.requests: list[SentRequest] = []

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Any = None,
        json: Any = None,
        data: Any = None,
        follow_redirects: bool = True,
        into: IO[bytes] | None = None,
        max_bytes: int | None = None,
    ) -> HttpResponse:
        """Return the next response. Has the signature of `automate_egress.HttpSession.request`."""
        self.requests.append(
            SentRequest(method=method, url=url, headers=dict(headers or {}), params=params, json=json, data=data)
        )
        given = self._responder(self.requests[-1]) if self._responder else self._next_answer()
        if isinstance(given, Exception):
            raise given
        if into is not None and given.status < 400:
            into.write(given.body)
            given = replace(given, body=b"")
        return given if given.url else replace(given, url=url)

    def _next_answer(self) -> HttpResponse | Exception:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class ScriptedNetwork(Network):
    """A `context["network"]` without servers: each connection raises `error`.

    `connections` lists the requested (host, port) pairs.
    """

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.connections: list[tuple[str, int]] = []
        self._error = error or EgressConnectionError("no server is there")

    def is_internal(self, host: str, port: int) -> bool:
        """Any host may be reached unencrypted."""
        return True

    def addresses(self, host: str, port: int, *, ports: Collection[int]) -> list[str]:
        """Raises the error."""
        self.connections.append((host, port))
        raise self._error

    def connect(self, host: str, port: int, *, ports: Collection[int]) -> Any:
        """Raises the error."""
        self.connections.append((host, port))
        raise self._error


#: A file that every `MemoryFiles` has, as the value of an input.
SAMPLE_FILE = file_value("sample", name="sample.txt", content_type="text/plain", size=6)


class MemoryFiles:
    """A `context["files"]` that keeps its files in memory, in `contents`, by reference; `SAMPLE_FILE` is one of them.

    `opened` are the references of files that were opened, `created` those of files that were stored.
    """

    max_bytes = 25_000_000

    def __init__(self, contents: Mapping[str, bytes] | None = None) -> None:
        self.contents: dict[str, bytes] = {"sample": b"sample", **(contents or {})}
        self.opened: set[str] = set()
        self.created: list[str] = []
        self._streams: list[BinaryIO] = []

    @property
    def unclosed(self) -> int:
        """The number of files that were opened and not closed."""
        return sum(not stream.closed for stream in self._streams)

    def create(self, name: str, content: bytes | IO[bytes] | Iterable[bytes], content_type: str = "") -> FileValue:
        """Store a file and return its value."""
        if isinstance(content, bytes | bytearray):
            data = bytes(content)
        else:
            data = content.read() if hasattr(content, "read") else b"".join(content)
        reference = f"file-{len(self.created) + 1}"
        self.created.append(reference)
        self.contents[reference] = data
        given = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return file_value(reference, name=name, content_type=given, size=len(data))

    def open(self, value: Any, /) -> BinaryIO:
        """Return the content. Raises ConnectorError."""
        if not is_file(value) or value[FILE_KEY] not in self.contents:
            raise ConnectorError("there is no such file", code="file_missing")
        self.opened.add(value[FILE_KEY])
        self._streams.append(BytesIO(self.contents[value[FILE_KEY]]))
        return self._streams[-1]


class FakeSecrets(SecretsBackend):
    """A backend with given values."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})

    def get_secret(self, key: str) -> str:
        """The value. Raises SecretNotFoundError."""
        try:
            return self.values[key]
        except KeyError as error:
            raise SecretNotFoundError(f"there is no secret {key!r}") from error


class ScriptedModel(LLMProvider):
    """A provider that returns prepared answers in order, the last one repeatedly, and reaches no service.

    An exception among them is raised. `asked` lists the messages and options of each call.
    """

    def __init__(self, answers: Iterable[str | Exception] = ()) -> None:
        self._answers = list(answers) or ["An answer"]
        self.asked: list[tuple[list[dict[str, Any]], dict[str, Any]]] = []

    def chat(self, messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        """Return the next answer."""
        self.asked.append((messages, options))
        given = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(given, Exception):
            raise given
        return given

    def count_tokens(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())


def context(http: ScriptedHttp | None = None, connection: dict[str, Any] | None = None, **other: Any) -> Context:
    """Return a `context` as the engine makes it, with 30 seconds and a log kept in `context["lines"]`."""
    lines: list[tuple[str, str]] = []
    made = {
        "connection": connection or {},
        "http": http or ScriptedHttp(),
        "network": ScriptedNetwork(),
        "files": MemoryFiles(),
        "idempotency_key": "key-of-this-step",
        "deadline": time.monotonic() + 30,
        "cancelled": lambda: False,
        "log": lambda message, level="info": lines.append((level, message)),
        "lines": lines,
        "run": {"id": "00000000-0000-7000-8000-000000000000", "trace_id": "0" * 31 + "1", "workflow": "test"},
        "step": {"path": "step", "attempt": 1},
        "user": None,
        "version": 1,
        **other,
    }
    return Context(made)
