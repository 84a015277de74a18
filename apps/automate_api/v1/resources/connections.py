"""Connections: list, read and test them. Their configuration and their secrets are not shown."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import QuerySet
from ninja import Field, Query, Router, Schema

from automate_api.v1.front_door import TokenRequest
from automate_api.v1.idempotency import outside_effect
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import Page, PageQuery, filter_given, permitted_rows, read_page
from automate_connectors.connection_test import ConnectionTestResult, run_connection_test
from automate_connectors.models import Connection
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import permitted
from automate_governance.texts import translated

router = Router()


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


class ConnectionFilters(PageQuery):
    connector: str | None = Field(None, max_length=100)
    health: Connection.Health | None = None


class ConnectionTest(Schema):
    """The result of a test."""

    works: bool
    code: str = Field(description="Code of the error; empty when it works.")
    message: str
    seconds: float


@router.get("/connections", response=Page[ConnectionSummary])
def list_connections(request: TokenRequest, filters: Query[ConnectionFilters]) -> dict[str, Any]:
    """List the connections that the token may view, in the order of their creation."""
    rows = permitted_rows(request.user, "view", _rows())
    rows = filter_given(rows, connector=filters.connector, health=filters.health)
    found, following = read_page(rows, filters, order="pk")
    return {"items": found, "next": following}


@router.get("/connections/{slug}", response=ConnectionSummary)
def read_connection(request: TokenRequest, slug: str) -> Connection:
    """Read one connection."""
    return _get_connection(request, slug)


@router.post("/connections/{slug}/test", response=ConnectionTest)
@outside_effect
def test_connection(request: TokenRequest, slug: str) -> dict[str, Any]:
    """Test a connection by a real call that changes nothing."""
    return _described(run_connection_test(_get_connection(request, slug), request.user))


def _described(result: ConnectionTestResult) -> dict[str, Any]:
    return {
        "works": result.works,
        "code": result.code,
        "message": translated(result.message),
        "seconds": round(result.seconds, 3),
    }


def _rows() -> QuerySet[Connection]:
    return Connection.objects.select_related("owner")


def _get_connection(request: TokenRequest, slug: str) -> Connection:
    return find_object(permitted(request.user, "view", _rows()), slug=slug)
