"""Values of a run: inputs, outputs, error details and foreseen effects of steps, and the event."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_POST, require_safe

from automate_core import artifacts
from automate_core.definition.step_paths import START
from automate_core.models import Event, ExecutionRun, ForeseenEffect, StepRun
from automate_governance import audit
from automate_governance.audit import payload_views
from automate_governance.permissions import can
from automate_governance.texts import translated
from automate_ui.json.responses import json_file_response, json_rows_response
from automate_ui.navigation.http import parse_number
from automate_ui.request_params import get_run_or_404

OF_STEPS = {"input", "output", "details"}
OF_EVENTS = {"payload", "headers"}


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
    return HttpResponse(
        translated(error.message), status=503 if error.retryable else 410, content_type="text/plain; charset=utf-8"
    )


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
    elif path == START and part == "details":
        found = [run.error["details"]] if run.error and run.error.get("details") else []
    elif part.startswith("effect-"):
        effects = ForeseenEffect.objects.filter(run=run, path=path, attempt=attempt).values_list("effects", flat=True)
        index = parse_number(part.removeprefix("effect-"))
        found = [each[index].get("details") for each in effects if index is not None and index < len(each)]
    elif part in OF_STEPS:
        steps = StepRun.objects.filter(run=run, path=path, attempt=attempt)
        if part != "details":
            for stored, file in steps.values_list(part, f"{part}_file"):
                return _RunValue(run, stored, file)
        found = steps.values_list("error__details", flat=True)
    for stored in found:
        return _RunValue(run, stored, None)
    raise Http404
