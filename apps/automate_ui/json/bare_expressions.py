"""Expressions without quotes where JSON is wanted: what is wrong, and the JSON that is meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from automate_authoring.definitions.side_by_side import EXPRESSION, keyed, refuse_side_by_side, side_by_side
from automate_plugins import text
from automate_ui.fields import Proposal, ProposedError

_PARTS = re.compile(rf"(?P<expression>{EXPRESSION.pattern})|\"(?:[^\"\\]|\\.)*+\"", re.DOTALL)
_KEY = re.compile(r"\"(?:[^\"\\]|\\.)*\"\s*:\s*\Z")
_LONGEST = 200  #: characters of an example
_IN_QUOTES = text("Put {{ }} in quotes")


def check_mixed(given: str, *, of_list: bool = False) -> None:
    """Raise ProposedError for a text of expressions and more, which would be one text and no JSON value.

    One expression alone may give any value. A text with statements says itself what it renders.
    """
    plain = given.strip()
    if (found := side_by_side(plain)) and (reason := refuse_side_by_side(plain, of_list=of_list)):
        label = text("Make a list of the values") if of_list else text("Give each value a key")
        meant = json.dumps(found if of_list else keyed(found), indent=2, ensure_ascii=False)
        raise ProposedError(reason, (Proposal(label, meant),))
    if "{%" not in plain and any(match[0] != plain for match in _expressions(plain)):
        quoted = json.dumps(plain, ensure_ascii=False)
        reason = text("This is text, not JSON: put it in double quotes: %(example)s", example=_short(quoted))
        raise ProposedError(reason, (Proposal(text("Put the text in quotes"), quoted),))


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


def _short(example: str) -> str:
    return example if len(example) <= _LONGEST else f"{example[:_LONGEST]}…"
