"""What a JSON tree asks for beside its preview: what a search finds, further rows, long texts, copies, files."""

from __future__ import annotations

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from automate_core.expressions.json_path import ABSENT
from automate_studio.ui import request_params
from automate_studio.ui.json import tree

MAX_COPIED = 1_000_000  #: characters that are copied; more is for a download


def rows(request: HttpRequest, value: Any) -> HttpResponse:
    """Rows of a value: what `?q=` finds, or what is inside the place `?at=`, from `?start=` on.

    `?whole=` gives a long text there, `?copy=` all that is there as plain text.
    """
    query = request.GET.get("q", "").replace("\0", "")[: tree.MAX_QUERY].strip()
    if query:
        found = tree.search(value, query)
        return TemplateResponse(request, "automate_studio/json/found.html", {"found": found, "query": query})
    place = tree.path_of(request.GET.get("at"))
    inside = ABSENT if place is None else tree.at(value, place)
    if inside is ABSENT:
        raise Http404
    if request.GET.get("copy"):
        return _copy(inside)
    if request.GET.get("whole"):
        row = tree.whole(inside) if isinstance(inside, str) else None
        return TemplateResponse(request, "automate_studio/json/whole.html", {"row": row})
    found_rows = tree.rows(inside, place or (), request_params.number(request.GET.get("start")) or 0)
    return TemplateResponse(request, "automate_studio/json/rows.html", {"rows": found_rows})


def _copy(value: Any) -> HttpResponse:
    """A text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) > MAX_COPIED:
        reason = f"This has more than {MAX_COPIED:,} characters: download it instead."
        return HttpResponse(reason, status=413, content_type="text/plain; charset=utf-8")
    return HttpResponse(text.encode("utf-8", "replace"), content_type="text/plain; charset=utf-8")


def file(value: Any, name: str) -> HttpResponse:
    """The whole value as a file. Whoever gives it has asked who may, and noted it."""
    return HttpResponse(
        json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "replace"),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )
