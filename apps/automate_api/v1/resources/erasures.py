"""Requests about personal data: a search changes nothing until it is told to erase."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import Page, PageQuery, read_page
from automate_api.v1.problems import ProblemError
from automate_core.models import Erasure, ErasureItem
from automate_core.states import ErasureStatus
from automate_governance.admin_site import reverse
from automate_governance.texts import translated
from automate_operations.erasure import erasing
from automate_operations.erasure.describe import describe_found
from automate_operations.erasure.texts import LONGEST, MOST_TEXTS, parse_texts

router = Router()


class CreateErasure(RequestSchema):
    """Texts that name a person, such as an email address. They are found as whole words."""

    texts: list[str] = Field(max_length=MOST_TEXTS, description=f"Each of 3 to {LONGEST} characters.")


class PerformErasure(RequestSchema):
    reason: str = Field(max_length=erasing.LONGEST_REASON, description="For the audit trail. Leave the texts out.")


class FoundData(Schema):
    """Data of one kind that was found and is still there."""

    kind: str
    state: ErasureItem.State = Field(
        description="found: is erased; kept: a person has to change it; in_use: by a run that goes on"
    )
    count: int
    action: str = Field(description="What an erasure does, or what to do.")
    keys: list[str] = Field(description="The first primary keys.")


class ErasureState(Schema):
    """A search for personal data, or its erasure, without the texts."""

    id: uuid.UUID
    status: ErasureStatus
    requester: str
    reason: str
    looked: int = Field(description="Rows that were searched so far.")
    counts: dict[str, int] = Field(description="Rows by kind: those found, and after the end those erased.")
    created_at: dt.datetime
    ended_at: dt.datetime | None
    url: str


class ErasureWithFound(ErasureState):
    found: list[FoundData]


@router.post("/erasures", response={202: ErasureWithFound})
def create_erasure(request: TokenRequest, body: CreateErasure) -> Status[Any]:
    """Search for everything that holds one of the texts. A worker does it, and changes nothing."""
    erasing.check_may_erase(request.user)
    return Status(202, _describe_whole(erasing.create_search(parse_texts(body.texts), by=request.user)))


@router.get("/erasures", response=Page[ErasureState])
def list_erasures(request: TokenRequest, page: Query[PageQuery]) -> dict[str, Any]:
    """List searches and erasures, newest first."""
    erasing.check_may_erase(request.user)
    found, following = read_page(Erasure.objects.defer("texts"), page)
    return {"items": [_describe(each) for each in found], "next": following}


@router.get("/erasures/{uuid:erasure_id}", response=ErasureWithFound)
def read_erasure(request: TokenRequest, erasure_id: uuid.UUID) -> dict[str, Any]:
    """Read one search or erasure, with what was found and is still there."""
    return _describe_whole(_get_erasure(request, erasure_id))


@router.post("/erasures/{uuid:erasure_id}/erase", response={202: ErasureWithFound})
def perform_erasure(request: TokenRequest, erasure_id: uuid.UUID, body: PerformErasure) -> Status[Any]:
    """Erase what a search found, and what it would find now. A worker does it. This cannot be undone."""
    erasure = _get_erasure(request, erasure_id)
    return Status(202, _describe_whole(erasing.begin_erasure(erasure, reason=body.reason, by=request.user)))


@router.post("/erasures/{uuid:erasure_id}/stop", response=ErasureWithFound)
def stop_erasure(request: TokenRequest, erasure_id: uuid.UUID) -> dict[str, Any]:
    """Discard a search, or stop an erasure before what remains."""
    erasure = _get_erasure(request, erasure_id)
    if not erasing.stop_erasure(erasure, by=request.user):
        raise ProblemError(409, _("It has ended already."), code="already_ended")
    erasure.refresh_from_db()
    return _describe_whole(erasure)


def _get_erasure(request: TokenRequest, erasure_id: uuid.UUID) -> Erasure:
    erasing.check_may_erase(request.user)
    return find_object(Erasure.objects.all(), pk=erasure_id)


def _describe(erasure: Erasure) -> dict[str, Any]:
    return {
        "id": erasure.pk,
        "status": erasure.status,
        "requester": erasure.requester,
        "reason": erasure.reason,
        "looked": erasure.looked,
        "counts": erasure.counts,
        "created_at": erasure.created_at,
        "ended_at": erasure.ended_at,
        "url": reverse("automate_api:read_erasure", kwargs={"erasure_id": erasure.pk}),
    }


def _describe_whole(erasure: Erasure) -> dict[str, Any]:
    erasure.refresh_from_db(fields=["created_at"])  # the database's
    found = [
        {
            "kind": each.name,
            "state": each.state,
            "count": each.count,
            "action": translated(each.action),
            "keys": list(each.keys),
        }
        for each in describe_found(erasure)
    ]
    return {**_describe(erasure), "found": found}
