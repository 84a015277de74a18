"""The screens. A view parses, asks the permission rule, calls one thing, renders."""

from __future__ import annotations

import uuid

from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from automate_core.authoring import pausing, workflows
from automate_core.authoring.drafts import reading, rows
from automate_core.definition import yaml_files
from automate_core.definition.document import Definition, DefinitionError
from automate_core.definition.published import published_definition
from automate_core.events import run_rights
from automate_core.models import ExecutionRun, FailureGroup, Workflow
from automate_core.states import FINAL_RUN_STATES
from automate_governance import audit, looks
from automate_governance.permissions import SITE, User, can, holds_anywhere, permitted
from automate_studio import (
    asked,
    frame,
    gallery,
    inspector,
    managing,
    run_bulk,
    run_header,
    run_page,
    run_rows,
    started,
    workflow_triggers,
)
from automate_studio import run_list as found_runs
from automate_studio.recorded import View
from automate_studio.tree import draft_tree

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
    return frame.page(
        request,
        "automate_studio/workflow.html",
        workflow.name,
        workflow=workflow,
        is_draft=is_draft,
        stops=run_rights.stops(workflow),
        started=started.asked_for(request.GET.get("started"), workflow),
        tree=draft_tree(definition),
        triggers=workflow_triggers.triggers(definition, request.user),
        recent=run_rows.recent_runs(workflow, request.user, timezone.now()),
        may_change=can(request.user, "change", workflow),
        audits=can(request.user, "audit", SITE),
        may_run=can(request.user, "run", workflow),
        may_pause=pausing.pausable(request.user, Workflow.objects.filter(pk=workflow.pk)).exists(),
        may_archive=can(request.user, "publish", workflow),
        may_share=can(request.user, "share", workflow),
    )


@require_safe
def workflow_file(request: HttpRequest, pk: int) -> HttpResponse:
    """What the page shows as a YAML file."""
    workflow, definition, is_draft = _shown_definition(request, pk)
    if is_draft:
        try:
            definition = workflows.load_definition(workflow)
        except DefinitionError as error:
            return HttpResponse(
                f"The draft is not a whole workflow yet: {error}", status=409, content_type="text/plain"
            )
    audit.record(request.user, "workflow.exported", workflow)
    name = f'attachment; filename="{workflow.slug}.yaml"'
    return HttpResponse(
        yaml_files.write(definition), content_type="application/yaml", headers={"Content-Disposition": name}
    )


def _shown_definition(request: HttpRequest, pk: int) -> tuple[Workflow, Definition, bool]:
    """(workflow, what is published or else the draft, whether it is the draft)."""
    workflow = get_object_or_404(
        permitted(request.user, "view", Workflow.objects.select_related("owner", "run_as", "published__run_as")), pk=pk
    )
    published = None if request.GET.get("show") == "draft" else published_definition(workflow)
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
    return frame.page(request, template, "Runs", found=found, under_way=run_bulk.under_way(request.user))


@require_safe
def run_detail(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """One run: tree, timeline and the step, or the item of a loop, that `?step=` names."""
    page = load_run(request.user, run_id, View.of(request.GET))
    path = page.step_at(request.GET.get("step") or page.default_path())
    shown = _inspect(request, page, path)
    may_run = can(request.user, "run", page.run.workflow)
    kinds = FailureGroup.objects.filter(runs__run=run_id, resolved_at=None)
    return frame.page(
        request,
        "automate_studio/run/page.html",
        f"Run {page.run}",
        page=page,
        may_see=shown.may_see if shown else can(request.user, "view_payload", page.run),
        may_run=may_run,
        may_change=can(request.user, "change", page.run.workflow),
        audits=can(request.user, "audit", SITE),
        failures=kinds.first() if may_run and page.run.status == "failed" else None,
        inspector=shown,
        lineage=run_header.lineage(page.run, request.user),
        asks=inspector.asks(page.run, request.user),
        selected=path,
        stream=isinstance(request, ASGIRequest),
        is_fullwidth="1",
    )


@require_safe
def run_step(request: HttpRequest, run_id: uuid.UUID, path: str) -> HttpResponse:
    """The panel of one step, and of one of its attempts with `?attempt=`; `?tab=` names the tabs that are open."""
    page = load_run(request.user, run_id, View.of(request.GET, path))
    shown = _inspect(request, page, page.step_at(path))
    if shown is None:
        raise Http404
    return TemplateResponse(request, "automate_studio/run/inspector.html", {"page": page, "inspector": shown})


@require_safe
def run_asks(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """What of a run waits for this person, and once it has ended the reason, which patches leave out."""
    run = asked.run(request, run_id)
    page = load_run(request.user, run_id, View()) if run.status in FINAL_RUN_STATES else None
    may_see = page is not None and can(request.user, "view_payload", run)
    context = {"run": run, "asks": inspector.asks(run, request.user), "page": page, "may_see": may_see}
    return TemplateResponse(request, "automate_studio/run/asks_answer.html", context)


def _inspect(request: HttpRequest, page: run_page.RunPage, path: str) -> inspector.Inspector | None:
    attempt, tabs = asked.number(request.GET.get("attempt")), request.GET.get("tab", "").split(",")
    shown = inspector.inspect(page, path, attempt, request.user, tabs=tabs)
    if shown and shown.values:
        looks.at(request.user, "run.payload_viewed", page.run, trace_id=page.run.trace_id, step=path)
    return shown


def load_run(user: User, run_id: uuid.UUID, view: View) -> run_page.RunPage:
    """The page of a run that this person may know of. Raises Http404."""
    try:
        return run_page.load(run_id, permitted(user, "view", ExecutionRun.objects.all()), view)
    except ExecutionRun.DoesNotExist:
        raise Http404 from None
