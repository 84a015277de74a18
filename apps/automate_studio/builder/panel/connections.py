"""Connection of a step inside the builder: test it, or create one for the step."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from automate_authoring.drafts import rows
from automate_authoring.drafts.values import StepNode
from automate_authoring.slugs import slug_like
from automate_connectors import connection_test
from automate_connectors.admin import ConnectionAdmin
from automate_connectors.models import Connection
from automate_governance.admin_site import admin_site
from automate_governance.permissions import permitted
from automate_studio.builder.panel.steps import step_at
from automate_ui.navigation.http import current_person
from automate_ui.objects import form_view
from automate_ui.objects.admin import ObjectAdmin
from automate_ui.objects.form_view import build_sections
from automate_ui.request_params import get_editable_workflow


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def step_connection(request: HttpRequest, pk: int, path: str) -> HttpResponse:
    """Form of a new connection; a POST creates it, or with `act` "test" tests the step's."""
    workflow = get_editable_workflow(request, pk)
    node = step_at(rows.load_draft(workflow), path)
    if node is None or node.kind != "action":
        raise Http404
    if request.POST.get("act") == "test":
        return _test_connection(request, node)
    return _create_connection(request, node)


def _test_connection(request: HttpRequest, node: StepNode) -> HttpResponse:
    usable = permitted(request.user, "use", Connection.objects.select_related("owner"))
    found = get_object_or_404(usable, slug=node.connection)
    context = {
        "trial": connection_test.run_connection_test(found, current_person(request)),
        "at": timezone.localtime(),
        "connection": found,
    }
    return TemplateResponse(request, "automate_studio/builder/connection/test_result.html", context)


def _create_connection(request: HttpRequest, node: StepNode) -> HttpResponse:
    model_admin = admin_site().get_model_admin(Connection)
    if not isinstance(model_admin, ConnectionAdmin) or not model_admin.has_add_permission(request):
        raise PermissionDenied
    connector = node.action.partition(".")[0]
    if request.method == "POST":
        request.POST = _complete_form(request.POST, connector)  # type: ignore[assignment] # the admin looks there
    else:
        request.GET = _with_values(request.GET, connector=connector)  # type: ignore[assignment]
    form = model_admin.get_form(request)(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        made = form.save(commit=False)
        model_admin.save_model(request, made, form, change=False)
        context = {"made": made, "node": node}
        return TemplateResponse(request, "automate_studio/builder/connection/created.html", context)
    context = {"sections": _sections(model_admin, request, form), "form": form, "adapter": form.adapter}
    status = 422 if request.method == "POST" else 200
    return TemplateResponse(request, "automate_studio/builder/connection/form.html", context, status=status)


def _with_values(values: QueryDict, **more: str) -> QueryDict:
    found = values.copy()
    for name, text in more.items():
        found[name] = text
    return found


def _complete_form(post: QueryDict, connector: str) -> QueryDict:
    """The form with the step's connector and a free slug, which the form does not ask for."""
    base = slug_like(post.get("name", "")) or connector
    taken = set(Connection.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    free = next(
        slug for slug in (base, *(f"{base}-{number}" for number in range(2, len(taken) + 3))) if slug not in taken
    )
    return _with_values(post, connector=connector, slug=free)


def _sections(model_admin: ConnectionAdmin, request: HttpRequest, form: Any) -> list[form_view.Section]:
    """Fields of the form by heading, without preset ones."""
    found = []
    for title, options in model_admin.get_fieldsets(request):
        names = [name for name in options["fields"] if name not in {"slug", "connector"}]
        found.append((str(title or ""), names))
    if not isinstance(model_admin, ObjectAdmin):
        return build_sections(form, found)
    return build_sections(form, found, conditions=model_admin.get_conditions(form), folded=model_admin.get_folded(form))
