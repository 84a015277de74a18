"""The API: one `NinjaAPI` with the routers of all resources. Import it from `automate_api.urls` alone."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from ninja import NinjaAPI
from ninja import errors as ninja_errors
from ninja.operation import Operation

from automate_api.v1 import openapi
from automate_api.v1.bodies import StrictParser, checked
from automate_api.v1.front_door import BearerToken
from automate_api.v1.idempotency import idempotent
from automate_api.v1.locations import located
from automate_api.v1.problems import problem_of
from automate_api.v1.rendering import Renderer
from automate_api.v1.resources import (
    approvals,
    audit,
    bulk,
    connections,
    draft_tests,
    drafts,
    erasures,
    event_replays,
    events,
    failures,
    secrets,
    server,
    sharing,
    templates,
    tokens,
    triggers,
    usage,
    versions,
    webhooks,
    workflows,
)
from automate_api.v1.resources.runs import actions as run_actions
from automate_api.v1.resources.runs import files as run_files
from automate_api.v1.resources.runs import runs
from automate_api.v1.resources.runs import steps as run_steps
from automate_api.v1.resources.runs import stream as run_stream


class AutomateAPI(NinjaAPI):
    """Operations are called by their functions: `start_run`."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def get_openapi_schema(self, **options: Any) -> Any:
        return openapi.complete(super().get_openapi_schema(**options))


def build_api() -> AutomateAPI:
    """The API with all its resources."""
    api = AutomateAPI(
        title="Django Automate",
        version="1",
        urls_namespace="automate_api",
        docs_url=None,
        openapi_url="/openapi.json",
        auth=BearerToken(),
        parser=StrictParser(),
        renderer=Renderer(),
    )
    handle: Any = problem_of
    kinds: tuple[Any, ...] = (Exception, Http404, ninja_errors.ValidationError, ninja_errors.HttpError)
    for kind in kinds:
        api.add_exception_handler(kind, handle)
    for decorator in (located, idempotent, checked):  # the last one is the outermost
        api.add_decorator(decorator, mode="view")
    api.add_router("", workflows.router, tags=["Workflows"])
    api.add_router("", drafts.router, tags=["Workflows"])
    api.add_router("", draft_tests.router, tags=["Workflows"])
    api.add_router("", versions.router, tags=["Workflows"])
    api.add_router("", templates.router, tags=["Templates"])
    api.add_router("", triggers.router, tags=["Workflows"])
    api.add_router("", connections.router, tags=["Connections"])
    api.add_router("", webhooks.router, tags=["Webhooks"])
    api.add_router("", sharing.router, tags=["Sharing"])
    api.add_router("", secrets.router, tags=["Secrets"])
    for router in (runs.router, run_steps.router, run_files.router, run_actions.router, run_stream.router, bulk.router):
        api.add_router("", router, tags=["Runs"])
    api.add_router("", failures.router, tags=["Failures"])
    api.add_router("", events.router, tags=["Events"])
    api.add_router("", event_replays.router, tags=["Events"])
    api.add_router("", approvals.router, tags=["Approvals"])
    api.add_router("", usage.router, tags=["Figures"])
    api.add_router("", audit.router, tags=["Audit"])
    api.add_router("", erasures.router, tags=["Erasures"])
    api.add_router("", tokens.router, tags=["Tokens"])
    api.add_router("", server.router, tags=["Server"])
    return api


api = build_api()
