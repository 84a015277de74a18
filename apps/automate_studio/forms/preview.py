"""The preview of a draft's form: the page that people will see, which takes no answers."""

from __future__ import annotations

import msgspec
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_authoring.drafts import parsing, rows
from automate_core.definition.document import FormTrigger
from automate_core.models import Workflow
from automate_governance.permissions import permitted
from automate_studio.forms.pages import FormContent, form_context
from automate_studio.forms.responses import render_public_page
from automate_ui.view_access import staff


@require_safe
def form_preview(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """The form of a draft's trigger, for people who may view the workflow."""
    workflow = get_object_or_404(permitted(request.user, "view", Workflow.objects.all()), pk=pk)
    definition = parsing.parse_draft(rows.load_draft(workflow)).definition
    found = (each for each in definition.triggers if isinstance(each, FormTrigger) and each.key == key)
    trigger = next(found, None)
    if trigger is None:
        raise Http404
    content = FormContent(
        title=trigger.title or workflow.name,
        introduction=trigger.introduction,
        fields=msgspec.to_builtins(trigger.inputs),
    )
    notice = _("This is a preview of the draft. It accepts no answers.")
    return render_public_page(request, "form", form_context(content, notice=notice, is_preview=True))


urlpatterns: list[URLPattern] = [staff("workflows/<int:pk>/forms/<slug:key>/preview/", form_preview, "form_preview")]
