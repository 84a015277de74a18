"""Responses of the JSON viewer: search results, further rows, long texts, copies, files."""

from __future__ import annotations

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from automate_core.expressions.json_path import ABSENT
from automate_ui.formatting import format_count
from automate_ui.json import tree
from automate_ui.json.tree import json_rows, long_text_row, parse_path, search_json, value_at
from automate_ui.navigation.http import parse_number

MAX_COPIED = 1_000_000  #: characters that are copied; more is for a download


def json_rows_response(request: HttpRequest, value: Any) -> HttpResponse:
    """Rows of a value: search results of `?q=`, or the contents at `?at=`, from `?start=` on.

    `?whole=` returns a long text there, `?copy=` the whole value there as plain text.
    """
    query = request.GET.get("q", "").replace("\0", "")[: tree.MAX_QUERY].strip()
    if query:
        found = search_json(value, query)
        return TemplateResponse(request, "automate_studio/ui/json/search_result.html", {"found": found, "query": query})
    place = parse_path(request.GET.get("at"))
    inside = ABSENT if place is None else value_at(value, place)
    if inside is ABSENT:
        raise Http404
    if request.GET.get("copy"):
        return _copy_response(inside)
    if request.GET.get("whole"):
        row = long_text_row(inside) if isinstance(inside, str) else None
        return TemplateResponse(request, "automate_studio/ui/json/long_text.html", {"row": row})
    found_rows = json_rows(inside, place or (), parse_number(request.GET.get("start")) or 0)
    return TemplateResponse(request, "automate_studio/ui/json/rows.html", {"rows": found_rows})


def _copy_response(value: Any) -> HttpResponse:
    """A text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) > MAX_COPIED:
        reason = _("Too long to copy: more than %(count)s characters. Download it instead.") % {
            "count": format_count(MAX_COPIED)
        }
        return HttpResponse(reason, status=413, content_type="text/plain; charset=utf-8")
    return HttpResponse(text.encode("utf-8", "replace"), content_type="text/plain; charset=utf-8")


def json_file_response(value: Any, name: str) -> HttpResponse:
    """The whole value as a file. The caller has checked the permission and audited it."""
    return HttpResponse(
        json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "replace"),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )
