"""The server: its version, and its health for those who operate the site."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from ninja import Field, Router, Schema

from automate_api.v1.front_door import TokenRequest
from automate_api.v1.pages import closed
from automate_core.worker import health
from automate_governance.permissions import SITE, NotPermittedError, can
from automate_plugins import text

router = Router()


class ServerVersion(Schema):
    version: str = Field(description="Installed version of django-automate.")
    api: str = Field(description="Version of this API.")


class ServerHealth(Schema):
    """As `/healthz/` answers it."""

    status: str = Field(
        description="ok, or failing while no worker is alive.", json_schema_extra=closed(["ok", "failing"])
    )
    worker: str = Field(json_schema_extra=closed(["ok", "missing"]))
    worker_seen_seconds_ago: float | None
    backlog: int = Field(description="Jobs that are ready.")
    backlog_oldest_seconds: float
    dead_jobs: int
    pools_without_consumers: list[str]


@router.get("/server", response=ServerVersion)
def read_server(request: TokenRequest) -> dict[str, Any]:
    """Read the version of the server. Any token may."""
    return {"version": version("django-automate"), "api": "1"}


@router.get("/server/health", response=ServerHealth)
def read_server_health(request: TokenRequest) -> dict[str, Any]:
    """Read whether workers are alive, and the backlog of jobs."""
    if not can(request.user, "operate", SITE):
        raise NotPermittedError(text("You are not permitted to view this list."))
    return health.read_health()
