"""Cases: calls of a connector's actions, written in Python or kept as JSON files in a folder of fixtures.

A file is one case, and the first one of each action is its example in the docs:

    {"about": "An order of two anvils", "action": "create", "params": {"item": "anvil", "count": 2},
     "connection": {"token": "any"}, "request": {"method": "POST", "url": "https://erp.example.com/orders"},
     "answer": {"status": 201, "headers": {}, "body": {"id": 7}}, "output": {"id": 7}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automate_egress import HttpResponse
from automate_testing.fakes import answer

ANYTHING = object()  #: an output that is not compared
_KEYS = {"about", "action", "params", "connection", "request", "answer", "output", "run"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call to check behaviour on: an action with good params, its connection, and what the other side answers.

    `request` holds what the first request must have been, `output` what comes out. `run` is False for a call that
    needs a server which is not there: then its params alone are checked.
    """

    action: str
    params: dict[str, Any] = field(default_factory=dict)
    connection: dict[str, Any] = field(default_factory=dict)
    answer: HttpResponse = field(default_factory=answer)
    about: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    output: Any = ANYTHING
    run: bool = True


def load_cases(folder: Path | str) -> tuple[Case, ...]:
    """The cases of a folder's JSON files, by name of file. Raises ValueError for a file that is none."""
    return tuple(_case(path) for path in sorted(Path(folder).glob("*.json")))


def _case(path: Path) -> Case:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        if unknown := given.keys() - _KEYS:
            raise ValueError(f"there is no {', '.join(sorted(unknown))} in a case")
        sent = given.pop("answer", {})
        response = answer(sent.get("status", 200), sent.get("body"), sent.get("headers"))
        return Case(answer=response, **given)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error
