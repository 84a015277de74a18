"""Stored secrets: names and dates. A value is written and never read."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import Page, PageQuery, permitted_rows, read_page
from automate_api.v1.problems import ProblemError
from automate_governance.models import NAME_PATTERN, StoredSecret
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import SITE, can
from automate_governance.reference_registry import delete_unused
from automate_governance.secrets import storing

router = Router()

_MOST_LENGTH = 65_536
_KEPT_BACK = ("wrapped_key", "box")


class Secret(Schema):
    """A stored secret, without its value."""

    name: str
    reference: str = Field(description="How connections and webhooks refer to it, such as database:github.")
    owner: str | None = Field(description="User name.")
    version: int = Field(description="How many values it has had.")
    created_at: dt.datetime
    replaced_at: dt.datetime = Field(description="When its present value was stored.")
    last_used_at: dt.datetime | None = Field(description="Accurate to five minutes.")

    @staticmethod
    def resolve_owner(secret: StoredSecret) -> str | None:
        return sign_in_name(secret.owner) if secret.owner else None


class SecretText(RequestSchema):
    value: str = Field(max_length=_MOST_LENGTH, description="White space around it is left out. No answer shows it.")


class NewSecret(SecretText):
    name: str = Field(
        max_length=100,
        description="Letters, digits, dots, hyphens and underscores.",
        json_schema_extra={"pattern": NAME_PATTERN},
    )


@router.get("/secrets", response=Page[Secret])
def list_secrets(request: TokenRequest, page: Query[PageQuery]) -> dict[str, Any]:
    """List the secrets that the token may use, in the order of their creation; for auditors, all of them."""
    known = storing.visible_secrets(request.user)
    rows = known if can(request.user, "audit", SITE) else permitted_rows(request.user, "use", known)
    found, following = read_page(rows.select_related("owner").defer(*_KEPT_BACK), page, order="pk")
    return {"items": found, "next": following}


@router.get("/secrets/{name}", response=Secret)
def read_secret(request: TokenRequest, name: str) -> StoredSecret:
    """Read what is known of one secret. Its value is not shown."""
    return _get_secret(request, name)


@router.post("/secrets", response={201: Secret})
def create_secret(request: TokenRequest, body: NewSecret) -> Status[StoredSecret]:
    """Store a secret, encrypted."""
    try:
        return Status(201, storing.create_secret(body.name, body.value, by=request.user))
    except IntegrityError as error:
        raise _taken(body.name) from error
    except ValidationError as error:
        if any(each.code == "unique" for each in getattr(error, "error_dict", {}).get("name", ())):
            raise _taken(body.name) from error
        raise


@router.put("/secrets/{name}", response=Secret)
def replace_secret(request: TokenRequest, name: str, body: SecretText) -> StoredSecret:
    """Replace the value of a secret. Whatever refers to it uses the new one from now on."""
    return storing.replace_secret(_get_secret(request, name), body.value, by=request.user)


@router.delete("/secrets/{name}", response={204: None})
def delete_secret(request: TokenRequest, name: str) -> Status[None]:
    """Delete a secret that nothing refers to."""
    delete_unused(_get_secret(request, name), by=request.user)
    return Status(204, None)


def _get_secret(request: TokenRequest, name: str) -> StoredSecret:
    known = storing.visible_secrets(request.user).select_related("owner").defer(*_KEPT_BACK)
    return find_object(known, name=name)


def _taken(name: str) -> ProblemError:
    message = _("The name %(name)s is already in use. Choose another one.") % {"name": name}
    return ProblemError(409, message, [("name", message, "taken")], code="taken")
