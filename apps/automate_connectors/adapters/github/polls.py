"""Polls of GitHub: new issues, found from the newest one backwards.

Source: https://docs.github.com/en/rest/issues/issues - the list has at most a hundred issues a page, and pull requests
among them. Times are in whole seconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from automate_connectors.adapters.polls import PollItem, PollResult

OVERLAP = dt.timedelta(minutes=2)  #: an issue may be listed a moment after a later one
_ON_A_PAGE = 100
_MOST_PAGES = 50
_EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def find_new_issues(
    list_issues: Callable[[dict[str, Any]], list[Any]],
    summary: Callable[[dict[str, Any]], dict[str, Any]],
    params: dict[str, Any],
    cursor: Any,
) -> PollResult:
    """One page of the issues since the cursor.

    `list_issues(query)` asks for a page. The cursor holds the time of the newest issue before (`since`), and while
    there are further pages the `page` and the newest time of this round.
    """
    known = cursor or {"since": "", "page": 1, "newest": ""}
    query = {"state": "all", "sort": "created", "direction": "desc", "per_page": _ON_A_PAGE, "page": known["page"]}
    listed = [each for each in list_issues(query) if isinstance(each, dict) and each.get("created_at")]
    newest = max([known["newest"], *(each["created_at"] for each in listed)])
    since = known["since"] if cursor else newest
    edge = _time(since) - OVERLAP if since else _EARLIEST
    fresh = [each for each in listed if _time(each["created_at"]) >= edge]
    more = len(fresh) == len(listed) == _ON_A_PAGE and known["page"] < _MOST_PAGES
    items = [
        _item(each, summary, params["repository"])
        for each in reversed(fresh if cursor else listed)
        if params.get("pull_requests") or "pull_request" not in each
    ]
    if more:
        return PollResult(items=items, cursor={"since": since, "page": known["page"] + 1, "newest": newest}, more=True)
    return PollResult(items=items, cursor={"since": newest or since, "page": 1, "newest": ""})


def _item(issue: dict[str, Any], summary: Callable[[dict[str, Any]], dict[str, Any]], repository: str) -> PollItem:
    author = issue.get("user")
    data = {
        **summary(issue),
        "body": issue.get("body") or "",
        "author": author.get("login") if isinstance(author, dict) else None,
        "created_at": issue["created_at"],
        "repository": repository,
        "is_pull_request": "pull_request" in issue,
    }
    identifier = issue.get("id") or f"{repository}#{issue.get('number')}"
    return PollItem(id=str(identifier), time=_time(issue["created_at"]), data=data)


def _time(written: str) -> dt.datetime:
    """A time of the API. Raises ValueError."""
    return dt.datetime.fromisoformat(written).astimezone(dt.UTC)
