"""RuleEngine: the active workflows that an event starts, and the explanation of a filter."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import psycopg

from automate_core import database
from automate_core.events.event_types import trigger_source
from automate_core.events.run_rights import RunAsRights
from automate_core.expressions.json_logic import Explanation, Rule, RuleError, read_rule
from automate_core.triggers import host_events

log = logging.getLogger(__name__)

AT_ONCE_SECONDS = 0.05  #: for all the filters of events that are matched together

CANDIDATES = """
SELECT trigger.id, trigger.source, trigger.event_type, trigger.workflow_id, trigger.version_id, trigger.kind,
    trigger.config::text AS config, trigger.filter::text AS filter, workflow.slug,
    workflow.status = 'paused' AS must_wait, false AS is_held, endpoint.id AS endpoint_id
FROM automate_core_activetrigger trigger
JOIN automate_core_workflow workflow ON workflow.id = trigger.workflow_id AND workflow.status IN ('active', 'paused')
LEFT JOIN automate_core_webhookendpoint endpoint
    ON trigger.kind = 'webhook' AND endpoint.slug = substr(trigger.source, length('webhook:') + 1)
WHERE trigger.source = ANY(%(sources)s) AND trigger.event_type = ANY(%(types)s)
ORDER BY trigger.workflow_id, trigger.id
"""


type Undecided = dict[int, Rule]  #: filters that take longer, by the ids of their triggers


@dataclass(frozen=True, slots=True)
class Match:
    """A workflow that an event starts, on the version that was published when it was matched.

    A run that must wait does so until its workflow starts runs again: `stops` says when. With `is_held`, the run-as
    user may not read the event at present: it starts no run yet, and waits itself (`held_events`). `source` is that of
    the trigger.
    """

    workflow_id: int
    version_id: int
    slug: str
    must_wait: bool
    is_held: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trigger as if it were of a published version: a row of the match index that is not stored."""

    source: str
    event_type: str
    workflow_id: int
    kind: str
    config: str
    filter: str | None
    slug: str
    version_id: int = 0
    must_wait: bool = False
    is_held: bool = False
    endpoint_id: None = None  #: any at the address


class RuleEngine:
    """Matches events by index, (source, event type), and only then by filter and by right."""

    def __init__(self, connection: psycopg.Connection[Any] | None = None) -> None:
        self.connection = connection
        self.rights = RunAsRights()

    def match(self, scopes: Sequence[Mapping[str, Any]], endpoints: Sequence[int | None]) -> list[list[Match]]:
        """The workflows that each scope (`{"event": ...}`) starts, each once. Two queries at most.

        `endpoints` are the keys of the endpoints that accepted the events: an event of a deleted endpoint starts
        nothing of another at its address. A trigger whose run-as user may no longer read the event starts nothing.
        """
        candidates = {key: [row for row in rows if not row.is_held] for key, rows in self._judged(scopes).items()}
        return [
            self._matches(_event_candidates(scope, candidates, endpoint), scope)
            for scope, endpoint in zip(scopes, endpoints, strict=True)
        ]

    def match_at_once(
        self,
        scopes: Sequence[Mapping[str, Any]],
        endpoints: Sequence[int | None],
        decided: Sequence[Mapping[int, bool]],
    ) -> list[list[Match] | Undecided]:
        """Like `match`, within AT_ONCE_SECONDS; for other events, the filters that are still to be decided.

        The matches include those that are held. `decided` holds, for each scope, the results of filters that were
        decided before.
        """
        candidates = self._judged(scopes)
        until = time.monotonic() + AT_ONCE_SECONDS
        return [
            self._matches_at_once(_event_candidates(scope, candidates, endpoint), scope, known, until)
            for scope, endpoint, known in zip(scopes, endpoints, decided, strict=True)
        ]

    def match_candidates(self, scopes: Iterable[Mapping[str, Any]], candidates: Iterable[Candidate]) -> list[bool]:
        """Whether one of these triggers accepts each scope, by the same code as `match`. No query."""
        found: dict[tuple[str, str], list[Any]] = {}
        for candidate in candidates:
            found.setdefault((candidate.source, candidate.event_type), []).append(candidate)
        return [bool(self._matches(_event_candidates(scope, found), scope)) for scope in scopes]

    def explain(self, rule: Any, scope: Mapping[str, Any]) -> Explanation:
        """The explanation tree of a rule. Raises RuleError."""
        return read_rule(rule).explain(scope)

    def _judged(self, scopes: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[Any]]:
        """The candidates, and what the rights of their run-as users make of them."""
        candidates = self._candidates(scopes)
        refused, waiting = self.rights.stopped_triggers(
            self.connection, {row.id for rows in candidates.values() for row in rows}
        )
        return {
            key: [row._replace(must_wait=row.must_wait or row.id in waiting, is_held=row.id in refused) for row in rows]
            for key, rows in candidates.items()
        }

    def _candidates(self, scopes: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[Any]]:
        sources = {trigger_source(scope["event"]["source"]) for scope in scopes}
        types = {scope["event"]["type"] for scope in scopes} | {""}
        found: dict[tuple[str, str], list[Any]] = {}
        values = {"sources": list(sources), "types": list(types)}
        for row in database.run(self.connection, CANDIDATES, values) if sources else ():
            found.setdefault((row.source, row.event_type), []).append(row)
        return found

    def _matches(self, rows: list[Any], scope: Mapping[str, Any]) -> list[Match]:
        return _unique_matches(row for row in rows if _passes_filter(row, scope, lambda rule: rule.holds(scope)))

    def _matches_at_once(
        self, rows: list[Any], scope: Mapping[str, Any], known: Mapping[int, bool], until: float
    ) -> list[Match] | Undecided:
        def decide(rule: Rule) -> bool | None:
            return rule.holds_at_once(scope) if time.monotonic() < until else None

        passes = {row.id: known[row.id] if row.id in known else _passes_filter(row, scope, decide) for row in rows}
        undecided = {row.id: decode_rule(row.filter) for row in rows if passes[row.id] is None}
        return undecided or _unique_matches(row for row in rows if passes[row.id])


def _event_candidates(
    scope: Mapping[str, Any], candidates: dict[tuple[str, str], list[Any]], endpoint: int | None = None
) -> list[Any]:
    """The candidates with the event's source and type, and with its endpoint where they have one."""
    source, kind = trigger_source(scope["event"]["source"]), scope["event"]["type"]
    is_test = host_events.TEST_HEADER in scope["event"].get("headers", ())
    rows = [
        *candidates.get((source, kind), []),
        *(candidates.get((source, ""), []) if kind and not is_test else []),
    ]
    return [row for row in rows if row.endpoint_id in {None, endpoint}]


def _unique_matches(rows: Iterable[Any]) -> list[Match]:
    """The matches of triggers that pass, each workflow once: held only where none of its triggers starts it."""
    started: dict[int, Any] = {}
    for row in rows:
        if row.workflow_id not in started or not row.is_held:
            started[row.workflow_id] = row
    return [
        Match(row.workflow_id, row.version_id, row.slug, row.must_wait, row.is_held, row.source)
        for row in started.values()
    ]


def _passes_filter(row: Any, scope: Mapping[str, Any], decide: Callable[[Rule], bool | None]) -> bool | None:
    """Whether the candidate accepts the event; None where `decide` gives no answer for its filter.

    A filter that can no longer be read starts nothing, and affects no other.
    """
    try:
        return _passes_change(row, scope["event"]) and (row.filter is None or decide(decode_rule(row.filter)))
    except RuleError as error:
        log.error("workflow %s: its filter cannot be read: %s", row.workflow_id, error)
        return False


def _passes_change(row: Any, event: Mapping[str, Any]) -> bool:
    """Whether a model trigger accepts the change; other kinds accept all."""
    if row.kind != "model":
        return True
    origin = event["headers"].get(host_events.ORIGIN_HEADER, "")
    return host_events.passes_change(
        msgspec.json.decode(row.config), event["payload"], origin=origin, workflow=row.slug
    )


@lru_cache(maxsize=10_000)
def decode_rule(document: str) -> Rule:
    """The rule in a JSON text. Raises RuleError."""
    return read_rule(msgspec.json.decode(document))
