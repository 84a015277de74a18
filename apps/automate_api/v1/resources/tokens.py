"""Tokens: the current one, the owner's others, and their revocation. New ones are made by people."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema

from automate_api.models import ApiToken
from automate_api.tokens.issuing import revoke_token
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.pages import Page, PageQuery, read_page
from automate_core.models import Workflow
from automate_governance.permissions import NotPermittedError, has_scope, permitted

router = Router()


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


@router.get("/tokens/current", response=CurrentToken)
def read_current_token(request: TokenRequest) -> dict[str, Any]:
    """Read the token that this request is made with."""
    token, slugs = request.auth, None
    if token.workflows is not None:
        limited = permitted(request.user, "view", Workflow.objects.filter(pk__in=token.workflows))
        slugs = list(limited.order_by("slug").values_list("slug", flat=True))
    return describe_token(token) | {"owner": request.user.get_username(), "workflows": slugs}


@router.get("/tokens", response=Page[Token])
def list_tokens(request: TokenRequest, page: Query[PageQuery]) -> dict[str, Any]:
    """List the tokens of the token's owner, the newest first."""
    if not has_scope(request.user, "token:view"):
        raise NotPermittedError
    found, following = read_page(ApiToken.objects.filter(owner=request.user), page)
    return {"items": [describe_token(token) for token in found], "next": following}


@router.post("/tokens/{int:token_id}/revoke", response=Token)
def revoke_one_token(request: TokenRequest, token_id: int) -> dict[str, Any]:
    """Revoke one of the owner's tokens, now and for ever."""
    token = get_object_or_404(ApiToken.objects.select_related("owner"), owner=request.user, pk=token_id)
    revoke_token(token, by=request.user)
    token.refresh_from_db()
    return describe_token(token)


def describe_token(token: ApiToken) -> dict[str, Any]:
    """A token as `Token` shows it."""
    known = {name: getattr(token, name) for name in Token.model_fields}
    return known | {"prefix": f"dat_{token.prefix}"}
