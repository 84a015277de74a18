"""The OpenAPI document as it is served: to everybody, so it is made once in a process."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from automate_governance.admin_site import reverse


@require_safe
def serve_document(request: HttpRequest) -> HttpResponseBase:
    """The document, or 304 for who has it already."""
    content, etag = _made(reverse("automate_api:api-root"))
    headers = {"Cache-Control": "public, max-age=300", "ETag": etag}
    response = HttpResponse(content, content_type="application/json", headers=headers)
    return get_conditional_response(request, etag=etag, response=response) or response


@cache
def _made(prefix: str) -> tuple[bytes, str]:
    """(the document for this prefix, its ETag)."""
    from automate_api.v1.api import api

    content = json.dumps(api.get_openapi_schema(path_prefix=prefix), ensure_ascii=False).encode()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
