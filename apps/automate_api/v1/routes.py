"""The paths below /api/v1/. `automate_api.urls` has them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path

from automate_api.v1 import problems, request_ids
from automate_api.v1.api import api
from automate_api.v1.document import serve_document, serve_file_schema
from automate_api.v1.front_door import front_door
from automate_api.v1.replies import with_reply
from automate_api.v1.resources.runs.runs import start_run
from automate_core.refusals import REQUEST_ID

_DOCUMENT = "openapi-json"


def _operations() -> list[URLPattern]:
    found = [pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern) and pattern.name != "api-root"]
    for pattern in found:
        pattern.callback = serve_document if pattern.name == _DOCUMENT else front_door(pattern.callback)
        if pattern.name == start_run.__name__:
            pattern.callback = with_reply(pattern.callback)
    return found


def no_such_path(request: HttpRequest) -> HttpResponse:
    """A problem document, not the site's page."""
    with request_ids.request_id(request) as request_id:
        response = problems.no_such_path(request)
    response.headers[REQUEST_ID] = request_id
    return response


no_such_path.csrf_exempt = True  # type: ignore[attr-defined]

urlpatterns = [
    *_operations(),
    path("workflow-file.schema.json", serve_file_schema, name="workflow-file-schema"),
    path("", no_such_path, name="api-root"),
    re_path("", no_such_path),  # also for line breaks
]
