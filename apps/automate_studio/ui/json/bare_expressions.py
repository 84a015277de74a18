"""Expressions without quotes where JSON is wanted: what is wrong, and the JSON that is meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from automate_plugins import text
from automate_studio.ui.fields import Proposal, ProposedError

_QUOTED = r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\""
_EXPRESSION = rf"\{{\{{(?:{_QUOTED}|(?!\}}\}})[^'\"])*+\}}\}}"
_PARTS = re.compile(rf"(?P<expression>{_EXPRESSION})|\"(?:[^\"\\]|\\.)*+\"", re.DOTALL)
_BETWEEN = re.compile(r"[\s,;]*")
_KEY = re.compile(r"\"(?:[^\"\\]|\\.)*\"\s*:\s*\Z")
_NAME = re.compile(r"[A-Za-z_]\w*")
_LONGEST = 200  #: characters of an example
_IN_QUOTES = text("Put {{ }} in quotes")
_EXAMPLE = '{"order": "{{ ... }}", "callback": "{{ ... }}"}'


def check_mixed(given: str, *, of_list: bool = False) -> None:
    """Raise ProposedError for a text of expressions and more, which would be one text and no JSON value.

    One expression alone may give any value. A text with statements says itself what it renders.
    """
    plain = given.strip()
    found = [match["expression"] for match in _expressions(plain)]
    if not found or [plain] == found or "{%" in plain:
        return
    rest = re.sub(_EXPRESSION, "", plain)
    if len(found) == 1 or not _BETWEEN.fullmatch(rest):
        quoted = json.dumps(plain, ensure_ascii=False)
        reason = text("This is text, not JSON: put it in double quotes: %(example)s", example=_short(quoted))
        raise ProposedError(reason, (Proposal(text("Put the text in quotes"), quoted),))
    if of_list:
        listed = json.dumps(found, indent=2, ensure_ascii=False)
        reason = text("Several values need brackets and quotes: %(example)s", example='["{{ ... }}", "{{ ... }}"]')
        raise ProposedError(reason, (Proposal(text("Make a list of the values"), listed),))
    named = dict(zip(_keys(found), found, strict=True))
    short = json.dumps(named, ensure_ascii=False)
    reason = text(
        "Several values side by side are not JSON. Give each a key: %(example)s",
        example=short if len(short) <= _LONGEST else _EXAMPLE,
    )
    proposal = Proposal(text("Give each value a key"), json.dumps(named, indent=2, ensure_ascii=False))
    raise ProposedError(reason, (proposal,))


def check_unquoted(error: json.JSONDecodeError) -> None:
    """Raise ProposedError where the JSON is wrong because an expression in it has no quotes."""
    given = error.doc
    bare = next((each for each in _expressions(given) if each.start() <= error.pos < each.end()), None)
    if bare is None:
        return
    fixed = "".join(_with_quotes(given))
    try:
        json.loads(fixed)
    except json.JSONDecodeError as later:
        if later.pos <= bare.start():
            return  # quotes alone do not help
        fixed = ""
    except RecursionError:
        return
    key = _KEY.search(given[max(0, bare.start() - _LONGEST) : bare.start()])
    example = (key[0] if key else "") + json.dumps(bare[0], ensure_ascii=False)
    reason = text(
        "line %(line)s: put {{ }} in quotes: %(example)s. The value keeps its type.",
        line=error.lineno,
        example=_short(example),
    )
    raise ProposedError(reason, (Proposal(_IN_QUOTES, fixed),) if fixed else ()) from error


def _expressions(given: str) -> Iterator[re.Match[str]]:
    """Expressions outside of quotes."""
    return (match for match in _PARTS.finditer(given) if match["expression"])


def _with_quotes(given: str) -> Iterator[str]:
    end = 0
    for match in _expressions(given):
        yield given[end : match.start()]
        yield json.dumps(match[0], ensure_ascii=False)
        end = match.end()
    yield given[end:]


def _keys(found: Iterable[str]) -> Iterator[str]:
    """A key for each expression, from the last name in it."""
    taken: set[str] = set()
    for expression in found:
        names = _NAME.findall(expression[2:-2].partition("|")[0]) or ["value"]
        name = "callback" if names[0] == "callbacks" else names[-2] if names[-1] == "output" else names[-1]
        key = next(each for each in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if each not in taken)
        taken.add(key)
        yield key


def _short(example: str) -> str:
    return example if len(example) <= _LONGEST else f"{example[:_LONGEST]}…"
