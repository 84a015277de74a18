"""Cases: calls of a connector's actions, written in Python or kept as JSON files in a folder of fixtures.

A file is one case, and the first one of each action is its example in the docs:

    {"about": "An order of two anvils", "action": "create", "params": {"item": "anvil", "count": 2},
     "connection": {"token": "any"}, "request": {"method": "POST", "url": "https://erp.example.com/orders"},
     "answer": {"status": 201, "headers": {}, "body": {"id": 7}}, "output": {"id": 7}}

A call that makes several requests, such as one a page, has `answers` and `requests` in place of `answer` and `request`.
`source` says where the shape of the answer is from, and when it was looked up.
An answer that is no JSON has its `text` in place of `body`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automate_egress import HttpResponse
from automate_testing.fakes import answer

ANYTHING = object()  #: an output that is not compared
_KEYS = {
    "version",
    "about",
    "action",
    "params",
    "connection",
    "request",
    "requests",
    "answer",
    "answers",
    "output",
    "run",
    "files",
    "source",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call to check behaviour on: an action with good params, its connection, and what the other side answers.

    `request` holds what the first request must have been, `requests` what each must have been, `output` what comes out.
    `answers`, where there are any, come in their order, one a request, in place of `answer`. `run` is False for a call
    over `context["network"]`, whose server is not there: how it fails is checked, and its output is not. `files` are
    the contents of files that the params name, by their reference; a JSON file gives them as text or
    `{"base64": …}`. `version` is that of the params, where the action has newer ones.
    """

    action: str
    params: dict[str, Any] = field(default_factory=dict)
    connection: dict[str, Any] = field(default_factory=dict)
    answer: HttpResponse = field(default_factory=answer)
    answers: tuple[HttpResponse, ...] = ()
    about: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    requests: tuple[Mapping[str, Any], ...] = ()
    output: Any = ANYTHING
    run: bool = True
    version: int = 0
    files: Mapping[str, bytes] = field(default_factory=dict)
    source: str = ""

    @property
    def script(self) -> tuple[HttpResponse, ...]:
        """What the other side answers, request by request."""
        return self.answers or (self.answer,)

    def __str__(self) -> str:
        return f"{self.action} ({self.about})" if self.about else self.action


def load_cases(folder: Path | str) -> tuple[Case, ...]:
    """The cases of a folder's JSON files, by name of file. Raises ValueError for a file that is none."""
    return tuple(_case(path) for path in sorted(Path(folder).glob("*.json")))


def _case(path: Path) -> Case:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        if unknown := given.keys() - _KEYS:
            raise ValueError(f"there is no {', '.join(sorted(unknown))} in a case")
        files = {name: _content(content) for name, content in given.pop("files", {}).items()}
        answers = tuple(map(_answer, given.pop("answers", ())))
        given["requests"] = tuple(given.pop("requests", ()))
        return Case(answer=_answer(given.pop("answer", {})), answers=answers, files=files, **given)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _content(given: str | Mapping[str, str]) -> bytes:
    return given.encode() if isinstance(given, str) else base64.b64decode(given["base64"])


def _answer(given: Mapping[str, Any]) -> HttpResponse:
    body = given["text"].encode() if "text" in given else given.get("body")
    return answer(given.get("status", 200), body, given.get("headers"))
