"""Searches and erasures: a person requests them, and workers or the command perform them batch by batch.

The effects of a batch and its position commit together, so a process that dies leaves a whole batch or nothing, and any
other goes on from there.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections import Counter

from django.db import transaction
from django.db.models import QuerySet

from automate_core import database
from automate_core.models import Erasure, ErasureItem
from automate_core.states import ERASURE_EDGES, ErasureStatus, move
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import SITE, NotPermittedError, Person, can
from automate_operations.erasure import search
from automate_operations.erasure.sources import all_kinds
from automate_operations.erasure.texts import SearchedTexts
from automate_operations.retention.pruning import Pace
from automate_plugins import text
from automate_plugins.errors import AutomateError

KEPT = dt.timedelta(days=1)  #: for which the texts of a search are kept that nobody acts on
MOST_OPEN = 10  #: searches of one person that have not ended
LONGEST_REASON = 500
_ITEMS = 20  #: erased in one transaction

_OPEN = (ErasureStatus.SEARCHING, ErasureStatus.FOUND, ErasureStatus.ERASING)
DUE = f"""EXISTS (SELECT FROM automate_core_erasure WHERE status IN ('searching', 'erasing')
    OR status = 'found' AND created_at < automate_now() - interval '{KEPT.days} days')"""


class ErasureError(AutomateError, status=409):
    """The search or erasure cannot be done; the message says why."""


class ReasonError(ErasureError, status=422):
    """The reason cannot be recorded."""


def check_may_erase(person: Person) -> None:
    """Raises NotPermittedError."""
    if not can(person, "erase", SITE):
        raise NotPermittedError(text("You need the permission to erase personal data."))


@transaction.atomic
def create_search(texts: SearchedTexts, *, by: Person | None) -> Erasure:
    """Have everything found that holds these texts. Nothing is changed. Audited without the texts.

    Raises NotPermittedError, ErasureError. `by` None is the command line.
    """
    if by is not None:
        check_may_erase(by)
        if Erasure.objects.filter(person=by, status__in=_OPEN).count() >= MOST_OPEN:
            raise ErasureError(text("You have %(count)s open searches. Discard one first.", count=MOST_OPEN))
    erasure = Erasure.objects.create(
        person=by,
        requester=sign_in_name(by) if by else "system",
        texts=list(texts.texts),
        digest=texts.digest,
    )
    audit.record(by, "erasure.searched", erasure, facts={"digest": texts.digest[:16], "texts": len(texts.texts)})
    return erasure


@transaction.atomic
def begin_erasure(erasure: Erasure, *, reason: str, by: Person | None) -> Erasure:
    """Have everything erased that a search found, and what it would find now. Audited with the reason.

    Raises NotPermittedError, ErasureError for a missing reason, for one that holds a text, and in any other state.
    """
    if by is not None:
        check_may_erase(by)
    current = Erasure.objects.select_for_update().get(pk=erasure.pk)
    reason = " ".join(reason.split())
    if current.status != ErasureStatus.FOUND:
        raise ErasureError(text("This search is not waiting for a decision (%(status)s).", status=current.status))
    check_reason(reason, SearchedTexts(tuple(current.texts)))
    current.status = move(ERASURE_EDGES, current.status, ErasureStatus.ERASING)
    current.reason, current.stage, current.after, current.counts = reason, 0, "", {}
    current.person, current.requester = by, sign_in_name(by) if by else "system"
    current.items.all().delete()
    current.save()
    audit.record(by, "erasure.started", current, changes={"reason": reason}, facts={"digest": current.digest[:16]})
    return current


def check_reason(reason: str, texts: SearchedTexts) -> None:
    """Raises ErasureError for a reason that cannot be recorded."""
    if not reason:
        raise ReasonError(text("Enter a reason."), "reason")
    if len(reason) > LONGEST_REASON:
        raise ReasonError(text("A reason has at most %(limit)s characters.", limit=LONGEST_REASON), "reason")
    if texts.are_in(reason):
        raise ReasonError(text("Leave the searched texts out of the reason: it stays in the audit trail."), "reason")


@transaction.atomic
def stop_erasure(erasure: Erasure, *, by: Person | None) -> bool:
    """Forget a search, or stop an erasure before what remains. False when it has ended already.

    Audited, but for a dry run of the command, which forgets its own search.
    """
    if by is not None:
        check_may_erase(by)
    current = Erasure.objects.select_for_update().get(pk=erasure.pk)
    if current.status not in _OPEN:
        return False
    was_erasing = current.status == ErasureStatus.ERASING
    erased = dict(current.counts) if was_erasing else {}
    _end(current, ErasureStatus.STOPPED)
    if was_erasing or by is not None:
        audit.record(by, "erasure.stopped", current, facts={"erased": erased})
    return True


def _end(erasure: Erasure, status: ErasureStatus) -> None:
    """End a locked one. Its texts are forgotten; what a person still has to change is remembered."""
    erasure.status = move(ERASURE_EDGES, erasure.status, status)
    erasure.texts, erasure.after, erasure.ended_at = [], "", database.now()
    erasure.save()
    if status == ErasureStatus.STOPPED:
        erasure.items.all().delete()


def open_erasures() -> QuerySet[Erasure]:
    """Those that have not ended."""
    return Erasure.objects.filter(status__in=_OPEN)


@transaction.atomic
def run_batch(key: uuid.UUID, pace: Pace, *, wait: bool = False) -> Erasure | None:
    """Perform one batch: the state after it, or None while another process performs one; `wait` waits for that.

    Raises ArtifactError while the storage of files is away; nothing has changed then.
    """
    current = Erasure.objects.select_for_update(skip_locked=not wait).filter(pk=key).first()
    if current is None or current.status not in (ErasureStatus.SEARCHING, ErasureStatus.ERASING):
        return current
    texts = SearchedTexts(tuple(current.texts))
    started = time.monotonic()
    if not search.search_batch(current, texts, pace.limit):
        pace.measure(time.monotonic() - started)
        current.save(update_fields=["stage", "after", "looked"])
    elif current.status == ErasureStatus.SEARCHING:
        current.counts = dict(search.count_found(current))
        current.status = move(ERASURE_EDGES, current.status, ErasureStatus.FOUND)
        current.save()
    elif not _erase_next(current, texts):
        _end(current, ErasureStatus.DONE)
        changes = {"reason": current.reason}
        audit.record(current.person, "erasure.performed", current, changes=changes, facts=_summary(current))
    else:
        pace.took = time.monotonic() - started
        current.save(update_fields=["stage", "after", "looked", "counts"])
    return current


def _erase_next(erasure: Erasure, texts: SearchedTexts) -> bool:
    """Erase the next items of a locked one; whether there were any."""
    items = list(erasure.items.filter(state=ErasureItem.State.FOUND).order_by("pk")[:_ITEMS])
    kinds = all_kinds()
    counts = Counter(erasure.counts)
    for name in dict.fromkeys(item.kind for item in items):
        erase = kinds[name].erase
        if erase is None:
            continue
        mine = [item for item in items if item.kind == name]
        result = erase(erasure, texts, [item.key for item in mine])
        counts += result.counts
        left = [item.pk for item in mine if item.key in result.in_use]
        erasure.items.filter(pk__in=left).update(state=ErasureItem.State.IN_USE)
        erasure.items.filter(pk__in=[item.pk for item in mine if item.pk not in set(left)]).delete()
    erasure.counts = dict(+counts)
    return bool(items)


def _summary(erasure: Erasure) -> dict[str, object]:
    left = Counter(erasure.items.values_list("state", flat=True))
    return {
        "digest": erasure.digest[:16],
        "erased": dict(erasure.counts),
        "in_use": left[ErasureItem.State.IN_USE],
        "to_be_changed": left[ErasureItem.State.KEPT],
    }


class ErasureTask:
    """A worker's share: a batch now and then, in the maintenance thread."""

    def __init__(self) -> None:
        self._pace = Pace(seconds=0.1, share=0.5)

    def run_once(self) -> float | None:
        """Perform a batch of the oldest one; gives the seconds to the next, None when there is nothing to do."""
        forget_old_searches()
        key = (
            Erasure.objects.filter(status__in=(ErasureStatus.SEARCHING, ErasureStatus.ERASING))
            .order_by("pk")
            .values_list("pk", flat=True)
            .first()
        )
        if key is None or run_batch(key, self._pace) is None:
            return None
        return self._pace.pause_seconds


def forget_old_searches() -> None:
    """Forget the searches that nobody acted on."""
    old = Erasure.objects.select_for_update(skip_locked=True).filter(
        status=ErasureStatus.FOUND, created_at__lt=database.now() - KEPT
    )
    with transaction.atomic():
        for erasure in old:
            _end(erasure, ErasureStatus.STOPPED)
