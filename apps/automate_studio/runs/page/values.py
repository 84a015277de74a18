"""Values of a run as trees: inputs, outputs and error details of steps, and the event."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_POST, require_safe

from automate_core import artifacts
from automate_core.definition.step_paths import key_of
from automate_core.models import Event, ExecutionRun, StepRun
from automate_governance import audit, payload_views
from automate_governance.admin_site import reverse
from automate_governance.permissions import can
from automate_studio.ui.json.responses import json_file_response, json_rows_response
from automate_studio.ui.json.tree import JsonTree
from automate_studio.ui.request_params import get_run_or_404, parse_number
from automate_studio.view_models.step_tree import START

OF_STEPS = {"input", "output", "details"}
OF_EVENTS = {"payload", "headers"}


def run_value_tree(run: ExecutionRun, path: str, attempt: int, part: str, value: Any) -> JsonTree:
    """A part of a step, or of the event at the trigger's path, as a tree."""
    query = urlencode({"part": part, **({"attempt": attempt} if part in OF_STEPS else {})})
    return JsonTree(
        part=part,
        root=_expression_root(path, part),
        url=f"{reverse('studio:run_value', args=[run.pk, path])}?{query}",
        value=value,
    )


def whole_value(attempt: StepRun, part: str) -> Any:
    """Input or output of an attempt; the preview when its file cannot be read."""
    file = getattr(attempt, f"{part}_file")
    try:
        return artifacts.read_value(file) if file else getattr(attempt, part)
    except artifacts.ArtifactError:
        return getattr(attempt, part)


def _expression_root(path: str, part: str) -> str:
    """Name in expressions; empty for inputs, which are not in scope."""
    names = {"output": f"steps.{key_of(path)}.output", "details": "error.details", "payload": "event.payload"}
    return names.get(part, "")


@require_safe
def run_value(request: HttpRequest, run_id: uuid.UUID, path: str) -> HttpResponse:
    """Rows of a value, as `json_rows_response` returns them."""
    try:
        found = _find_value(request, run_id, path, request.GET)
        value = found.value
    except artifacts.ArtifactError as error:
        return _missing_file_response(error)
    payload_views.record_view(request.user, "run.payload_viewed", found.run, trace_id=found.run.trace_id, step=path)
    return json_rows_response(request, value)


@require_POST
def run_download(request: HttpRequest, run_id: uuid.UUID, path: str) -> HttpResponseBase:
    """A whole value as a file, audited."""
    found = _find_value(request, run_id, path, request.POST)
    run, part = found.run, request.POST["part"]
    try:
        file = artifacts.open_file(found.file) if found.file else None
    except artifacts.ArtifactError as error:
        return _missing_file_response(error)
    with transaction.atomic():
        audit.record(
            request.user, "run.payload_downloaded", run, changes={"step": path, "part": part}, trace_id=run.trace_id
        )
    name = f"{run}-{'event' if path == START else path.replace('/', '-')}-{part}.json"
    if file is not None:
        return FileResponse(file, as_attachment=True, filename=name, content_type="application/json")
    return json_file_response(found.value, name)


def _missing_file_response(error: artifacts.ArtifactError) -> HttpResponse:
    """The artifact cannot be read: not now, or not any more."""
    return HttpResponse(error.message, status=503 if error.retryable else 410, content_type="text/plain; charset=utf-8")


@dataclass(frozen=True)
class _RunValue:
    """A part of a run as stored, and the name of its file when that has the whole of it."""

    run: ExecutionRun
    stored: Any
    file: str | None

    @property
    def value(self) -> Any:
        """The whole value. Raises DocumentError."""
        return artifacts.read_value(self.file) if self.file else self.stored


def _find_value(request: HttpRequest, run_id: uuid.UUID, path: str, asks: Any) -> _RunValue:
    """The requested part of a run, for people who may view payloads; 404 otherwise."""
    run = get_run_or_404(request, run_id)
    part, attempt = asks.get("part", ""), parse_number(asks.get("attempt")) or 0
    if not can(request.user, "view_payload", run) or "\0" in path:
        raise Http404
    found: Any = []
    if path == START and part in OF_EVENTS and run.event_id:
        found = Event.objects.filter(pk=run.event_id).values_list(part, flat=True)
    elif part in OF_STEPS:
        steps = StepRun.objects.filter(run=run, path=path, attempt=attempt)
        if part != "details":
            for stored, file in steps.values_list(part, f"{part}_file"):
                return _RunValue(run, stored, file)
        found = steps.values_list("error__details", flat=True)
    for stored in found:
        return _RunValue(run, stored, None)
    raise Http404
