"""Filters of runs in SQL: sources other than the ids, and conditions that narrow a scan."""

from __future__ import annotations

import uuid
from dataclasses import replace

from automate_core.events.search_terms import SUBJECT
from automate_core.models.fields import Words
from automate_operations.queries.run_keyset import RunScan

_BY_IDS = "automate_core_executionrun run WHERE run.id = ANY(%(ids)s)"
_BY_TERM = (
    "automate_core_searchterm term JOIN automate_core_executionrun run ON run.id = term.run_id"
    " WHERE term.value = %(term_value)s"
)
_BY_SUBJECT = (
    "automate_core_searchterm term JOIN automate_core_executionrun run ON run.id = term.run_id"
    f" WHERE term.name = '{SUBJECT}'"
    f" AND {Words.template % {'expressions': 'term.value'}} @@ to_tsquery('simple', %(subject_words)s)"
)
_HAS_OPEN_WAIT = (
    "EXISTS (SELECT FROM automate_core_wait wait WHERE wait.run_id = run.id AND wait.status = 'open'"
    " AND wait.kind = ANY(%(wait_kinds)s))"
)
_NEEDS_ATTENTION = """CASE WHEN run.status = 'failed' THEN
    run.rerun_at IS NULL OR NOT EXISTS (
        WITH RECURSIVE chain AS (
            SELECT again.id, again.status FROM automate_core_executionrun again WHERE again.retried_from_id = run.id
            UNION ALL
            SELECT again.id, again.status FROM chain CROSS JOIN LATERAL (
                SELECT id, status FROM automate_core_executionrun WHERE retried_from_id = chain.id OFFSET 0) again
        ) SELECT FROM chain WHERE chain.status = 'succeeded')
    ELSE EXISTS (SELECT FROM automate_core_wait wait
        WHERE wait.run_id = run.id AND wait.status = 'open' AND wait.kind = 'review')
    END"""


# --- what finds runs --------------------------------------------------------------------------------------------------


def scan_ids(scan: RunScan, ids: list[uuid.UUID]) -> RunScan:
    """The runs of these ids."""
    return _from_source(scan, _BY_IDS, ids=ids)


def scan_term(scan: RunScan, name: str, value: str) -> RunScan:
    """The runs that have a search term, of any name when that is empty."""
    source = f"{_BY_TERM} AND term.name = %(term_name)s" if name else _BY_TERM
    return _from_source(scan, source, term_name=name, term_value=value)


def scan_subject(scan: RunScan, words_query: str) -> RunScan:
    """The runs whose subject matches `search_terms.build_words_query`."""
    return _from_source(scan, _BY_SUBJECT, subject_words=words_query)


def _from_source(scan: RunScan, source: str, **values: object) -> RunScan:
    return replace(scan, source=source, values={**scan.values, **values})


# --- what narrows a scan ----------------------------------------------------------------------------------------------


def of_workflows(scan: RunScan, workflows: list[int]) -> RunScan:
    """Runs of these workflows, as a condition on each run."""
    return scan.with_condition("run.workflow_id = ANY(%(named)s)", named=workflows)


def of_origins(scan: RunScan, origins: list[str]) -> RunScan:
    """Runs with one of these origins."""
    return scan.with_condition("run.origin = ANY(%(origins)s)", origins=origins)


def of_versions(scan: RunScan, versions: list[int]) -> RunScan:
    """Runs of these versions."""
    return scan.with_condition("run.version_id = ANY(%(versions)s)", versions=versions)


def at_least(scan: RunScan, seconds: float) -> RunScan:
    """Runs that took at least so long, or have until now."""
    return scan.with_condition(f"{_DURATION} >= %(longer)s * interval '1 s'", longer=seconds)


def at_most(scan: RunScan, seconds: float) -> RunScan:
    """Runs that took at most so long, or have until now."""
    return scan.with_condition(f"{_DURATION} <= %(shorter)s * interval '1 s'", shorter=seconds)


_DURATION = "coalesce(run.finished_at, automate_now()) - run.started_at"


def rerun(scan: RunScan, *, is_rerun: bool) -> RunScan:
    """Runs that were re-run, or were not."""
    return scan.with_condition(f"run.rerun_at IS {'NOT ' if is_rerun else ''}NULL")


def with_open_wait(scan: RunScan, kinds: list[str]) -> RunScan:
    """Runs with an open wait of one of these kinds."""
    return scan.with_condition(_HAS_OPEN_WAIT, wait_kinds=kinds)


def needs_attention(scan: RunScan) -> RunScan:
    """Failed runs of which no re-run succeeded, and waiting ones with a step whose outcome a person has to set."""
    return scan.with_condition(_NEEDS_ATTENTION)


def with_error(scan: RunScan, text: str) -> RunScan:
    """Runs whose error message contains the text, in either case."""
    key = f"error_{len(scan.conditions)}"
    return scan.with_condition(f"run.error ->> 'message' ILIKE %({key})s", **{key: _ilike_pattern(text)})


def _ilike_pattern(text: str) -> str:
    return f"%{text.replace('\\', '\\\\').replace('%', r'\%').replace('_', r'\_')}%"
