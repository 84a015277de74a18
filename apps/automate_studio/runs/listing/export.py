"""Export of the run list as CSV or JSON lines, streamed page by page."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models.fields.json import KT
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_core.models import Event, ExecutionRun, SearchTerm
from automate_governance import audit
from automate_governance.permissions import SITE, User, holds_anywhere, permitted
from automate_governance.redaction.spreadsheets import inert
from automate_operations.queries.run_search import RunSearch
from automate_plugins.typed_values import write_moment
from automate_ui.runs.run_filters import parse_filters

BATCH = 500  #: runs that are read at once
HEAVY_BATCH = 20  #: of those with their payloads, which may be large
COLUMNS = (
    "run", "workflow", "version", "status", "origin", "cause", "created_at", "started_at", "finished_at", "seconds",
    "step", "error", "search_terms", "trace_id", "retried_from",
)  # fmt: skip


@require_POST
def runs_export(request: HttpRequest) -> HttpResponseBase:
    """Filtered runs, audited; with `payload`, the payloads that this person may view."""
    if not holds_anywhere(request.user, "view", ExecutionRun):
        raise Http404
    filters, kind = parse_filters(request.GET), request.POST.get("format", "csv")
    if filters.problems or kind not in _KINDS:
        said = " ".join(filters.problems.values()) or _("The format must be csv or jsonl.")
        return HttpResponse(said, status=422, content_type="text/plain; charset=utf-8")
    with_payload = "payload" in request.POST
    changes = {"format": kind, "payload": with_payload, "search_terms": True, "filters": dict(filters.params)}
    with transaction.atomic():
        audit.record(request.user, "runs.exported", SITE(pk=0), changes=changes)
    content_type, write = _KINDS[kind]
    columns = (*COLUMNS, "payload") if with_payload else COLUMNS
    pieces = write(_run_pages(request.user, RunSearch(request.user, filters, timezone.now()), with_payload), columns)
    name = f"runs-{timezone.localtime():%Y-%m-%d-%H%M}.{kind}"
    return StreamingHttpResponse(
        pieces,
        content_type=f"{content_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _run_pages(user: User, search: RunSearch, with_payload: bool) -> Iterator[list[dict[str, Any]]]:
    """The runs as documents, newest first, a page at a time."""
    for ids in search.walk(HEAVY_BATCH if with_payload else BATCH):
        runs = ExecutionRun.objects.filter(pk__in=ids)
        found = runs.annotate(failed_step=KT("error__step"), message=KT("error__message"))
        found = found.select_related("workflow", "version").defer("version__definition", "vars", "output", "error")
        rows = found.in_bulk()
        readable = set(permitted(user, "view_payload", runs).values_list("pk", flat=True))
        terms: dict[uuid.UUID, dict[str, str]] = {}
        for run_id, name, value in SearchTerm.objects.filter(run__in=readable).values_list("run", "name", "value"):
            terms.setdefault(run_id, {})[name] = value
        events = [event for key in readable if key in rows and (event := rows[key].event_id)] if with_payload else []
        payloads = dict(Event.objects.filter(pk__in=events).values_list("pk", "payload"))
        yield [
            _run_document(rows[key], terms.get(key, {}), payloads, may_see=key in readable)
            for key in ids
            if key in rows
        ]


def _run_document(run: Any, terms: dict[str, str], payloads: dict[Any, Any], *, may_see: bool) -> dict[str, Any]:
    took = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else None
    return {
        "run": str(run.pk),
        "workflow": run.workflow.slug,
        "version": str(run.version),
        "status": run.status,
        "origin": run.origin,
        "cause": run.cause,
        "created_at": write_moment(run.created_at),
        "started_at": write_moment(run.started_at) if run.started_at else None,
        "finished_at": write_moment(run.finished_at) if run.finished_at else None,
        "seconds": took,
        "step": run.failed_step,
        "error": run.message if may_see else None,
        "search_terms": terms or None,
        "trace_id": run.trace_id,
        "retried_from": str(run.retried_from_id) if run.retried_from_id else None,
        "payload": payloads.get(run.event_id) if may_see else None,
    }


def _csv_lines(pages: Iterator[list[dict[str, Any]]], columns: tuple[str, ...]) -> Iterator[str]:
    yield _csv_text([columns])
    for page in pages:
        yield _csv_text([_csv_cell(row[name]) for name in columns] for row in page)


def _csv_text(rows: Any) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _csv_cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    return inert(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _json_lines(pages: Iterator[list[dict[str, Any]]], columns: tuple[str, ...]) -> Iterator[str]:
    for page in pages:
        yield "".join(f"{json.dumps({name: row[name] for name in columns}, ensure_ascii=False)}\n" for row in page)


_KINDS = {"csv": ("text/csv", _csv_lines), "jsonl": ("application/x-ndjson", _json_lines)}
