"""Search in the palette: by the rule of `step_search`, among what can be inserted at a place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from automate_authoring.step_search import Entry, all_entries, described_entry, rank_entries
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_governance.permissions import User, permitted
from automate_studio.builder.offers import REPEATED, SUGGESTED, TRIGGER, PaletteEntry


def find_offers(groups: Mapping[str, Iterable[PaletteEntry]], query: str, person: User) -> list[str]:
    """The requests of the offers that fit the query, the best first. One query."""
    connected = permitted(person, "use", Connection.objects.all()).values_list("connector", flat=True)
    known = {each.key: each for each in all_entries()}
    offers = [offer for title, found in groups.items() if title not in REPEATED for offer in found]
    entries = [_entry(offer, known) for offer in sorted(offers, key=lambda offer: not offer.is_preset)]
    likely = {offer.request for offer in groups.get(SUGGESTED, ())}
    return [each.shown for each in rank_entries(entries, query, set(connected), likely)]


def _entry(offer: PaletteEntry, known: Mapping[str, Entry]) -> Entry:
    """What is searched of an offer; one with presets has words of its own."""
    same = known.get(offer.search_key)
    if same and not offer.is_preset:
        return same.shown_as(offer.request)
    code = offer.action.partition(".")[0] if offer.kind != TRIGGER else ""
    adapter = connectors.get(code) if code else None
    return described_entry(
        offer.search_key, kind=offer.kind, names=[offer.name], texts=[offer.description], adapter=adapter
    ).shown_as(offer.request)
