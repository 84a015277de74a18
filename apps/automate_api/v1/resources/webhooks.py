"""Webhook endpoints: list, read, create, change, rotate their secrets, delete. A generated secret is shown once."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.idempotency import unrepeatable
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import OrderedQuery, Page, check_may_view, filter_given, permitted_rows, read_page
from automate_core.models import WebhookEndpoint
from automate_core.models.events import LONGEST_REPLY_SECONDS
from automate_core.webhooks import endpoint_edits, endpoints
from automate_core.webhooks.endpoint_edits import MOST_OVERLAP, SavedEndpoint
from automate_core.webhooks.schemes.signing import SchemeError
from automate_governance.middleware import show_once
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import can, permitted
from automate_governance.reference_registry import delete_unused

router = Router()

_HOUR = dt.timedelta(hours=1)
_MOST_SECRET = 2_000


class WebhookSummary(Schema):
    """A webhook endpoint in a list."""

    slug: str
    url: str = Field(description="Where its sender posts to.")
    scheme: str = Field(description="How its deliveries are signed, such as github.")
    owner: str | None = Field(description="User name.")
    enabled: bool = Field(description="Whether it accepts deliveries.")
    reply_seconds: int = Field(description="How long a delivery waits for the reply of its run; 0 answers at once.")
    secret_reference: str = Field(description="Reference of its secret; empty when deliveries are not signed.")
    secret_used_at: dt.datetime | None
    old_secret_until: dt.datetime | None = Field(description="Until then the previous secret is accepted as well.")
    created_at: dt.datetime
    updated_at: dt.datetime


class Webhook(WebhookSummary):
    """A webhook endpoint."""

    config: dict[str, Any] | None = Field(
        description="Configuration of its scheme; null without the permission to change the endpoint."
    )


class SavedWebhook(Webhook):
    """A webhook endpoint with its generated secret, which cannot be read again."""

    secret: str | None = Field(description="The secret, if one was generated.")


class WebhookFilters(OrderedQuery):
    scheme: str | None = Field(None, max_length=50)
    enabled: bool | None = None


class _SecretOptions(RequestSchema):
    secret: str | None = Field(
        None, max_length=_MOST_SECRET, description="A secret to store. No answer shows one that you send."
    )
    secret_reference: str | None = Field(
        None, max_length=200, description="A stored secret in place of a new one, such as database:github."
    )


class NewWebhook(_SecretOptions):
    """A webhook endpoint to create. Without a secret, one is generated unless the sender makes it."""

    slug: str = Field(
        max_length=100,
        json_schema_extra={"pattern": endpoint_edits.SLUG_PATTERN},
        description="The last part of its URL. It cannot be changed later.",
    )
    scheme: str = Field(max_length=50, description="Such as github, stripe or hmac; unsigned needs no secret.")
    config: dict[str, Any] = Field(default_factory=dict, description="Configuration of the scheme.")
    reply_seconds: int = Field(0, ge=0, le=LONGEST_REPLY_SECONDS)


class WebhookChange(_SecretOptions):
    """A change of a webhook. Fields that are left out stay as they are."""

    scheme: str | None = Field(None, max_length=50)
    config: dict[str, Any] | None = None
    enabled: bool | None = Field(None, description="false rejects deliveries until it is true again.")
    reply_seconds: int | None = Field(None, ge=0, le=LONGEST_REPLY_SECONDS)
    overlap_hours: int = Field(
        endpoints.OVERLAP // _HOUR,
        ge=0,
        le=MOST_OVERLAP // _HOUR,
        description="How long the previous secret is accepted after a change of it.",
    )


class SecretRotation(RequestSchema):
    """A new secret. Without one, it is generated unless the sender makes it."""

    secret: str | None = Field(None, max_length=_MOST_SECRET)
    overlap_hours: int = Field(
        endpoints.OVERLAP // _HOUR,
        ge=0,
        le=MOST_OVERLAP // _HOUR,
        description="How long the previous secret is accepted.",
    )


@router.get("/webhooks", response=Page[WebhookSummary])
def list_webhooks(request: TokenRequest, filters: Query[WebhookFilters]) -> dict[str, Any]:
    """List the webhook endpoints that the token may view."""
    rows = permitted_rows(request.user, "view", _rows())
    rows = filter_given(rows, scheme=filters.scheme, enabled=filters.enabled)
    found, following = read_page(rows, filters, order=filters.key)
    return {"items": [_summary(each) for each in found], "next": following}


@router.get("/webhooks/{slug}", response=Webhook)
def read_webhook(request: TokenRequest, slug: str) -> dict[str, Any]:
    """Read one webhook endpoint."""
    endpoint = get_webhook(request, slug)
    may_change = can(request.user, "change", endpoint)
    return _summary(endpoint) | {"config": endpoint.config if may_change else None}


@router.post("/webhooks", response={201: SavedWebhook})
@unrepeatable
def create_webhook(request: TokenRequest, response: HttpResponse, body: NewWebhook) -> Status[dict[str, Any]]:
    """Create a webhook endpoint. It accepts deliveries at once; published workflows decide what they start."""
    check_may_view(request.user, WebhookEndpoint)
    with _at_reference(body.secret_reference):
        saved = endpoint_edits.create_endpoint(
            body.slug,
            scheme=body.scheme,
            config=body.config,
            by=request.user,
            secret=body.secret or "",
            reference=body.secret_reference or "",
            reply_seconds=body.reply_seconds,
        )
    return Status(201, _saved(response, saved))


@router.patch("/webhooks/{slug}", response=SavedWebhook)
def change_webhook(request: TokenRequest, response: HttpResponse, slug: str, body: WebhookChange) -> dict[str, Any]:
    """Change a webhook endpoint, enable it or disable it."""
    with _at_reference(body.secret_reference):
        saved = endpoint_edits.change_endpoint(
            get_webhook(request, slug),
            by=request.user,
            scheme=body.scheme,
            config=body.config,
            secret=body.secret or "",
            reference=body.secret_reference or "",
            overlap=body.overlap_hours * _HOUR,
            enabled=body.enabled,
            reply_seconds=body.reply_seconds,
        )
    return _saved(response, saved)


@router.post("/webhooks/{slug}/rotate-secret", response=SavedWebhook)
@unrepeatable
def rotate_webhook_secret(
    request: TokenRequest, response: HttpResponse, slug: str, body: SecretRotation
) -> dict[str, Any]:
    """Give a webhook endpoint a new secret. The previous one is accepted for a while."""
    saved = endpoint_edits.renew_secret(
        get_webhook(request, slug),
        by=request.user,
        secret=body.secret or "",
        overlap=body.overlap_hours * _HOUR,
    )
    return _saved(response, saved)


@router.post("/webhooks/{slug}/end-overlap", response=Webhook)
def end_webhook_overlap(request: TokenRequest, slug: str) -> dict[str, Any]:
    """Reject the previous secret of a webhook endpoint from now on."""
    endpoints.end_overlap(get_webhook(request, slug), actor=request.user)
    endpoint = get_webhook(request, slug)
    return _summary(endpoint) | {"config": endpoint.config}


@router.delete("/webhooks/{slug}", response={204: None})
def delete_webhook(request: TokenRequest, slug: str) -> Status[None]:
    """Delete a webhook endpoint that starts no published workflow. Its events stay until retention deletes them."""
    delete_unused(get_webhook(request, slug), by=request.user)
    return Status(204, None)


@contextlib.contextmanager
def _at_reference(reference: str | None) -> Iterator[None]:
    """Name the field of the request at fault: to the core, a secret and a reference to one are the same field."""
    try:
        yield
    except SchemeError as error:
        if reference and error.field == "secret":
            error.field = "secret_reference"
        raise


def _rows() -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.select_related("owner")


def get_webhook(request: TokenRequest, slug: str) -> WebhookEndpoint:
    """The endpoint, when the token may view it. Raises NotFoundError."""
    return find_object(permitted(request.user, "view", _rows()), slug=slug)


def _saved(response: HttpResponse, saved: SavedEndpoint) -> dict[str, Any]:
    endpoint = saved.endpoint
    if saved.generated:
        show_once(response, saved.generated)
    return _summary(endpoint) | {"config": endpoint.config, "secret": saved.generated or None}


def _summary(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "slug": endpoint.slug,
        "url": endpoints.endpoint_url(endpoint),
        "scheme": endpoint.scheme,
        "owner": sign_in_name(endpoint.owner) if endpoint.owner else None,
        "enabled": endpoint.enabled,
        "reply_seconds": endpoint.reply_seconds,
        "secret_reference": endpoint.secret,
        "secret_used_at": endpoint.secret_used_at,
        "old_secret_until": endpoint.old_secret_until if endpoint.has_old_secret else None,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }
