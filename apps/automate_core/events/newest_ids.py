"""The ids of the newest events of some sources and endpoints, by index."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from automate_core import database

#: Entries of the index that are read source by source; else the newest events are gone through.
MOST_LOOKED_UP = 200_000

# Compared by rows, so that no other index has the order that is asked for: the planner would go through all events by
# key for a source that it takes to be common.
_BY_SOURCE = """
SELECT found.id FROM (
    SELECT of_source.id FROM json_to_recordset(%(sources)s::json) AS s(source text, types text[])
    CROSS JOIN LATERAL (
        SELECT event.id FROM automate_core_event event
        WHERE event.endpoint_id = 0
            AND (event.source, event.id) < (s.source, %(below)s) AND (event.source, event.id) > (s.source, %(above)s)
            AND (s.types IS NULL OR event.type = ANY(s.types))
        ORDER BY event.source {order}, event.id {order} LIMIT %(most)s
    ) of_source
    UNION ALL
    SELECT of_endpoint.id FROM unnest(%(endpoints)s::bigint[]) AS e(id)
    CROSS JOIN LATERAL (
        SELECT event.id FROM automate_core_event event
        WHERE event.endpoint_id <> 0
            AND (event.endpoint_id, event.id) < (e.id, %(below)s) AND (event.endpoint_id, event.id) > (e.id, %(above)s)
        ORDER BY event.endpoint_id {order}, event.id {order} LIMIT %(most)s
    ) of_endpoint
) found
ORDER BY found.id {order} LIMIT %(most)s
"""
_BY_TIME = """
SELECT event.id FROM automate_core_event event
WHERE event.id < %(below)s AND event.id > %(above)s AND event.source !~ '^(retry|test):'
    AND (%(everything)s OR event.endpoint_id = 0 AND event.source = ANY(%(names)s)
        OR event.endpoint_id = ANY(%(endpoints)s::bigint[]))
ORDER BY event.id {order} LIMIT %(most)s
"""
_STATEMENTS = {
    (by_time, is_rising): statement.format(order="" if is_rising else "DESC")
    for by_time, statement in ((False, _BY_SOURCE), (True, _BY_TIME))
    for is_rising in (False, True)
}
LEAST, MOST = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)


@dataclass(frozen=True, kw_only=True)
class EventSources:
    """Sources of events: all, or these endpoints, and these sources wholly or in those types."""

    everything: bool
    sources: Mapping[str, frozenset[str] | None]
    endpoints: Collection[int]

    def newest(self, most: int, *, below: uuid.UUID | None, above: uuid.UUID | None, rising: bool) -> list[uuid.UUID]:
        """The keys of the newest events, or with `rising` of the oldest, between two keys."""
        values = {"below": below or MOST, "above": above or LEAST, "most": most, "endpoints": list(self.endpoints)}
        by_time = self.everything or (len(self.sources) + len(self.endpoints)) * most > MOST_LOOKED_UP
        if by_time:
            values |= {"everything": self.everything, "names": list(self.sources)}
        else:
            listed = [{"source": source, "types": types} for source, types in self.sources.items()]
            values["sources"] = msgspec.json.encode(listed).decode()
        return [row.id for row in database.run(None, _STATEMENTS[by_time, rising], values)]
