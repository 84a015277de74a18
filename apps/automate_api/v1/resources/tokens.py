"""Tokens: the current one, the owner's others, and new ones, which are never wider than the token of the request."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status

from automate_api.models import ApiToken
from automate_api.tokens.issuing import (
    DEFAULT_DAYS,
    DEFAULT_OVERLAP,
    MOST_OVERLAP,
    create_token,
    revoke_token,
    rotate_token,
)
from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.idempotency import unrepeatable
from automate_api.v1.not_found import find_object, not_found_words
from automate_api.v1.pages import Page, PageQuery, read_page
from automate_api.v1.problems import ProblemError
from automate_core.models import Workflow
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, has_scope, permitted
from automate_governance.texts import translated

router = Router()

_HOUR = dt.timedelta(hours=1)


class Token(Schema):
    """A token without its secret."""

    id: int
    name: str
    prefix: str = Field(description="The public beginning of the token.")
    scopes: list[str]
    created_at: dt.datetime
    expires_at: dt.datetime
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None


class CurrentToken(Token):
    """The token of this request."""

    owner: str = Field(description="User name.")
    workflows: list[str] | None = Field(description="Slugs of the workflows that it is limited to; null for all.")


class NewToken(RequestSchema):
    """A token to issue. It expires with the token of the request at the latest."""

    name: str = Field(max_length=100)
    scopes: list[str] = Field(min_length=1, max_length=200, description="Such as workflow:run.")
    workflows: list[str] | None = Field(
        None, max_length=1000, description="Slugs; by default those of the request's token."
    )
    days: int = Field(DEFAULT_DAYS, ge=1, le=DEFAULT_DAYS)


class Rotation(RequestSchema):
    """How long the new secret is valid, and the old one beside it."""

    days: int = Field(DEFAULT_DAYS, ge=1, le=DEFAULT_DAYS)
    overlap_hours: int = Field(DEFAULT_OVERLAP // _HOUR, ge=0, le=MOST_OVERLAP // _HOUR)


class IssuedToken(Token):
    """A token with its text, which cannot be read again."""

    token: str


@router.get("/tokens/current", response=CurrentToken)
def read_current_token(request: TokenRequest) -> dict[str, Any]:
    """Read the token that this request is made with."""
    token, slugs = request.auth, None
    if token.workflows is not None:
        limited = permitted(request.user, "view", Workflow.objects.filter(pk__in=token.workflows))
        slugs = list(limited.order_by("slug").values_list("slug", flat=True))
    return describe_token(token) | {"owner": sign_in_name(request.user), "workflows": slugs}


@router.get("/tokens", response=Page[Token])
def list_tokens(request: TokenRequest, page: Query[PageQuery]) -> dict[str, Any]:
    """List the tokens of the token's owner, the newest first."""
    if not has_scope(request.user, "token:view"):
        raise NotPermittedError
    found, following = read_page(ApiToken.objects.filter(owner=request.user), page)
    return {"items": [describe_token(token) for token in found], "next": following}


@router.post("/tokens", response={201: IssuedToken})
@unrepeatable
def issue_token(request: TokenRequest, body: NewToken) -> Status[dict[str, Any]]:
    """Issue a token for the same owner, with no more scopes and workflows than the token of the request."""
    token, plain = create_token(
        request.user,
        by=request.user,
        name=body.name,
        scopes=body.scopes,
        workflows=_workflows(request, body.workflows),
        days=body.days,
        until=request.auth.expires_at,
    )
    return Status(201, describe_token(token) | {"token": plain})


@router.post("/tokens/{int:token_id}/rotate", response=IssuedToken)
@unrepeatable
def rotate_one_token(request: TokenRequest, token_id: int, body: Rotation) -> dict[str, Any]:
    """Give one of the owner's tokens a new secret, if it can do no more than the token of the request."""
    token = _get_token(request, token_id)
    plain = rotate_token(token, by=request.user, overlap=body.overlap_hours * _HOUR, days=body.days)
    token.refresh_from_db()
    return describe_token(token) | {"token": plain}


@router.post("/tokens/{int:token_id}/revoke", response=Token)
def revoke_one_token(request: TokenRequest, token_id: int) -> dict[str, Any]:
    """Revoke one of the owner's tokens, now and for ever."""
    token = _get_token(request, token_id)
    revoke_token(token, by=request.user)
    token.refresh_from_db()
    return describe_token(token)


def describe_token(token: ApiToken) -> dict[str, Any]:
    """A token as `Token` shows it."""
    known = {name: getattr(token, name) for name in Token.model_fields}
    return known | {"prefix": token.public_start}


def _workflows(request: TokenRequest, slugs: list[str] | None) -> list[Workflow] | None:
    """Those of the slugs, or those that the request's token is limited to."""
    if slugs is None:
        limit = request.auth.workflows
        return None if limit is None else list(Workflow.objects.filter(pk__in=limit))
    found = list(permitted(request.user, "view", Workflow.objects.filter(slug__in=slugs)))
    if missing := sorted(set(slugs) - {workflow.slug for workflow in found}):
        reason = translated(not_found_words(Workflow, *missing))
        raise ProblemError(422, _("The request is not valid."), [("workflows", reason, "unknown")])
    return found


def _get_token(request: TokenRequest, token_id: int) -> ApiToken:
    return find_object(ApiToken.objects.filter(owner=request.user).select_related("owner"), pk=token_id)
