"""Approvals of a person, by the views of the task list, as keyset pages over the waits' small columns."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT, KeyTextTransform, KeyTransform
from django.db.models.functions import Coalesce, Left
from django.utils.dateparse import parse_datetime

from automate_core.models import Wait, WaitAssignee
from automate_core.runs.waits import approvals
from automate_core.states import FINAL_RUN_STATES, WaitStatus
from automate_core.triggers.manual import STARTED_BY
from automate_governance.permissions import User

LONGEST_MESSAGE = 300
_NEVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)

type Key = tuple[dt.datetime, uuid.UUID]  #: by what tasks are sorted


def find_tasks(
    user: User,
    view: str,
    search: str = "",
    *,
    run: uuid.UUID | None = None,
    workflow: str | None = None,
    after: Key | None = None,
    before: Key | None = None,
    most: int,
) -> tuple[list[Any], bool]:
    """(waits with their `at`, whether there are more), beyond a key: open approvals by deadline, decided ones newest
    first.

    `view` is `decided` for those that the person decided, `all` for all open ones that they may reassign, `lost` for
    those of them that no active person can decide, else those that wait for them. One query.
    """
    waits = _filter_waits(_waits_of_view(user, view), search)
    waits = waits if run is None else waits.filter(run=run)
    waits = waits if workflow is None else waits.filter(run__workflow__slug=workflow)
    return _page_rows(waits, after, before, most, descending=view == "decided")


def with_task_columns(waits: QuerySet[Wait]) -> QuerySet[Wait]:
    """The waits with `name`, `message`, `decided_as`, `outcomes`, `source` and `started_by`, without documents."""
    return waits.select_related("run__workflow").only(
        "kind", "path", "status", "due_at", "created_at", "resolved_at", "run__workflow__name", "run__workflow__slug"
    ).annotate(
        name=KT("data__name"),
        message=Left(KT("data__message"), LONGEST_MESSAGE),
        decided_as=KT("outcome__outcome"),
        outcomes=KeyTransform("outcomes", "data"),
        source=F("run__event__source"),
        started_by=KeyTextTransform(STARTED_BY, "run__event__headers"),
    )  # fmt: skip


def undecidable_approvals(waits: QuerySet[Wait]) -> QuerySet[Wait]:
    """The open approvals among these that no active person can decide."""
    people = WaitAssignee._meta.get_field("user").related_model
    barred = WaitAssignee.objects.filter(wait=OuterRef(OuterRef("wait")), excluded=True)
    members = people._default_manager.filter(groups=OuterRef("group"), is_active=True)
    able = Exists(members.exclude(pk__in=barred.values("user")))
    assigned = WaitAssignee.objects.filter(Q(user__is_active=True) | able, wait=OuterRef("pk"), excluded=False)
    return waits.filter(~Exists(assigned), kind=Wait.Kind.APPROVAL, status=WaitStatus.OPEN)


def write_key(wait: Any) -> str:
    """The key of a found wait as text."""
    return f"{wait.at.isoformat()}_{wait.pk}"


def read_key(key: Any) -> Key | None:
    """The key of a text; None for any other text."""
    at, _separator, pk = str(key or "").partition("_")
    try:
        moment = parse_datetime(at)
        return (moment, uuid.UUID(pk)) if moment is not None and moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _waits_of_view(user: User, view: str) -> QuerySet[Wait]:
    if view == "decided":
        decided = approvals.within_limits(user, Wait.objects.filter(decided_by=user.pk, kind=Wait.Kind.APPROVAL))
        return decided.annotate(at=F("resolved_at"))
    everyones = (
        approvals.reassignable_approvals(user).filter(status=WaitStatus.OPEN).exclude(run__status__in=FINAL_RUN_STATES)
    )
    if view == "lost":
        waits = undecidable_approvals(everyones)
    else:
        waits = everyones if view == "all" else approvals.open_approvals_for(user)
    return waits.annotate(at=Coalesce("due_at", _NEVER))


def _filter_waits(waits: QuerySet[Wait], search: str) -> QuerySet[Wait]:
    waits = with_task_columns(waits)
    if not search:
        return waits
    return waits.filter(
        Q(name__icontains=search) | Q(message__icontains=search) | Q(run__workflow__name__icontains=search)
    )


def _page_rows(
    waits: QuerySet[Wait], after: Key | None, before: Key | None, most: int, *, descending: bool
) -> tuple[list[Any], bool]:
    """(rows, whether there are more)."""
    downwards = descending != (before is not None)
    if (key := before or after) is not None:
        beyond = "lt" if downwards else "gt"
        waits = waits.filter(Q(**{f"at__{beyond}": key[0]}) | Q(at=key[0], **{f"pk__{beyond}": key[1]}))
    rows = list(waits.order_by(*(("-at", "-pk") if downwards else ("at", "pk")))[: most + 1])
    shown = rows[:most]
    return shown[::-1] if before else shown, len(rows) > most
