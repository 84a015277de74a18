"""Search of the audit trail: by person, object, verb, time to the second, and text in the values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import Q, QuerySet

from automate_governance.models import AuditEntry

_SEARCHED = ("object", "changes", "verb", "actor", "object_id", "trace_id", "address", "system_user", "credential")


@dataclass(frozen=True)
class AuditSearch:
    """Filters of audit entries: `params` by their names in URLs, and a period."""

    params: Mapping[str, str]
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def entries(self) -> QuerySet[AuditEntry]:
        """Matching entries."""
        found, kept = AuditEntry.objects.all(), self.params
        if who := kept.get("who"):
            found = found.filter(actor__iexact=who)
        if number := kept.get("entry"):
            found = found.filter(pk=int(number)) if number.isdecimal() and len(number) < 19 else found.none()
        if verb := kept.get("verb"):
            found = found.filter(self.verb_condition(verb))
        if about := kept.get("about"):
            kind, _, key = about.partition(":")
            found = found.filter(object_type=kind, object_id=key)
        if self.since:
            found = found.filter(at__gte=self.since)
        if self.until:
            found = found.filter(at__lt=self.until.replace(microsecond=0) + dt.timedelta(seconds=1))
        for name, column in (("kind", "object_type"), ("source", "source"), ("trace", "trace_id")):
            if value := kept.get(name):
                found = found.filter(**{column: value})
        if words := kept.get("q"):
            found = found.filter(reduce(or_, (Q(**{f"{name}__icontains": words}) for name in _SEARCHED)))
        return found

    def verb_condition(self, verb: str) -> Q:
        """The condition for an action: the beginning of its code."""
        return Q(verb__startswith=verb)


_VERBS = """
WITH RECURSIVE found AS (
    (SELECT verb FROM automate_governance_auditentry ORDER BY verb USING ~<~ LIMIT 1)
    UNION ALL
    SELECT (SELECT verb FROM automate_governance_auditentry WHERE verb ~>~ found.verb ORDER BY verb USING ~<~ LIMIT 1)
    FROM found WHERE found.verb IS NOT NULL
)
SELECT verb FROM found WHERE verb IS NOT NULL
"""


def recorded_verbs() -> list[str]:
    """The actions of which there are entries: each is one look into the index."""
    with connection.cursor() as cursor:
        cursor.execute(_VERBS)
        return [verb for (verb,) in cursor.fetchall()]
