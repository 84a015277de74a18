"""The official SDK's client against the site's ASGI application, in one process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Literal

import httpx2
import mcp_types as types
from django.core.asgi import get_asgi_application
from mcp import Client
from mcp.client.extension import ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client

from automate_api.mcp.application import McpApplication
from automate_core.asgi import automate

LEGACY, MODERN = "legacy", "2026-07-28"
TASKS = "io.modelcontextprotocol/tasks"


class Task(types.Result):
    """A task of the extension, as `tools/call` and `tasks/get` give it."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    status_message: str | None = None


class TaskState(types.Result):
    """The answer to `tasks/get`."""

    task_id: str
    status: str
    status_message: str | None = None
    input_requests: dict[str, Any] | None = None
    result: dict[str, Any] | None = None


class TaskRequestParams(types.RequestParams):
    task_id: str


class UpdateParams(TaskRequestParams):
    input_responses: dict[str, Any]


class GetTask(types.Request[TaskRequestParams, Literal["tasks/get"]]):
    name_param = "taskId"
    method: Literal["tasks/get"] = "tasks/get"
    params: TaskRequestParams


class CancelTask(types.Request[TaskRequestParams, Literal["tasks/cancel"]]):
    name_param = "taskId"
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: TaskRequestParams


class UpdateTask(types.Request[UpdateParams, Literal["tasks/update"]]):
    name_param = "taskId"
    method: Literal["tasks/update"] = "tasks/update"
    params: UpdateParams


async def _never(task: Task, context: Any) -> types.CallToolResult:
    raise AssertionError("tests follow their tasks themselves")


class Tasks(ClientExtension):
    """The client's side of the extension."""

    identifier = TASKS

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Task, resolve=_never)]


class Site:
    """The site's application while it is live."""

    def __init__(self, application: Any) -> None:
        self.application = application

    @contextlib.asynccontextmanager
    async def client(self, plain: str, *, mode: str = MODERN, host: str = "testserver", **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {plain}"} if plain else {}
        transport = httpx2.ASGITransport(self.application)
        async with (
            httpx2.AsyncClient(transport=transport, headers=headers, timeout=300) as http,
            Client(streamable_http_client(f"http://{host}/mcp/", http_client=http), mode=mode, **options) as client,
        ):
            yield client

    def http(self, plain: str = "", **headers: str) -> httpx2.AsyncClient:
        headers |= {"Authorization": f"Bearer {plain}"} if plain else {}
        transport = httpx2.ASGITransport(self.application)
        return httpx2.AsyncClient(transport=transport, base_url="http://testserver", headers=headers, timeout=300)


@contextlib.asynccontextmanager
async def live_site() -> AsyncIterator[Site]:
    """The application between startup and shutdown of its lifespan."""
    application = automate(get_asgi_application(), mounts={"/mcp/": McpApplication()})
    told: asyncio.Queue[Any] = asyncio.Queue()
    said: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(application({"type": "lifespan"}, told.get, said.put))
    told.put_nowait({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    try:
        yield Site(application)
    finally:
        told.put_nowait({"type": "lifespan.shutdown"})
        assert (await said.get())["type"] == "lifespan.shutdown.complete"
        await life
