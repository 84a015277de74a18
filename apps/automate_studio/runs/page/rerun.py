"""Re-run dialog: start, version and input of the new run."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from automate_core.definition.step_paths import START
from automate_core.ids import uuid7
from automate_core.models import Event, ExecutionRun, WorkflowVersion
from automate_core.runs import control, reruns
from automate_core.runs.doubts import find_doubts
from automate_governance.audit import payload_views
from automate_governance.permissions import NotPermittedError, can
from automate_governance.texts import translated
from automate_operations.statistics import failures
from automate_studio.runs.page.page import RunPage, load_run
from automate_studio.view_models.rerun_preset import ReusedSteps, find_reused, preset_version
from automate_studio.view_models.run_data import RunView
from automate_studio.view_models.step_tree import StepCard
from automate_ui.admin_page import render_page
from automate_ui.formatting import as_sentence, format_count, short_id
from automate_ui.htmx import HtmxRequest
from automate_ui.json.editor import parse_storable
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, current_person

MAX_EDITED = 200_000  #: characters of an input that is edited here


@dataclass(frozen=True, kw_only=True)
class RerunForm:
    """Options, selections, and errors by field. `request` makes double clicks start one run.

    `advice` is the reason for what is preselected, `reused` says what the newest version changed of what ran,
    `in_doubt` names the steps that may have taken effect.
    """

    page: RunPage
    request: uuid.UUID
    steps: list[StepCard]
    newest: WorkflowVersion | None
    may_see: bool
    start: str
    step: str
    version: str
    advice: str
    reused: ReusedSteps
    is_edited: bool
    payload: str | None
    earlier: reruns.Rerun | None
    in_doubt: str
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> ExecutionRun:
        """The original run."""
        return self.page.run

    @property
    def failed(self) -> str:
        """Name of the failed step; empty when none failed."""
        return self.page.failed_step[1] if self.page.failed_step else ""

    @property
    def problem(self) -> str:
        """Why it cannot be re-run at all."""
        return self.errors.get("", "")

    @property
    def is_newest(self) -> bool:
        """Whether the run's version is the newest."""
        return self.newest is not None and self.newest.pk == self.run.version_id


@require_http_methods(["GET", "HEAD", "POST"])
def run_rerun(request: HtmxRequest, run_id: uuid.UUID) -> HttpResponse:
    """The dialog; a POST starts the re-run and redirects to it. htmx gets the dialog's content alone."""
    page = load_run(request.user, run_id, RunView.from_query(request.GET, request.POST.get("step", "")))
    if not can(request.user, "run", page.run.workflow):
        raise PermissionDenied
    if request.method != "POST":
        return _render_dialog(request, _rerun_form(request, page, request.GET, {}))
    try:
        again = _rerun(request, page.run)
    except NotPermittedError as error:
        raise PermissionDenied from error
    except control.NoSuchStepError as error:
        return _render_dialog(request, _rerun_form(request, page, request.POST, {"start": as_sentence(str(error))}))
    except control.ControlError as error:
        return _render_dialog(request, _rerun_form(request, page, request.POST, {"": as_sentence(str(error))}))
    except ValueError as error:
        return _render_dialog(request, _rerun_form(request, page, request.POST, {"payload": as_sentence(str(error))}))
    messages.success(request, _("Re-run of run %(id)s started.") % {"id": short_id(run_id)})
    there = change_url(again)
    if request.htmx:
        return HttpResponseClientRedirect(there, status=204)
    return HttpResponseSeeOther(there)


def _rerun(request: HttpRequest, run: ExecutionRun) -> ExecutionRun:
    """Start the re-run. Raises ValueError for invalid JSON, and as `control.retry` does."""
    post = request.POST
    start = post.get("start") or control.default_start(run)
    if start == "step":
        start = post.get("step") or "failed"
    return failures.rerun_and_resolve(
        run,
        by=current_person(request),
        start=start.replace("\0", ""),
        version="newest" if post.get("version") == "newest" else "original",
        payload=_parse_input(post.get("payload", "")) if post.get("input") == "edited" else msgspec.UNSET,
        request=_parse_uuid(post.get("request")),
        unknown=True,  # the dialog names the steps
    )


def _parse_input(text: str) -> Any:
    if len(text) > MAX_EDITED:
        raise ValueError(
            _("The payload has %(length)s characters. The limit is %(limit)s.")
            % {"length": format_count(len(text)), "limit": format_count(MAX_EDITED)}
        )
    try:
        return parse_storable(text)
    except ValueError as error:
        raise ValueError(_("The payload is not valid JSON: %(reason)s") % {"reason": translated(str(error))}) from error


def _parse_uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


def _rerun_form(request: HttpRequest, page: RunPage, chosen: Mapping[str, str], errors: Mapping[str, str]) -> RerunForm:
    run = page.run
    steps = [card for card in page.cards if card.path in page.recorded]
    reused = find_reused(run, page.failed_step[0] if page.failed_step else "")
    preset, by_default = preset_version([run.pk]), "failed" if page.failed_step else "start"
    version, advice, step = preset.version, preset.reason, chosen.get("step", "")
    if reused.start and "start" not in chosen:  # a step alone is the one that is looked at
        listed = any(card.path == reused.start.path for card in steps)
        version, advice = "newest", reused.start.reason
        by_default, step = ("step", reused.start.path) if listed else ("start", "")
    may_see = can(request.user, "view_payload", run)
    if may_see:
        payload_views.record_view(request.user, "run.payload_viewed", run, trace_id=run.trace_id, step=START)
    return RerunForm(
        page=page,
        request=_parse_uuid(chosen.get("request")) or uuid7(),
        steps=steps,
        newest=run.workflow.published,
        may_see=may_see,
        start=chosen.get("start") or by_default,
        step=step if any(card.path == step for card in steps) else "",
        version=chosen.get("version", version),
        advice=advice,
        reused=reused,
        is_edited=chosen.get("input") == "edited",
        payload=(chosen["payload"] if "payload" in chosen else _editable_input(run)) if may_see else None,
        earlier=reruns.find_reruns([run.pk]).get(run.pk),
        in_doubt=_names_in_doubt(page),
        errors=errors,
    )


def _names_in_doubt(page: RunPage) -> str:
    names = {card.path: card.name for card in page.cards}
    doubts = find_doubts([page.run.pk]).get(page.run.pk, [])
    return ", ".join(names.get(doubt.path, doubt.path) for doubt in doubts)


def _editable_input(run: ExecutionRun) -> str | None:
    """The input as text; None when it is too large or missing."""
    found = Event.objects.filter(pk=run.event_id).values_list("payload", flat=True) if run.event_id else []
    for payload in found:
        text = json.dumps(payload, indent=2, ensure_ascii=False)
        return text if len(text) <= MAX_EDITED else None
    return "null"


def _render_dialog(request: HtmxRequest, form: RerunForm) -> HttpResponse:
    status = 422 if form.errors else 200
    if request.htmx:
        return TemplateResponse(request, "automate_studio/runs/page/rerun_form.html", {"form": form}, status=status)
    return render_page(
        request,
        "automate_studio/runs/page/rerun.html",
        _("Re-run %(run)s") % {"run": form.run},
        status=status,
        form=form,
    )
