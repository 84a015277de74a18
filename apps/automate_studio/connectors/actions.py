"""One action of a draft: its names, effect and fields, and one test call of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_connectors.declared.adapter import declare
from automate_connectors.declared.document import EffectKind
from automate_connectors.declared.yaml_files import DocumentError
from automate_connectors.forms import PLAIN, build_form_field
from automate_connectors.models import Connection
from automate_connectors.stored import edits, versions
from automate_connectors.stored.building import FaultyTextError
from automate_connectors.stored.edits import ActionView
from automate_connectors.stored.models import DeclaredConnectorDraft
from automate_connectors.stored.test_calls import CallResult, can_call, run_test_call
from automate_core.navigation.http import HttpResponseSeeOther, current_person
from automate_governance.admin_site import reverse
from automate_governance.permissions import NotPermittedError, permitted
from automate_governance.texts import translated
from automate_plugins.texts import relabelled
from automate_studio.connectors.access import get_draft
from automate_studio.connectors.listing import draft_name
from automate_studio.ui.admin_page import render_page
from automate_studio.ui.fields import FormFieldView
from automate_studio.ui.fields import build_form_field as build_field_view
from automate_studio.ui.json.tree import JsonTree

EFFECTS = {
    EffectKind.READ: gettext_lazy("Reads"),
    EffectKind.WRITE: gettext_lazy("Changes data"),
    EffectKind.MOVES_MONEY: gettext_lazy("Moves money"),
}


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
    action = _get_action(draft, index)
    form = ActionForm(request.POST if request.method == "POST" else None, initial=_initial(action))
    if form.is_bound and form.is_valid():
        given = replace(action, **form.cleaned_data, fields=_posted_fields(request, action))
        try:
            edits.edit_action(draft, index, given, by=current_person(request))
        except DocumentError as error:
            form.add_error(None, translated(error.reason))
        else:
            return HttpResponseSeeOther(reverse("studio:connector_draft", args=[pk]))
    context = {**_test_context(request, draft, action), "draft": draft, "index": index, "action": action, "form": form}
    title = _("%(connector)s: %(action)s") % {"connector": draft_name(draft), "action": action.label or action.name}
    status = 422 if form.errors else 200
    return render_page(request, "automate_studio/connectors/action.html", title, status=status, **context)


def _get_action(draft: DeclaredConnectorDraft, index: int) -> ActionView:
    try:
        return edits.action_views(draft)[index]
    except (IndexError, DocumentError):
        raise Http404 from None


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


# --- one test call ----------------------------------------------------------------------------------------------------


@require_POST
def connector_call(request: HttpRequest, pk: int, index: int) -> HttpResponse:
    """Call the action once with a connection; a call that changes something is asked for first."""
    draft = get_draft(request, pk)
    view = _get_action(draft, index)
    found = _find_action(draft, view)
    if found is None:
        raise Http404
    adapter, action = found
    form = build_call_form(action, _connections(request, draft))(request.POST, prefix="call")
    shown: dict[str, Any] = {"draft": draft, "index": index, "action": view, "call_fields": []}
    problems = _problems(form, action)
    if problems:
        return _call_response(request, {**shown, "problems": problems}, status=422)
    if view.effect != EffectKind.READ and request.POST.get("confirmed") != "yes":
        return _call_response(request, {**shown, "asks": True, "effect": EFFECTS[EffectKind(view.effect)]})
    connection: Connection = form.cleaned_data["connection"]
    params = {spec.name: value for spec in action.fields or () if (value := _value(form, spec.name)) is not None}
    try:
        result = run_test_call(adapter, action, connection, params, by=current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    return _call_response(request, {**shown, "result": result, "output": _output(result)})


def _call_response(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return TemplateResponse(request, "automate_studio/connectors/call_result.html", context, status=status)


def _output(result: CallResult) -> JsonTree | None:
    return None if result.error else JsonTree(part="call", root="", url="", value=result.output)


def build_call_form(action: Action, connections: Any) -> type[forms.Form]:
    """The form of a test call: the connection, and a field for each input."""
    chosen = forms.ModelChoiceField(connections, label=_("Connection"), empty_label=None)
    inputs = {f"input_{spec.name}": build_form_field(spec, PLAIN) for spec in action.fields or ()}
    return type("CallForm", (forms.Form,), {"connection": chosen, **inputs})


def _value(form: forms.Form, name: str) -> Any:
    value = form.cleaned_data.get(f"input_{name}")
    return None if value == "" or value is False else value


def _problems(form: forms.Form, action: Action) -> list[str]:
    found = [f"{form.fields[name].label}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()]
    if found:
        return found
    for spec in action.fields or ():
        value = _value(form, spec.name)
        if (reason := spec.problem(value)) and not (value is None and spec.default is not None):
            found.append(translated(relabelled(reason, name=form.fields[f"input_{spec.name}"].label)))
    return found


def _find_action(draft: DeclaredConnectorDraft, view: ActionView) -> tuple[ConnectorAdapter, Action] | None:
    """The action as the draft makes it; None for a faulty draft, or a hidden action."""
    try:
        adapter: ConnectorAdapter = declare(versions.build_draft(draft).document)()
    except FaultyTextError:
        return None
    return next(((adapter, each) for each in adapter.actions if each.name == view.name), None)


def _connections(request: HttpRequest, draft: DeclaredConnectorDraft) -> Any:
    code = draft.connector.code if draft.connector else ""
    return permitted(request.user, "use", Connection.objects.filter(connector=code)).order_by("name")


def _test_context(request: HttpRequest, draft: DeclaredConnectorDraft, view: ActionView) -> dict[str, Any]:
    """The form of a test call, or why there is none."""
    found = _find_action(draft, view)
    rows = _connections(request, draft)
    reason = ""
    if found is None:
        reason = _("Only an action of a draft without errors can be tested, and only one that the builder offers.")
    elif not can_call(found[1]):
        reason = _("An action with files is tested in a workflow.")
    elif not rows:
        reason = _("Save the connector and add a connection for it, then edit it again to test a call.")
    if reason or found is None:
        return {"call_reason": reason, "call_fields": []}
    form = build_call_form(found[1], rows)(prefix="call")
    fields: list[FormFieldView] = [build_field_view(bound) for bound in form]
    return {"call_reason": "", "call_fields": fields}
