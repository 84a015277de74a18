"""Grants on single workflows, connections and webhook endpoints: list, grant and revoke them."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Field, Router, Schema

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.resources.connections import get_connection
from automate_api.v1.resources.webhooks import get_webhook
from automate_api.v1.resources.workflows import get_workflow
from automate_governance import sharing
from automate_governance.governed import Governed
from automate_governance.permissions import NotPermittedError, can
from automate_plugins import text

router = Router()


class ObjectGrant(Schema):
    """Permissions of a person or group on one object."""

    kind: Literal["user", "group"]
    name: str
    verbs: list[str] = Field(description="Such as view and change.")
    idle: list[str] = Field(description="Those without effect, because the role for them is missing.")


class Grants(Schema):
    """What an object's owner and others granted, people first, by name."""

    items: list[ObjectGrant]


class NewGrant(RequestSchema):
    to: str = Field(max_length=254, description="User name of an active person, or name of a group.")
    verbs: list[str] = Field(max_length=20, description="Such as view and change, of those that you have yourself.")


class RevokedGrant(RequestSchema):
    kind: Literal["user", "group"] = "user"
    name: str = Field(max_length=254, description="Of the person or group.")
    verbs: list[str] = Field(default_factory=list, max_length=20, description="By default, all that were granted.")


@router.get("/workflows/{slug}/grants", response=Grants)
def list_workflow_grants(request: TokenRequest, slug: str) -> dict[str, Any]:
    """List with whom a workflow is shared."""
    return _list(request, get_workflow(request, slug))


@router.post("/workflows/{slug}/share", response=Grants)
def share_workflow(request: TokenRequest, slug: str, body: NewGrant) -> dict[str, Any]:
    """Grant permissions on a workflow."""
    return _share(request, get_workflow(request, slug), body)


@router.post("/workflows/{slug}/unshare", response=Grants)
def unshare_workflow(request: TokenRequest, slug: str, body: RevokedGrant) -> dict[str, Any]:
    """Revoke permissions on a workflow."""
    return _unshare(request, get_workflow(request, slug), body)


@router.get("/connections/{slug}/grants", response=Grants)
def list_connection_grants(request: TokenRequest, slug: str) -> dict[str, Any]:
    """List with whom a connection is shared."""
    return _list(request, get_connection(request, slug))


@router.post("/connections/{slug}/share", response=Grants)
def share_connection(request: TokenRequest, slug: str, body: NewGrant) -> dict[str, Any]:
    """Grant permissions on a connection."""
    return _share(request, get_connection(request, slug), body)


@router.post("/connections/{slug}/unshare", response=Grants)
def unshare_connection(request: TokenRequest, slug: str, body: RevokedGrant) -> dict[str, Any]:
    """Revoke permissions on a connection."""
    return _unshare(request, get_connection(request, slug), body)


@router.get("/webhooks/{slug}/grants", response=Grants)
def list_webhook_grants(request: TokenRequest, slug: str) -> dict[str, Any]:
    """List with whom a webhook endpoint is shared."""
    return _list(request, get_webhook(request, slug))


@router.post("/webhooks/{slug}/share", response=Grants)
def share_webhook(request: TokenRequest, slug: str, body: NewGrant) -> dict[str, Any]:
    """Grant permissions on a webhook endpoint."""
    return _share(request, get_webhook(request, slug), body)


@router.post("/webhooks/{slug}/unshare", response=Grants)
def unshare_webhook(request: TokenRequest, slug: str, body: RevokedGrant) -> dict[str, Any]:
    """Revoke permissions on a webhook endpoint."""
    return _unshare(request, get_webhook(request, slug), body)


def _check_may_share(request: TokenRequest, obj: Governed) -> None:
    """Before it is known whether a person or group exists. Raises NotPermittedError."""
    if not can(request.user, "share", obj):
        raise NotPermittedError(text("You need the permission to share %(object)s.", object=str(obj)))


def _list(request: TokenRequest, obj: Governed) -> dict[str, Any]:
    _check_may_share(request, obj)
    return _describe(obj)


def _share(request: TokenRequest, obj: Governed, body: NewGrant) -> dict[str, Any]:
    _check_may_share(request, obj)
    sharing.grant(obj, sharing.find_grantee(body.to), body.verbs, by=request.user)
    return _describe(obj)


def _unshare(request: TokenRequest, obj: Governed, body: RevokedGrant) -> dict[str, Any]:
    _check_may_share(request, obj)
    for grant in sharing.list_grants(obj):
        if (grant.kind, grant.name) == (body.kind, body.name):
            sharing.revoke(obj, grant.grantee, body.verbs or grant.verbs, by=request.user)
    return _describe(obj)


def _describe(obj: Governed) -> dict[str, Any]:
    return {
        "items": [
            {"kind": each.kind, "name": each.name, "verbs": each.verbs, "idle": each.idle}
            for each in sharing.list_grants(obj)
        ]
    }
