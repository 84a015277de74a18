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
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from automate_egress import HttpResponse
from automate_testing.fakes import SentRequest, answer

ANYTHING = object()  #: an output that is not compared
_ANSWER_KEYS = ("status", "headers", "body", "text")


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


_KEYS = tuple(each.name for each in fields(Case))
_REQUEST_KEYS = tuple(each.name for each in fields(SentRequest))


def load_cases(folder: Path | str) -> tuple[Case, ...]:
    """The cases of a folder's JSON files, by name of file.

    A relative `folder` is below the working directory: in a test, use `Path(__file__).parent / "fixtures"`. Raises
    ValueError for a file that is no case, and for a folder without one.
    """
    paths = sorted(Path(folder).glob("*.json"))
    if not paths:
        problem = "has no JSON files" if Path(folder).is_dir() else "is not a folder"
        hint = "" if Path(folder).is_absolute() else '; use Path(__file__).parent / "fixtures"'
        raise ValueError(f"{Path(folder).absolute()} {problem}, so there are no cases{hint}")
    return tuple(_case(path) for path in paths)


def _case(path: Path) -> Case:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        _check_names(given, _KEYS, "a case")
        for request in (given.get("request", {}), *given.get("requests", ())):
            _check_names(request, _REQUEST_KEYS, "a request")
        contents = {name: _content(content) for name, content in given.pop("files", {}).items()}
        answers = tuple(map(_answer, given.pop("answers", ())))
        given["requests"] = tuple(given.pop("requests", ()))
        return Case(answer=_answer(given.pop("answer", {})), answers=answers, files=contents, **given)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _check_names(given: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    if unknown := given.keys() - set(known):
        raise ValueError(f"there is no {', '.join(sorted(unknown))} in {what}; there are {', '.join(known)}")


def _content(given: str | Mapping[str, str]) -> bytes:
    return given.encode() if isinstance(given, str) else base64.b64decode(given["base64"])


def _answer(given: Mapping[str, Any]) -> HttpResponse:
    _check_names(given, _ANSWER_KEYS, "an answer")
    if "text" in given and "body" in given:
        raise ValueError("an answer has either a body or a text")
    body = given["text"].encode() if "text" in given else given.get("body")
    return answer(given.get("status", 200), body, given.get("headers"))
