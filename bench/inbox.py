"""Figures of the event inbox over a long history, as a superuser and as one who may see one quiet endpoint alone."""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Iterator

import psycopg

from bench.measure import clear, figure, one_run, signed_in
from bench.run_list import milliseconds
from bench.stage import Stage

EVENTS = 1_000_000
PATH = "/admin/automate_core/event/"
RUN_LIST = "/admin/automate_core/executionrun/"
MARK = b"da-list-card"
TRACE = hashlib.md5(b"7", usedforsecurity=False).hexdigest()
PAGES = {  # as it opens; what an index knows; what is looked for among the newest events; and what no event has
    "": "",
    "_source": "?source=webhook:items",
    "_trace": f"?q={TRACE}",
    "_trace_beginning": f"?q={TRACE[:12]}",
    "_key": "?q=key-77",
    "_nothing_started": "?show=nothing",
    "_rare_type": "?type=rare",
    "_since": "?since=24h",
    "_payload": "?held=" + urllib.parse.quote('{"issue": {"number": 7}}'),
    "_payload_nowhere": "?held=nowhere+to+be+found",
}
OF_FEW = ("", "_nothing_started", "_payload_nowhere")

# Copies of an event that really came in and of the run that it really started, which stay the newest. Every second one
# started a run, every thousandth came to the endpoint `items`.
_ID = "(lpad(to_hex(1700000000000 + n), 12, '0') || '7{part}8' || lpad(to_hex(n), 15, '0'))::uuid"
_EVENT_ID = _ID.format(part="00e")
KEPT_EVENTS = f"""
INSERT INTO automate_core_event
SELECT copy.* FROM generate_series(1, %(count)s::bigint) AS n
JOIN automate_core_event event ON event.id = (SELECT max(id::text)::uuid FROM automate_core_event)
JOIN automate_core_webhookendpoint endpoint
    ON endpoint.slug = CASE WHEN n %% 1000 = 3 THEN 'items'
                            ELSE (ARRAY['pure', 'http', 'noop', 'three'])[1 + n %% 4] END
CROSS JOIN LATERAL jsonb_populate_record(event, jsonb_build_object(
    'id', {_EVENT_ID}, 'trace_id', md5(n::text), 'delivery_key', 'key-' || n,
    'received_at', now() - interval '30 days' + n * interval '2 seconds',
    'type', CASE WHEN n %% 50000 = 9 THEN 'rare' ELSE 'issues' END,
    'source', 'webhook:' || endpoint.slug, 'endpoint_id', endpoint.id
)) AS copy
"""  # noqa: S608 - our own texts
KEPT_RUNS = f"""
INSERT INTO automate_core_executionrun
SELECT copy.* FROM generate_series(2, %(count)s::bigint, 2) AS n
JOIN automate_core_executionrun run ON run.id = (SELECT max(id::text)::uuid FROM automate_core_executionrun)
CROSS JOIN LATERAL jsonb_populate_record(run, jsonb_build_object(
    'id', {_ID.format(part="000")}, 'event_id', {_EVENT_ID}, 'trace_id', md5(n::text))) AS copy
"""  # noqa: S608 - our own texts
FEW = (
    """
    INSERT INTO auth_user
    SELECT copy.* FROM auth_user bench CROSS JOIN LATERAL jsonb_populate_record(
        bench, jsonb_build_object('id', 2000000, 'username', 'few', 'is_superuser', false)) AS copy
    WHERE bench.username = 'bench' ON CONFLICT DO NOTHING
    """,
    "INSERT INTO auth_user_groups (user_id, group_id) SELECT 2000000, id FROM auth_group WHERE name = 'Builders'"
    " ON CONFLICT DO NOTHING",
    "UPDATE automate_core_webhookendpoint SET owner_id = 2000000 WHERE slug = 'items'",
)


def inbox(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """The whole page by HTTP."""
    one_run(on)
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        for statement in (KEPT_EVENTS, KEPT_RUNS):
            connection.execute(statement, {"count": on.scaled(EVENTS)})
        for statement in FEW:
            connection.execute(statement)
        connection.execute("VACUUM ANALYZE automate_core_event, automate_core_executionrun")
    with on.web():
        for whose, username, names in (("", "bench", tuple(PAGES)), ("_few", "few", OF_FEW)):
            browser = signed_in(on, username)
            for name in names:
                values = [milliseconds(on, browser, PATH + PAGES[name], MARK) for _ in range(runs)]
                yield figure(f"inbox{whose}{name}_ms_1e6", "ms", values)
        values = [milliseconds(on, signed_in(on), RUN_LIST, MARK) for _ in range(runs)]
        yield figure("inbox_beside_list_ms", "ms, the run list over the same history", values)
    clear(on)
