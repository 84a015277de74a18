"""Searches and erasures in words: what was found, what became of it, and what is left to a person."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db.models import Max
from django.db.models.fields.json import KT

from automate_core.models import Erasure, ErasureItem
from automate_governance.models import AuditEntry
from automate_operations.erasure.sources import all_kinds, all_sources
from automate_operations.site_status.operation import BACKUP_VERBS
from automate_plugins import ntext, text
from automate_plugins.texts import joined

MOST_LISTED = 50  #: keys of a kind
BACKUPS = "backups"  #: a kind that no search looks into and no erasure changes

#: Erased rows in the order in which people read them; the others are left out.
_ERASED: dict[str, Callable[[int], str]] = {
    "events": lambda count: ntext("%(count)s event", "%(count)s events", count),
    "runs": lambda count: ntext("%(count)s run", "%(count)s runs", count),
    "steps": lambda count: ntext("%(count)s attempt", "%(count)s attempts", count),
    "logs": lambda count: ntext("%(count)s log line", "%(count)s log lines", count),
    "terms": lambda count: ntext("%(count)s search term", "%(count)s search terms", count),
    "files": lambda count: ntext("%(count)s file", "%(count)s files", count),
    "entries": lambda count: ntext("%(count)s audit entry", "%(count)s audit entries", count),
    "edits": lambda count: ntext("%(count)s edit of a draft", "%(count)s edits of drafts", count),
    "stepsample": lambda count: ntext("%(count)s kept sample or mock", "%(count)s kept samples and mocks", count),
    "notification": lambda count: ntext("%(count)s notification", "%(count)s notifications", count),
}


@dataclass(frozen=True, kw_only=True)
class FoundKind:
    """Items of one kind in one state: how many in words, what becomes of them, and the first keys."""

    name: str
    state: str
    count: int
    words: str
    action: str
    keys: tuple[str, ...]


def describe_erased(counts: Mapping[str, int]) -> str:
    """`12 events, 14 runs and 1 file`; `nothing` when there is nothing. A text to translate."""
    parts = [describe(counts[kind]) for kind, describe in _ERASED.items() if counts.get(kind)]
    if len(parts) > 1:
        return text("%(first)s and %(last)s", first=joined(parts[:-1], ", "), last=parts[-1])
    return parts[0] if parts else text("nothing")


def describe_found(erasure: Erasure) -> list[FoundKind]:
    """What was found and is there still, by kind and state, and last the backups; texts to translate."""
    found = []
    for kind in all_kinds().values():
        for state in ErasureItem.State:
            items = erasure.items.filter(kind=kind.name, state=state)
            if count := items.count():
                found.append(
                    FoundKind(
                        name=kind.name,
                        state=state.value,
                        count=count,
                        words=kind.counted(count),
                        action=_IN_USE if state == ErasureItem.State.IN_USE else kind.action,
                        keys=tuple(items.order_by("pk").values_list("key", flat=True)[:MOST_LISTED]),
                    )
                )
    return [*found, *_backups(erasure)]


def _backups(erasure: Erasure) -> list[FoundKind]:
    """The archives of `automate_backup` that were made before the erasure ended, by the trail, the newest first."""
    made = AuditEntry.objects.filter(verb__in=BACKUP_VERBS)
    if erasure.ended_at:
        made = made.filter(at__lte=erasure.ended_at)
    by_file = made.values(file=KT("changes__file")).annotate(last=Max("at")).order_by("-last")
    files = [str(each["file"]) for each in by_file]
    if not files:
        return []
    return [
        FoundKind(
            name=BACKUPS,
            state=ErasureItem.State.KEPT,
            count=len(files),
            words=ntext("%(count)s backup that was made before", "%(count)s backups that were made before", len(files)),
            action=_IN_BACKUPS,
            keys=tuple(files[:MOST_LISTED]),
        )
    ]


_IN_BACKUPS = text(
    "They may hold the data, and an erasure does not change them. Delete them when your policy says so, and repeat the "
    "erasure after you restore one."
)
_IN_USE = text("A run that has not ended needs them. They are left out: end or cancel the run, then search again.")


def find_erasure(key: uuid.UUID | None) -> Erasure | None:
    """The erasure that emptied an event or a run, for the note on its page."""
    return Erasure.objects.defer("texts").filter(pk=key).first() if key else None


def is_search_only(erasure: Erasure) -> bool:
    """Whether it has ended as a finished search, such as a dry run: `reason` is set when an erasure begins."""
    return erasure.status == Erasure.Status.STOPPED and not erasure.reason and progress_percent(erasure) == 100


def progress_percent(erasure: Erasure) -> int:
    """How far the search is, by the number of sources."""
    return min(100, 100 * erasure.stage // max(len(all_sources()), 1))
