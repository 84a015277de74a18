"""How PostgreSQL finds what the run list shows: run in a process of its own on the stage's database, prints JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import django


def plans(queries: list[str]) -> list[dict[str, Any]]:
    """For each query of the list the milliseconds that its statements took in PostgreSQL, and the scans they made."""
    from django.contrib.auth import get_user_model
    from django.http import QueryDict
    from django.utils import timezone

    from automate_core import database
    from automate_studio.runs.listing import page

    user = get_user_model().objects.get(username="bench")
    plain, found = database.run, []
    for query in queries:
        explained: list[Any] = []

        def explain(connection: Any, statement: str, values: Any, into: list[Any] = explained) -> Any:
            rows = plain(connection, f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
            into.extend(rows[0][0])
            return plain(connection, statement, values)

        database.run = explain
        try:
            page.run_list_page(user, QueryDict(query), timezone.now())
        finally:
            database.run = plain
        scans = list(dict.fromkeys(scan for each in explained for scan in _scans(each["Plan"])))
        found.append({"milliseconds": sum(each["Execution Time"] for each in explained), "scans": scans})
    return found


def _scans(node: dict[str, Any]) -> Iterator[str]:
    if "Scan" in node["Node Type"] and "Relation Name" in node:
        name = node.get("Index Name") or node["Relation Name"].removeprefix("automate_core_")
        yield f"{node['Node Type'].lower()} of {name}"
    for inner in node.get("Plans", ()):
        yield from _scans(inner)


if __name__ == "__main__":
    django.setup()
    print(json.dumps(plans(sys.argv[1:])))
