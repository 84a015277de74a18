"""Subject line of runs, as an annotation."""

from __future__ import annotations

from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from automate_core.events.search_terms import SUBJECT
from automate_core.models import SearchTerm


def subject_of_run() -> Coalesce:
    """Subject of the outer query's run, or of its event. Only for people who may view payloads."""
    own = SearchTerm.objects.filter(run=OuterRef("pk"), name=SUBJECT).values("value")[:1]
    return Coalesce(Subquery(own), F("event__subject"), Value(""))
