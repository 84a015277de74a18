"""Times `RuleEngine.match` among so many active workflows: milliseconds a batch, one number a measurement, as JSON."""

from __future__ import annotations

import json
import statistics
import sys
import time

import django

BATCH = 10
REPEATS = 300

# Copies of a published workflow, each listening on one endpoint for a type of its own, with a filter that holds.
SEED = """
WITH workflow AS (
    INSERT INTO automate_core_workflow
    SELECT copy.* FROM generate_series(1, %(count)s) AS n, automate_core_workflow w
    CROSS JOIN LATERAL jsonb_populate_record(w, jsonb_build_object('id', 1000000 + n, 'slug', 'match-' || n)) AS copy
    WHERE w.slug = 'noop'
    RETURNING id, published_id
)
INSERT INTO automate_core_activetrigger
    (workflow_id, version_id, key, kind, source, event_type, filter, config, priority)
SELECT id, published_id, 'webhook', 'webhook', 'webhook:match', 'type-' || id,
    '{"==": [{"var": "event.payload.number"}, 7]}', '{}', 0
FROM workflow
"""


def main(count: int, runs: int) -> None:
    django.setup()
    from automate_core import database
    from automate_core.events.matching import RuleEngine

    with database.connect(database.WORKER_OPTIONS) as connection:
        database.run(connection, "DELETE FROM automate_core_activetrigger WHERE source = 'webhook:match'", {})
        database.run(connection, "DELETE FROM automate_core_workflow WHERE slug LIKE 'match-%%'", {})
        database.run(connection, SEED, {"count": count})
        connection.execute("VACUUM ANALYZE automate_core_workflow, automate_core_activetrigger")
        engine = RuleEngine(connection)
        types = [f"type-{1_000_000 + 1 + number * count // BATCH}" for number in range(BATCH)]
        scopes = [
            {"event": {"source": "webhook:match", "type": kind, "payload": {"number": 7}, "headers": {}}}
            for kind in types
        ]
        found = engine.match(scopes, [None] * len(scopes))
        if [len(matches) for matches in found] != [1] * BATCH:
            raise RuntimeError(f"each event was to start one workflow: {found}")
        print(json.dumps([_milliseconds(engine, scopes) for _ in range(runs)]))


def _milliseconds(engine, scopes) -> float:  # type: ignore[no-untyped-def]
    """The median of many repeats."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        engine.match(scopes, [None] * len(scopes))
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
