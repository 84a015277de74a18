"""`Location` of what a 201 or 202 answer created: its path in this API."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from automate_governance.admin_site import reverse

_RUN = ("read_run", "run_id", "id")
_WORKFLOW = ("read_workflow", "slug", "slug")
_EVENT = ("read_event", "event_id", "id")
_BULK = ("read_bulk_action", "action_id", "id")
_ERASURE = ("read_erasure", "erasure_id", "id")
#: By operation: the operation that reads what it created, its parameter, and the member of the answer with its value.
#: A new token can be read by no operation.
LOCATIONS: dict[str, tuple[str, str, str]] = {
    "copy_workflow": _WORKFLOW,
    "create_bulk_action": _BULK,
    "create_connection": ("read_connection", "slug", "slug"),
    "create_erasure": _ERASURE,
    "create_secret": ("read_secret", "name", "name"),
    "create_webhook": ("read_webhook", "slug", "slug"),
    "create_workflow": _WORKFLOW,
    "create_workflow_from_template": ("read_workflow", "slug", "workflow.slug"),
    "perform_erasure": _ERASURE,
    "replay_event": _EVENT,
    "replay_events": _BULK,
    "rerun_run": _RUN,
    "send_event": _EVENT,
    "start_run": _RUN,
    "test_draft": _RUN,
}


def located(run: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the `run` of an operation of Django Ninja, as its decorators of the mode "view" do."""
    operation: Any = inspect.unwrap(run).__self__
    found = LOCATIONS.get(operation.view_func.__name__)
    if found is None:
        return run

    @wraps(run)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        return _with_location(run(request, **kwargs), *found)

    @wraps(run)
    async def answer_async(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        return await sync_to_async(_with_location)(await run(request, **kwargs), *found)

    return answer_async if operation.is_async else answer


def _with_location(response: HttpResponseBase, operation: str, parameter: str, member: str) -> HttpResponseBase:
    if response.status_code in {201, 202} and isinstance(response, HttpResponse):
        value = json.loads(response.content)
        for name in member.split("."):
            value = value[name]
        response.headers["Location"] = reverse(f"automate_api:{operation}", kwargs={parameter: value})
    return response
