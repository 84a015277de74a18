"""Connections: list, read, create, change, test and delete them. Configuration and secrets are not shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.idempotency import outside_effect
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import OrderedQuery, Page, check_may_view, filter_given, permitted_rows, read_page
from automate_api.v1.problems import ProblemError
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.connection_test import ConnectionTestResult, run_connection_test
from automate_connectors.connections import edits
from automate_connectors.connections.edits import create_connection as store_connection
from automate_connectors.models import Connection
from automate_core.engine.effects.executor_pools import declared_pool_names
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import permitted
from automate_governance.reference_registry import delete_unused
from automate_governance.texts import translated

router = Router()

_MOST_SECRET = 20_000


class ConnectionSummary(Schema):
    """A connection, without its configuration."""

    slug: str
    name: str
    connector: str
    owner: str | None = Field(description="User name.")
    health: Connection.Health
    health_message: str = Field(description="What the last failed test or step said.")
    tested_at: dt.datetime | None
    last_used_at: dt.datetime | None

    @staticmethod
    def resolve_owner(connection: Connection) -> str | None:
        return sign_in_name(connection.owner) if connection.owner else None

    @staticmethod
    def resolve_health_message(connection: Connection) -> str:
        return translated(connection.health_message)


class ConnectionFilters(OrderedQuery):
    connector: str | None = Field(None, max_length=100)
    health: Connection.Health | None = None


class ConnectionTest(Schema):
    """The result of a test."""

    works: bool
    code: str = Field(description="Code of the error; empty when it works.")
    message: str
    seconds: float


class _ConnectionFields(RequestSchema):
    config: dict[str, Any] | None = Field(
        None, description="Settings of its connector, with secrets as references, such as database:github."
    )
    oauth: dict[str, Any] | None = Field(
        None,
        description="Its sign-in with OAuth 2: provider, grant, client_id, client_secret (a reference) and more.",
    )
    secrets: dict[str, Annotated[str, Field(max_length=_MOST_SECRET)]] = Field(
        default_factory=dict,
        description="New secrets to store, by the name of the setting, or oauth_client_secret. No answer shows them.",
    )
    allowed_hosts: list[Annotated[str, Field(max_length=255)]] | None = Field(
        None, max_length=100, description="Hosts that may receive its secrets; by default those of its URLs."
    )
    limit_requests: int | None = Field(None, ge=1, le=100_000, description="Calls in limit_seconds.")
    limit_seconds: int | None = Field(None, ge=1, le=86_400)
    limit_concurrent: int | None = Field(None, ge=1, le=1_000, description="Calls at once.")
    runs_on: str | None = Field(None, max_length=64, description="Executor pool; empty for that of the workflow.")

    def fields(self) -> dict[str, Any]:
        """The fields of the model that were sent. Raises ProblemError."""
        if self.runs_on and self.runs_on not in (pools := declared_pool_names()):
            message = _("Unknown pool. Available: %(names)s.") % {"names": ", ".join(pools)}
            raise ProblemError(422, message, [("runs_on", message, "not_a_choice")])
        given = self.model_dump(include=self.model_fields_set - {"secrets"})
        return {name: value for name, value in given.items() if value is not None or name.startswith("limit_")}


class NewConnection(_ConnectionFields):
    slug: str = Field(max_length=100, description="Steps name the connection by it. It cannot be changed later.")
    name: str = Field(max_length=100)
    connector: str = Field(max_length=100, description="Such as github or http.")


class ConnectionChange(_ConnectionFields):
    """Fields that are left out stay as they are, and so do the members of config and oauth. null removes a member."""

    name: str | None = Field(None, max_length=100)


@router.get("/connections", response=Page[ConnectionSummary])
def list_connections(request: TokenRequest, filters: Query[ConnectionFilters]) -> dict[str, Any]:
    """List the connections that the token may view."""
    rows = permitted_rows(request.user, "view", _rows())
    rows = filter_given(rows, connector=filters.connector, health=filters.health)
    found, following = read_page(rows, filters, order=filters.key)
    return {"items": found, "next": following}


@router.get("/connections/{slug}", response=ConnectionSummary)
def read_connection(request: TokenRequest, slug: str) -> Connection:
    """Read one connection."""
    return get_connection(request, slug)


@router.post("/connections", response={201: ConnectionSummary})
def create_connection(request: TokenRequest, body: NewConnection) -> Status[Connection]:
    """Create a connection. A sign-in that a person has to grant is granted on its page."""
    check_may_view(request.user, Connection)
    made = Connection(**body.fields())
    with _named_errors(body.slug):
        store_connection(made, body.secrets, by=request.user)
    return Status(201, get_connection(request, made.slug))


@router.patch("/connections/{slug}", response=ConnectionSummary)
def change_connection(request: TokenRequest, slug: str, body: ConnectionChange) -> Connection:
    """Change a connection. After a change of where or as whom it works, its health is unknown again."""
    with _named_errors(slug):
        edits.change_connection(get_connection(request, slug), body.fields(), body.secrets, by=request.user)
    return get_connection(request, slug)


@router.delete("/connections/{slug}", response={204: None})
def delete_connection(request: TokenRequest, slug: str) -> Status[None]:
    """Delete a connection that no workflow uses, with the tokens of its sign-in. Its stored secrets stay."""
    delete_unused(get_connection(request, slug), by=request.user)
    return Status(204, None)


@router.post("/connections/{slug}/test", response=ConnectionTest)
@outside_effect
def test_connection(request: TokenRequest, slug: str) -> dict[str, Any]:
    """Test a connection by a real call that changes nothing."""
    return _described(run_connection_test(get_connection(request, slug), request.user))


@contextmanager
def _named_errors(slug: str) -> Iterator[None]:
    """Errors of the core as the API has them: a taken slug is a conflict, and so is a renewal of the sign-in."""
    try:
        yield
    except ValidationError as error:
        if any(each.code == "unique" for each in getattr(error, "error_dict", {}).get("slug", ())):
            message = _("The slug %(slug)s is in use. Choose another one.") % {"slug": slug}
            raise ProblemError(409, message, [("slug", message, "taken")], code="taken") from error
        raise
    except ConnectorError as error:
        raise ProblemError(409, translated(str(error))) from error


def _described(result: ConnectionTestResult) -> dict[str, Any]:
    return {
        "works": result.works,
        "code": result.code,
        "message": translated(result.message),
        "seconds": round(result.seconds, 3),
    }


def _rows() -> QuerySet[Connection]:
    return Connection.objects.select_related("owner")


def get_connection(request: TokenRequest, slug: str) -> Connection:
    """The connection, when the token may view it. Raises NotFoundError."""
    return find_object(permitted(request.user, "view", _rows()), slug=slug)
