"""The screens. A view parses, asks the permission rule, calls one thing, renders."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import admin
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from automate_connectors.models import Connection
from automate_core import approvals, authoring, documents, rights, workflow_files
from automate_core.definition import Definition, DefinitionError
from automate_core.drafts import reading, rows
from automate_core.models import ExecutionRun, StepRun, Wait, Workflow
from automate_governance import audit
from automate_governance.permissions import User, can, holds_anywhere, permitted
from automate_studio import asked, gallery, lists, managing, run_bulk, run_page, run_rows, started
from automate_studio import run_list as found_runs
from automate_studio.recorded import View
from automate_studio.tree import draft_tree


def _page(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    """A full page inside the admin's frame."""
    request.current_app = admin.site.name
    return TemplateResponse(request, template, {**admin.site.each_context(request), "title": title, **context})


def _runs(user: User) -> Any:
    return permitted(user, "view", ExecutionRun.objects.all())


# --- workflows --------------------------------------------------------------------------------------------------------


@require_safe
def workflow_list(request: HttpRequest) -> HttpResponse:
    """All workflows that this person may know of; who may build some and sees none is shown how to begin."""
    if gallery.is_first_run(request):
        return gallery.start(request)
    return managing.workflow_list(request)


@require_safe
def workflow_page(request: HttpRequest, pk: int) -> HttpResponse:
    """A workflow: the tree of what is published, or of the draft with `?show=draft`, and its latest runs."""
    workflow, definition, is_draft = _shown_definition(request, pk)
    return _page(
        request,
        "automate_studio/workflow.html",
        workflow.name,
        workflow=workflow,
        is_draft=is_draft,
        stops=rights.stops(workflow),
        started=started.asked_for(request.GET.get("started"), workflow),
        tree=draft_tree(definition),
        triggers=lists.triggers(definition, request.user),
        recent=run_rows.recent_runs(workflow, request.user, timezone.now()),
        may_change=can(request.user, "change", workflow),
        may_run=can(request.user, "run", workflow),
        may_pause=can(request.user, "publish", workflow),
        may_share=can(request.user, "share", workflow),
    )


@require_safe
def workflow_file(request: HttpRequest, pk: int) -> HttpResponse:
    """What the page shows as a YAML file."""
    workflow, definition, is_draft = _shown_definition(request, pk)
    if is_draft:
        try:
            definition = authoring.load_definition(workflow)
        except DefinitionError as error:
            return HttpResponse(
                f"The draft is not a whole workflow yet: {error}", status=409, content_type="text/plain"
            )
    name = f'attachment; filename="{workflow.slug}.yaml"'
    return HttpResponse(
        workflow_files.write(definition), content_type="application/yaml", headers={"Content-Disposition": name}
    )


def _shown_definition(request: HttpRequest, pk: int) -> tuple[Workflow, Definition, bool]:
    """(workflow, what is published or else the draft, whether it is the draft)."""
    workflow = get_object_or_404(
        permitted(request.user, "view", Workflow.objects.select_related("owner", "run_as", "published")), pk=pk
    )
    published = None if request.GET.get("show") == "draft" else authoring.published_definition(workflow)
    return workflow, published or reading.read(rows.load(workflow)).definition, published is None


# --- runs -------------------------------------------------------------------------------------------------------------


@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    """The runs of all workflows that this person may know of, newest first; htmx asks for the rows, or for all."""
    if not holds_anywhere(request.user, "view", ExecutionRun):
        raise Http404
    template = "automate_studio/runs.html"
    if request.headers.get("HX-Request") == "true" and request.headers.get("HX-Target", "list") == "list":
        found = found_runs.runs(request.user, request.GET, timezone.now(), whole=False)
        return TemplateResponse(request, f"{template}#list", {"found": found})
    found = found_runs.runs(request.user, request.GET, timezone.now())
    return _page(request, template, "Runs", found=found, under_way=run_bulk.under_way(request.user))


@require_safe
def run_detail(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """One run: tree, timeline and the step, or the item of a loop, that `?step=` names."""
    page = _load(request.user, run_id, View.of(request.GET))
    path = page.step_at(request.GET.get("step") or page.default_path())
    may_see = can(request.user, "view_payload", page.run)
    return _page(
        request,
        "automate_studio/run/page.html",
        f"Run {page.run}",
        page=page,
        may_see=may_see,
        may_run=can(request.user, "run", page.run.workflow),
        inspector=(inspector := run_page.inspect(page, path, None, may_see=may_see)),
        approval=_approval(request.user, page, inspector),
        connection=_connection(request.user, inspector),
        selected=path,
        stream=isinstance(request, ASGIRequest),
        is_fullwidth="1",
    )


@require_safe
def run_step(request: HttpRequest, run_id: uuid.UUID, path: str) -> HttpResponse:
    """The panel of one step, and of one of its attempts with `?attempt=`."""
    page = _load(request.user, run_id, View.of(request.GET, path))
    may_see = can(request.user, "view_payload", page.run)
    inspector = run_page.inspect(page, page.step_at(path), asked.number(request.GET.get("attempt")), may_see=may_see)
    if inspector is None:
        raise Http404
    context = {
        "page": page,
        "inspector": inspector,
        "approval": _approval(request.user, page, inspector),
        "connection": _connection(request.user, inspector),
    }
    return TemplateResponse(request, "automate_studio/run/inspector.html", context)


def _approval(user: User, page: run_page.RunPage, inspector: run_page.Inspector | None) -> Wait | None:
    """The approval that this step waits for, when this person may decide it."""
    if inspector is None or inspector.card.state != "waiting":
        return None
    return approvals.assigned_to(user).filter(run=page.run, path=inspector.card.path).first()


def _connection(user: User, inspector: run_page.Inspector | None) -> Connection | None:
    """The connection that this step waits for, when this person may know of it."""
    slug = inspector.recorded.connection if inspector else ""
    return permitted(user, "view", Connection.objects.filter(slug=slug)).first() if slug else None


@require_POST
def run_download(request: HttpRequest, run_id: uuid.UUID, path: str) -> HttpResponseBase:
    """A whole input or output as a file, audited."""
    run = get_object_or_404(_runs(request.user), pk=run_id)
    part = request.POST.get("part", "")
    if not can(request.user, "view_payload", run) or part not in {"input", "output"} or "\0" in path:
        raise Http404
    step = get_object_or_404(StepRun, run=run, path=path, attempt=asked.number(request.POST.get("attempt")) or 0)
    name = getattr(step, f"{part}_file")
    try:
        file = documents.open_file(name) if name else None
    except documents.DocumentError as error:
        return HttpResponse(error.message, status=503 if error.retryable else 410, content_type="text/plain")
    with transaction.atomic():
        audit.record(
            request.user, "run.payload_downloaded", run, changes={"step": path, "part": part}, trace_id=run.trace_id
        )
    shown = f"{run}-{path.replace('/', '-')}-{part}.json"
    if file is not None:
        return FileResponse(file, as_attachment=True, filename=shown, content_type="application/json")
    return HttpResponse(
        json.dumps(getattr(step, part), indent=2, ensure_ascii=False),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{shown}"'},
    )


def _load(user: User, run_id: uuid.UUID, view: View) -> run_page.RunPage:
    try:
        return run_page.load(run_id, _runs(user), view)
    except ExecutionRun.DoesNotExist:
        raise Http404 from None
