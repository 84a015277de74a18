"""RuleEngine: finds the active workflows that an event starts, and says why a filter passed or did not."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import psycopg

from automate_core import database, triggers
from automate_core.rights import Rights
from automate_core.rules import Explanation, Rule, RuleError, read

log = logging.getLogger(__name__)

CANDIDATES = """
SELECT trigger.id, trigger.source, trigger.event_type, trigger.workflow_id, trigger.version_id, trigger.kind,
    trigger.config::text AS config, trigger.filter::text AS filter, workflow.slug,
    workflow.status = 'paused' AS is_paused
FROM automate_core_activetrigger trigger
JOIN automate_core_workflow workflow ON workflow.id = trigger.workflow_id AND workflow.status IN ('active', 'paused')
WHERE trigger.source = ANY(%(sources)s) AND trigger.event_type = ANY(%(types)s)
ORDER BY trigger.workflow_id, trigger.id
"""


@dataclass(frozen=True, slots=True)
class Match:
    """A workflow that an event starts, on the version that was published when it was matched.

    A run of a workflow that is paused waits until that goes on.
    """

    workflow_id: int
    version_id: int
    slug: str
    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trigger that might be one of a published version: a row of the match index that is not there."""

    source: str
    event_type: str
    workflow_id: int
    kind: str
    config: str
    filter: str | None
    slug: str
    version_id: int = 0
    is_paused: bool = False


class RuleEngine:
    """Matches events by index, (source, event type), and only then by filter and by right."""

    def __init__(self, connection: psycopg.Connection[Any] | None = None) -> None:
        self.connection = connection
        self.rights = Rights()

    def match(self, scopes: Iterable[Mapping[str, Any]]) -> list[list[Match]]:
        """For each scope (`{"event": ...}`) the workflows it starts, each once. Two queries for all at the most.

        A trigger whose run-as user may no longer read what it hands on starts nothing.
        """
        scopes = list(scopes)
        candidates = self._candidates(scopes)
        refused = self.rights.refused(self.connection, {row.id for rows in candidates.values() for row in rows})
        candidates = {key: [row for row in rows if row.id not in refused] for key, rows in candidates.items()}
        return [self._matches(scope, candidates) for scope in scopes]

    def trial(self, scopes: Iterable[Mapping[str, Any]], candidates: Iterable[Candidate]) -> list[bool]:
        """For each scope whether one of these triggers takes it, by the same code as `match`. No query."""
        found: dict[tuple[str, str], list[Any]] = {}
        for candidate in candidates:
            found.setdefault((candidate.source, candidate.event_type), []).append(candidate)
        return [bool(self._matches(scope, found)) for scope in scopes]

    def explain(self, rule: Any, scope: Mapping[str, Any]) -> Explanation:
        """The explanation tree of a rule. Raises RuleError."""
        return read(rule).explain(scope)

    def _candidates(self, scopes: list[Mapping[str, Any]]) -> dict[tuple[str, str], list[Any]]:
        sources = {scope["event"]["source"] for scope in scopes}
        types = {scope["event"]["type"] for scope in scopes} | {""}
        found: dict[tuple[str, str], list[Any]] = {}
        values = {"sources": list(sources), "types": list(types)}
        for row in database.run(self.connection, CANDIDATES, values) if sources else ():
            found.setdefault((row.source, row.event_type), []).append(row)
        return found

    def _matches(self, scope: Mapping[str, Any], candidates: dict[tuple[str, str], list[Any]]) -> list[Match]:
        source, kind = scope["event"]["source"], scope["event"]["type"]
        is_test = triggers.TEST_HEADER in scope["event"].get("headers", ())
        rows = [
            *candidates.get((source, kind), []),
            *(candidates.get((source, ""), []) if kind and not is_test else []),
        ]
        started = {row.workflow_id: row for row in rows if _passes(row, scope)}
        return [Match(row.workflow_id, row.version_id, row.slug, row.is_paused) for row in started.values()]


def _passes(row: Any, scope: Mapping[str, Any]) -> bool:
    """Whether the candidate takes the event. One that can no longer be read starts nothing, and harms no other."""
    try:
        return _takes_change(row, scope["event"]) and (row.filter is None or rule_of(row.filter).holds(scope))
    except RuleError as error:
        log.error("workflow %s: its filter cannot be read: %s", row.workflow_id, error)
        return False


def _takes_change(row: Any, event: Mapping[str, Any]) -> bool:
    """What a model trigger asks beside its filter; other kinds ask nothing."""
    if row.kind != "model":
        return True
    origin = event["headers"].get(triggers.ORIGIN_HEADER, "")
    return triggers.passes(msgspec.json.decode(row.config), event["payload"], origin=origin, workflow=row.slug)


@lru_cache(maxsize=10_000)
def rule_of(document: str) -> Rule:
    """The rule in a JSON text. Raises RuleError."""
    return read(msgspec.json.decode(document))
