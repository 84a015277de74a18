"""New workflow: empty, from a template, or from a YAML file whose errors are shown at their lines."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from automate_authoring import copies, workflows
from automate_authoring.definitions import validation, yaml_files
from automate_authoring.library import files
from automate_core.definition.document import DefinitionError, Problem
from automate_core.definition.step_paths import START
from automate_core.models import Workflow
from automate_governance.admin_site import reverse
from automate_governance.permissions import can
from automate_governance.texts import translated
from automate_studio.view_models.faulty_lines import faulty_lines
from automate_ui.admin_page import render_page
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, current_person
from automate_ui.request_params import get_workflow_or_404

_MOST_FAULTS = 50
_LONGEST_NAME = 200
_LONGEST_AGAIN = 200_000  #: characters of a file that are shown again for correction


@require_http_methods(["GET", "HEAD", "POST"])
def new_workflow(request: HttpRequest) -> HttpResponse:
    """Ways to create a workflow; a POST creates an empty one with a name."""
    _check_may_add(request)
    if request.method != "POST":
        return _render_page(request)
    name = request.POST.get("name", "").replace("\0", "").strip()
    if not 0 < len(name) <= _LONGEST_NAME:
        return _render_page(request, name=name[:1_000], error=_name_error(name))
    workflow = workflows.start_empty(name, owner=current_person(request))
    return HttpResponseSeeOther(f"{reverse('studio:builder', args=[workflow.pk])}?step={START}")


@require_POST
def import_yaml(request: HttpRequest) -> HttpResponse:
    """Create a draft from a YAML file or a pasted text; a file with errors is rejected as a whole."""
    _check_may_add(request)
    text = ""
    try:
        text = _posted_yaml(request)
        definition = yaml_files.read_workflow(text)
        if found := validation.find_problems(definition):
            raise DefinitionError(yaml_files.with_lines(text, found))
        made = copies.import_draft(definition, by=current_person(request))
    except yaml_files.WorkflowFileError as error:
        return _invalid_response(request, text, [Problem("", error.reason, error.line)])
    except DefinitionError as error:
        return _invalid_response(request, text, error.problems)
    workflow = made.workflow
    said = _("Imported %(slug)s as a draft.") % {"slug": workflow.slug}
    if workflow.slug != definition.slug:
        said = _("Imported as “%(name)s”, because the workflow %(taken)s already exists.") % {
            "name": workflow.name,
            "taken": definition.slug,
        }
    return _open_copy(request, made, said)


@require_http_methods(["GET", "HEAD", "POST"])
def copy_workflow(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for the name of a copy; a POST makes it. 404 for a workflow that the person may not view."""
    _check_may_add(request)
    workflow, person = get_workflow_or_404(request, pk), current_person(request)
    name = request.POST.get("name", "").replace("\0", "").strip()
    if request.method == "POST" and 0 < len(name) <= _LONGEST_NAME:
        made = copies.copy_workflow(workflow, by=person, name=name)
        return _open_copy(request, made, _("Copied %(name)s as a draft.") % {"name": workflow.name})
    posted = request.method == "POST"
    return render_page(
        request,
        "automate_studio/workflows/copy.html",
        _("Copy %(name)s") % {"name": workflow.name},
        status=422 if posted else 200,
        workflow=workflow,
        name=name[:1_000] if posted else copies.copy_name(workflow.name, person),
        error=_name_error(name) if posted else "",
        back=change_url(workflow),
        is_dialog=False,
    )


def _open_copy(request: HttpRequest, made: copies.Copied, said: str) -> HttpResponse:
    messages.success(request, " ".join(filter(None, [said, copies.off_note(made.off)])))
    return HttpResponseSeeOther(reverse("studio:builder", args=[made.workflow.pk]))


def _name_error(name: str) -> str:
    return _("Enter a name of at most %(most)s characters.") % {"most": _LONGEST_NAME} if name else _("Enter a name.")


def _check_may_add(request: HttpRequest) -> None:
    if not can(request.user, "add", Workflow):
        raise PermissionDenied


def _posted_yaml(request: HttpRequest) -> str:
    """Text of the file, or else the pasted one. Raises WorkflowFileError."""
    upload = request.FILES.get("file")
    if upload is None:
        text = request.POST.get("text", "")
        if not text.strip():
            raise yaml_files.WorkflowFileError(_("Choose a file or paste YAML."))
        return text
    if (upload.size or 0) > yaml_files.MAX_BYTES:
        raise yaml_files.WorkflowFileError(
            _("The file is larger than %(most)s bytes.") % {"most": f"{yaml_files.MAX_BYTES:,}"}
        )
    try:
        return bytes(upload.read()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise yaml_files.WorkflowFileError(_("The file is not UTF-8 text.")) from error


def _invalid_response(request: HttpRequest, text: str, problems: list[Problem]) -> HttpResponse:
    shown = problems[:_MOST_FAULTS]
    return _render_page(
        request,
        problems=len(problems),
        left_out=len(problems) - len(shown),
        elsewhere=[_problem_text(problem) for problem in shown if not problem.line],
        lines=faulty_lines(text, [(problem.line, _problem_text(problem)) for problem in shown if problem.line]),
        text=text if len(text) <= _LONGEST_AGAIN else "",
    )


def _problem_text(problem: Problem) -> str:
    where = f"{problem.path}: " if problem.path else ""
    return f"{where}{translated(problem.reason)}"


def _render_page(request: HttpRequest, **context: Any) -> HttpResponse:
    """The page; 422 after a rejection."""
    status, templates = 422 if context else 200, list(files.installed_templates().values())
    return render_page(
        request, "automate_studio/workflows/new.html", _("New workflow"), status=status, templates=templates, **context
    )
