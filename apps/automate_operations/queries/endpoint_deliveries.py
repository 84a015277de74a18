"""The deliveries that webhook endpoints accepted: how many, and the last of each, by index."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from django.db.models import DateTimeField
from django.db.models.expressions import RawSQL

from automate_core import database
from automate_core.ids import first_uuid7

MOST_COUNTED = 1_000  #: deliveries of one endpoint

_ACCEPTED = """
SELECT s.endpoint, (
    SELECT count(*) FROM (
        SELECT FROM automate_core_event e
        WHERE e.endpoint_id = s.endpoint AND e.endpoint_id <> 0 AND e.id >= %(since)s LIMIT %(most)s
    ) counted
) AS accepted
FROM unnest(%(endpoints)s::bigint[]) AS s(endpoint)
"""
# Compared by rows, so that no other index has the order: for an endpoint without events all would be gone through.
_LAST_ACCEPTED = """
SELECT event.received_at FROM automate_core_event event
WHERE event.endpoint_id <> 0
    AND (event.endpoint_id, event.id) >= (automate_core_webhookendpoint.id, '00000000-0000-0000-0000-000000000000')
    AND (event.endpoint_id, event.id) <= (automate_core_webhookendpoint.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY event.endpoint_id DESC, event.id DESC LIMIT 1
"""


def count_accepted(endpoints: Collection[int], since: dt.datetime) -> dict[int, int]:
    """The number of events that each endpoint accepted since then; MOST_COUNTED + 1 stands for more."""
    values = {"endpoints": list(endpoints), "since": first_uuid7(since), "most": MOST_COUNTED + 1}
    return {row.endpoint: row.accepted for row in database.run(None, _ACCEPTED, values)} if endpoints else {}


def last_accepted_at() -> RawSQL:
    """The time of an endpoint's last event, to annotate a query of endpoints with."""
    return RawSQL(_LAST_ACCEPTED, [], output_field=DateTimeField())  # noqa: S611 - our own text
