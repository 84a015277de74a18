"""The subject line of runs, as queries annotate it."""

from __future__ import annotations

from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from automate_core.events.search_terms import SUBJECT
from automate_core.models import SearchTerm


def subject_of_run() -> Coalesce:
    """Of a run of the query around it: its own subject, or that of its event. Only for those who may view payloads."""
    own = SearchTerm.objects.filter(run=OuterRef("pk"), name=SUBJECT).values("value")[:1]
    return Coalesce(Subquery(own), F("event__subject"), Value(""))
