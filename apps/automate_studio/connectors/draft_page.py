"""The page of a draft: what is wrong with it, its actions, its sign-in, and its text as YAML."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from automate_connectors.declared.document import AuthKind
from automate_connectors.declared.openapi.reader import MAX_BYTES
from automate_connectors.declared.yaml_files import DocumentError
from automate_connectors.oauth.catalogue import providers
from automate_connectors.stored import drafts, edits, versions
from automate_connectors.stored.building import FaultyTextError, TextFault
from automate_connectors.stored.models import DeclaredConnectorDraft
from automate_governance.admin_site import reverse
from automate_governance.texts import translated
from automate_studio.connectors.access import get_draft
from automate_studio.connectors.listing import draft_name
from automate_studio.connectors.new import line_and_reason
from automate_studio.view_models.faulty_lines import FileLine, faulty_lines
from automate_ui.admin_page import render_page
from automate_ui.fields import FormFieldView
from automate_ui.navigation.http import HttpResponseSeeOther, current_person, parse_number
from automate_ui.objects.form_view import build_sections

_AUTH = {
    AuthKind.NONE: gettext_lazy("None"),
    AuthKind.BEARER: gettext_lazy("Bearer token"),
    AuthKind.HEADER: gettext_lazy("Key in a header"),
    AuthKind.QUERY: gettext_lazy("Key in the query"),
    AuthKind.BASIC: gettext_lazy("Username and password"),
    AuthKind.OAUTH: gettext_lazy("Sign-in (OAuth)"),
}


class AboutForm(forms.Form):
    """Description and sign-in of a connector."""

    name = forms.CharField(max_length=100, label=gettext_lazy("Name"))
    code = forms.RegexField(
        r"[a-z][a-z0-9_-]{0,49}",
        label=gettext_lazy("Code"),
        help_text=gettext_lazy("Steps refer to the connector by its code. You cannot change it after the first save."),
    )
    description = forms.CharField(max_length=300, label=gettext_lazy("Description"))
    icon = forms.RegexField(
        r"[a-z0-9_]{1,50}", label=gettext_lazy("Icon"), help_text=gettext_lazy("Name of a Material Symbol")
    )
    base_url = forms.CharField(max_length=500, label=gettext_lazy("Address of the API"))
    auth = forms.ChoiceField(choices=list(_AUTH.items()), label=gettext_lazy("Authentication"))
    auth_name = forms.CharField(
        required=False, max_length=100, label=gettext_lazy("Name of the header or query parameter")
    )
    auth_provider = forms.ChoiceField(required=False, label=gettext_lazy("Provider of the sign-in"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        known = [("", _("Choose")), *((code, code) for code in sorted(providers()))]
        self.fields["auth_provider"].choices = known  # type: ignore[attr-defined]

    def auth_values(self) -> dict[str, str]:
        """`auth` as a draft holds it."""
        given, kind = self.cleaned_data, self.cleaned_data["auth"]
        name = given["auth_name"] if kind in {AuthKind.HEADER, AuthKind.QUERY} else ""
        provider = given["auth_provider"] if kind == AuthKind.OAUTH else ""
        return {"type": kind, "name": name, "provider": provider}


@require_http_methods(["GET", "HEAD", "POST"])
def connector_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """The page; a POST changes the draft."""
    draft = get_draft(request, pk)
    if request.method != "POST":
        return _render(request, draft, _about_form(draft))
    person, what = current_person(request), request.POST.get("do", "")
    if what in {"about", "review"}:
        form = AboutForm(request.POST)
        if not form.is_valid():
            return _render(request, draft, form)
    try:
        match what:
            case "discard":
                drafts.discard_draft(draft, by=person)
                messages.success(request, _("Draft discarded."))
                return HttpResponseSeeOther(reverse("studio:connector_list"))
            case "text":
                typed = request.POST.get("text", "").replace("\0", "")
                if fault := edits.reading_fault(typed):
                    return _render(request, draft, _about_form(draft), typed=typed, unread=fault)
                drafts.change_text(draft, typed, by=person)
            case "about" | "review":
                edits.edit_connector_texts(draft, form.cleaned_data, form.auth_values(), by=person)
                if what == "review":
                    return HttpResponseSeeOther(reverse("studio:connector_review", args=[pk]))
            case "remove" if (index := parse_number(request.POST.get("index"))) is not None:
                edits.remove_action(draft, index, by=person)
            case "document" if upload := request.FILES.get("file"):
                drafts.replace_document(draft, bytes(upload.read(MAX_BYTES + 1)), by=person)
            case _:
                return HttpResponse(_("Unknown action."), status=422, content_type="text/plain")
    except DocumentError as error:
        messages.error(request, line_and_reason(error))
    return HttpResponseSeeOther(reverse("studio:connector_draft", args=[pk]))


def find_faults(draft: DeclaredConnectorDraft) -> list[TextFault]:
    """Problems of a draft."""
    try:
        versions.build_draft(draft)
    except FaultyTextError as error:
        return error.faults
    return []


def fault_lines(written: str, faults: list[TextFault]) -> list[FileLine]:
    """The lines of a text with faults, and their neighbours."""
    return faulty_lines(written, [(each.line, translated(each.reason)) for each in faults if each.line])


def _about_form(draft: DeclaredConnectorDraft) -> AboutForm:
    value = edits.read_value(draft)
    given = value.get("auth")
    auth = given if isinstance(given, dict) else {}
    found = {name: value.get(name) for name in edits.TEXTS}
    found |= {"icon": value.get("icon") or "power", "auth": auth.get("type") or AuthKind.NONE}
    return AboutForm(initial={**found, "auth_name": auth.get("name"), "auth_provider": auth.get("provider")})


def _about_fields(form: AboutForm) -> list[FormFieldView]:
    needed = {
        "auth_name": (("auth", (AuthKind.HEADER.value, AuthKind.QUERY.value)),),
        "auth_provider": (("auth", (AuthKind.OAUTH.value,)),),
    }
    [section] = build_sections(form, [("", form.fields)], conditions=needed)
    return section.fields


def _render(
    request: HttpRequest,
    draft: DeclaredConnectorDraft,
    form: AboutForm,
    *,
    typed: str | None = None,
    unread: DocumentError | None = None,
) -> HttpResponse:
    """The page. A typed text that cannot be read stands in its editor with its fault; the rest is the draft's."""
    faults = [TextFault(unread.reason, unread.line)] if unread else find_faults(draft)
    if draft.connector:
        form.fields["code"].widget = forms.HiddenInput()
    try:
        actions = edits.action_views(draft)
    except DocumentError:  # of its OpenAPI document; the faults say it
        actions = []
    written = draft.text if typed is None else typed
    return render_page(
        request,
        "automate_studio/connectors/draft.html",
        draft_name(draft),
        status=422 if form.errors or unread else 200,
        draft=draft,
        text=written,
        is_unread=typed is not None or edits.reading_fault(draft.text) is not None,
        address=edits.private_address(draft),
        form=form,
        fields=_about_fields(form),
        actions=actions,
        faults=len(faults),
        elsewhere=[translated(each.reason) for each in faults if not each.line],
        lines=fault_lines(written, faults),
        back=reverse("studio:connector_list"),
    )
