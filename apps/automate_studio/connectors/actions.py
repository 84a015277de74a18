"""One action of a draft: its names, effect, fields and further pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from automate_connectors.declared.yaml_files import DocumentError
from automate_connectors.stored import edits
from automate_connectors.stored.edits import ActionView
from automate_governance.admin_site import reverse
from automate_governance.texts import translated
from automate_studio.connectors.access import get_action, get_draft
from automate_studio.connectors.listing import draft_name
from automate_studio.connectors.paging_form import build_pages_form, pages_fields
from automate_studio.connectors.test_call import EFFECTS, build_test_context
from automate_ui.admin_page import render_page
from automate_ui.navigation.http import HttpResponseSeeOther, current_person


class ActionForm(forms.Form):
    """An action without its fields, which are rows of a table."""

    name = forms.RegexField(
        r"[a-z][a-z0-9_-]{0,49}",
        label=gettext_lazy("Code"),
        help_text=gettext_lazy("Steps refer to the action by this name"),
    )
    label = forms.CharField(max_length=100, label=gettext_lazy("Name"))
    description = forms.CharField(max_length=300, required=False, label=gettext_lazy("Description"))
    group = forms.CharField(
        max_length=100, required=False, label=gettext_lazy("Group"), help_text=gettext_lazy("A heading in lists")
    )
    effect = forms.ChoiceField(
        choices=list(EFFECTS.items()),
        label=gettext_lazy("Effect"),
        help_text=gettext_lazy(
            "A test of a step asks before it changes data. Steps that move money are never repeated without asking."
        ),
    )
    hidden = forms.BooleanField(required=False, label=gettext_lazy("Not offered in the builder"))
    checks = forms.BooleanField(required=False, label=gettext_lazy("This call tests a connection"))


@require_http_methods(["GET", "HEAD", "POST"])
def connector_action(request: HttpRequest, pk: int, index: int) -> HttpResponse:
    """The form of an action; a POST writes it into the draft."""
    draft = get_draft(request, pk)
    action = get_action(draft, index)
    posted = request.POST if request.method == "POST" else None
    form, pages = ActionForm(posted, initial=_initial(action)), build_pages_form(posted, action.pages)
    if form.is_bound and all([form.is_valid(), pages.is_valid()]):
        given = replace(action, **form.cleaned_data, fields=_posted_fields(request, action), pages=pages.pages())
        try:
            edits.edit_action(draft, index, given, by=current_person(request))
        except DocumentError as error:
            form.add_error(None, translated(error.reason))
        else:
            return HttpResponseSeeOther(reverse("studio:connector_draft", args=[pk]))
    context = {
        **build_test_context(request, draft, action),
        "draft": draft,
        "index": index,
        "action": action,
        "form": form,
        "pages_fields": pages_fields(pages),
    }
    title = _("%(connector)s: %(action)s") % {"connector": draft_name(draft), "action": action.label or action.name}
    status = 422 if form.errors or pages.errors else 200
    return render_page(request, "automate_studio/connectors/action.html", title, status=status, **context)


def _initial(action: ActionView) -> dict[str, Any]:
    return {name: getattr(action, name) for name in ActionForm.base_fields}


def _posted_fields(request: HttpRequest, action: ActionView) -> list[edits.ActionField]:
    post = request.POST
    return [
        replace(
            each,
            label=post.get(f"label-{each.name}", each.label).replace("\0", "").strip()[:200],
            help=post.get(f"help-{each.name}", each.help).replace("\0", "").strip()[:500],
            required=f"required-{each.name}" in post,
            shown=f"shown-{each.name}" in post,
        )
        for each in action.fields
    ]
