"""A workflow's page and its YAML file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_authoring import pausing, workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.drafts import parsing, rows
from automate_authoring.lint_rules import lint
from automate_core.definition.document import Definition, DefinitionError
from automate_core.definition.published import published_definition
from automate_core.definition.step_names import shown_name, step_name
from automate_core.events import stops
from automate_core.models import Wait, Workflow
from automate_governance import audit
from automate_governance.permissions import SITE, can, permitted
from automate_governance.texts import translated
from automate_operations.offboarding.missing_rights import find_missing_rights
from automate_studio.view_models.step_tree import draft_tree
from automate_studio.workflows.manual_run_status import manual_start_from_query
from automate_studio.workflows.triggers import trigger_rows
from automate_ui.admin_page import render_page
from automate_ui.navigation.http import current_person
from automate_ui.runs import run_rows

# --- workflows --------------------------------------------------------------------------------------------------------


@require_safe
def workflow_page(request: HttpRequest, pk: int) -> HttpResponse:
    """A workflow: the tree of the published version, or of the draft with `?show=draft`, and its latest runs."""
    workflow, definition, is_draft = _shown_definition(request, pk)
    return render_page(
        request,
        "automate_studio/workflows/page.html",
        workflow.name,
        workflow=workflow,
        is_draft=is_draft,
        has_form=workflow.forms.exists(),
        stop=" ".join(translated(sentence) for sentence in stops.stop_sentences(workflow)),
        cautions=[*_missing_rights(workflow), *_approver_cautions(definition)],
        started=manual_start_from_query(request.GET.get("started"), workflow),
        tree=draft_tree(definition),
        triggers=trigger_rows(definition, workflow, request.user),
        recent=run_rows.recent_runs(workflow, request.user, timezone.now()),
        may_change=can(request.user, "change", workflow),
        may_add=can(request.user, "add", Workflow),
        audits=can(request.user, "audit", SITE),
        may_run=can(request.user, "run", workflow),
        may_pause=pausing.pausable(request.user, Workflow.objects.filter(pk=workflow.pk)).exists(),
        paused_runs=_count_paused_runs(workflow),
        may_publish=not workflows.refusal(workflow, current_person(request)),
        may_archive=can(request.user, "publish", workflow),
        may_share=can(request.user, "share", workflow),
    )


def _count_paused_runs(workflow: Workflow) -> int:
    """The runs that wait for the end of the workflow's pause."""
    if workflow.status != Workflow.Status.PAUSED:
        return 0
    waits = Wait.objects.filter(run__workflow=workflow, kind=Wait.Kind.PAUSED, status=Wait.Status.OPEN)
    return waits.values("run").distinct().count()


def _missing_rights(workflow: Workflow) -> list[str]:
    """What the run-as user of the published version lacks."""
    found = find_missing_rights(Workflow.objects.filter(pk=workflow.pk))
    return [" ".join(map(translated, each.sentences)) for each in found]


def _approver_cautions(definition: Definition) -> list[str]:
    """What should be known of approvals whose approvers are not active, or are groups that there are not."""
    cautions = []
    for _place, step, reason in lint.missing_approvers(definition):
        name = shown_name(step_name(definition, step.key))
        cautions.append(_("Step %(step)s: %(problem)s") % {"step": name, "problem": translated(reason)})
    return cautions


@require_safe
def workflow_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The shown definition as a YAML file."""
    workflow, definition, is_draft = _shown_definition(request, pk)
    if is_draft:
        try:
            definition = workflows.load_definition(workflow)
        except DefinitionError as error:
            said = _("The draft cannot be exported yet. Fix these errors first: %(errors)s") % {"errors": error}
            return HttpResponse(said, status=409, content_type="text/plain")
    audit.record(request.user, "workflow.exported", workflow)
    name = f'attachment; filename="{workflow.slug}.yaml"'
    return HttpResponse(
        yaml_files.write_workflow(definition), content_type="application/yaml", headers={"Content-Disposition": name}
    )


def _shown_definition(request: HttpRequest, pk: int) -> tuple[Workflow, Definition, bool]:
    """(workflow, published definition or else the draft, whether it is the draft)."""
    workflow = get_object_or_404(
        permitted(request.user, "view", Workflow.objects.select_related("owner", "run_as", "published__run_as")), pk=pk
    )
    published = None if request.GET.get("show") == "draft" else published_definition(workflow)
    return workflow, published or parsing.parse_draft(rows.load_draft(workflow)).definition, published is None


# --- runs -------------------------------------------------------------------------------------------------------------
