"""The OpenAPI document and the schema of workflow files: served to everybody, so they are made once in a process."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from automate_governance.admin_site import reverse


@require_safe
def serve_document(request: HttpRequest) -> HttpResponseBase:
    """The document, or 304 for who has it already."""
    return _respond(request, "application/json", *_made(reverse("automate_api:api-root")))


@require_safe
def serve_file_schema(request: HttpRequest) -> HttpResponseBase:
    """The JSON Schema of a workflow file, or 304 for who has it already. Editors of other sites may read it."""
    response = _respond(request, "application/schema+json", *_made_file_schema())
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _respond(request: HttpRequest, content_type: str, content: bytes, etag: str) -> HttpResponseBase:
    headers = {"Cache-Control": "public, max-age=300", "ETag": etag}
    response = HttpResponse(content, content_type=content_type, headers=headers)
    return get_conditional_response(request, etag=etag, response=response) or response


@cache
def _made(prefix: str) -> tuple[bytes, str]:
    """(the document for this prefix, its ETag)."""
    from automate_api.v1.api import api

    return _encoded(api.get_openapi_schema(path_prefix=prefix))


@cache
def _made_file_schema() -> tuple[bytes, str]:
    from automate_authoring.file_schema import file_schema

    return _encoded(file_schema())


def _encoded(document: Any) -> tuple[bytes, str]:
    content = json.dumps(document, ensure_ascii=False).encode()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
