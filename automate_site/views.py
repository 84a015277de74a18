"""Two small pages of the site itself: is it well, and the demo's echo service."""

from __future__ import annotations

import json

from django.db import connection
from django.db.utils import Error
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

PRODUCT = "django-automate"


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 while the site can reach its database, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return JsonResponse({"product": PRODUCT, "database": "away"}, status=503)
    return JsonResponse({"product": PRODUCT, "database": "ok"})


@csrf_exempt
@require_POST
def echo(request: HttpRequest, path: str = "") -> JsonResponse:
    """What was sent, sent back: the demo's stand-in for somebody's API."""
    try:
        body = json.loads(request.body or b"null")
    except ValueError:
        return JsonResponse({"error": "The body is not JSON."}, status=400)
    return JsonResponse({"path": path, "received": body, "key": request.headers.get("Idempotency-Key", "")})
