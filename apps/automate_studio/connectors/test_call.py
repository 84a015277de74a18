"""One test call of an action of a draft: its form, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_connectors.declared.adapter import declare
from automate_connectors.declared.document import EffectKind
from automate_connectors.forms import PLAIN, build_form_field
from automate_connectors.models import Connection
from automate_connectors.stored import versions
from automate_connectors.stored.building import FaultyTextError
from automate_connectors.stored.edits import ActionView
from automate_connectors.stored.models import DeclaredConnectorDraft
from automate_connectors.stored.test_calls import CallResult, can_call, run_draft_call, run_test_call
from automate_governance.permissions import NotPermittedError, Person, permitted
from automate_governance.texts import translated
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import relabelled
from automate_studio.connectors.access import get_action, get_draft
from automate_ui.fields import after_label
from automate_ui.fields import build_form_field as build_field_view
from automate_ui.json.tree import JsonTree
from automate_ui.navigation.http import current_person

EFFECTS = {
    EffectKind.READ: gettext_lazy("Reads"),
    EffectKind.WRITE: gettext_lazy("Changes data"),
    EffectKind.MOVES_MONEY: gettext_lazy("Moves money"),
}
_INPUT, _SETTING = "input", "setting"  #: what the names of fields begin with


@require_POST
def connector_call(request: HttpRequest, pk: int, index: int) -> HttpResponse:
    """Call the action once; a call that changes something is asked for first.

    Without a connection that the person may use, as before the first save, the form holds settings.
    """
    draft = get_draft(request, pk)
    view = get_action(draft, index)
    found = _find_action(draft, view)
    if found is None:
        raise Http404
    adapter, action = found
    form = build_call_form(adapter, action, _connections(request, draft))(request.POST, prefix="call")
    shown: dict[str, Any] = {"draft": draft, "index": index, "action": view, "call_fields": []}
    problems = _form_problems(form) or [
        *(() if "connection" in form.fields else _problems(form, _SETTING, adapter.config_fields)),
        *_problems(form, _INPUT, action.fields or ()),
    ]
    if problems:
        return _call_response(request, {**shown, "problems": problems}, status=422)
    if view.effect != EffectKind.READ and request.POST.get("confirmed") != "yes":
        return _call_response(request, {**shown, "asks": True, "effect": EFFECTS[EffectKind(view.effect)]})
    try:
        result = _run(draft, adapter, action, form, by=current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    return _call_response(request, {**shown, "result": result, "output": _output(result)})


def build_test_context(request: HttpRequest, draft: DeclaredConnectorDraft, view: ActionView) -> dict[str, Any]:
    """The form of a test call, or why there is none."""
    found = _find_action(draft, view)
    rows = _connections(request, draft)
    reason = note = ""
    if found is None:
        reason = _("Only an action of a draft without errors can be tested, and only one that the builder offers.")
    elif not can_call(found[1]):
        reason = _("An action with files is tested in a workflow.")
    if reason or found is None:
        return {"call_reason": reason, "call_fields": []}
    if not rows:
        note = _("There is no connection yet. The settings that you enter are for this call alone and are not stored.")
    form = build_call_form(*found, rows)(prefix="call")
    return {"call_reason": "", "call_note": note, "call_fields": [build_field_view(bound) for bound in form]}


def build_call_form(adapter: ConnectorAdapter, action: Action, connections: Any) -> type[forms.Form]:
    """The form of a test call: the connection, or without any its settings, and a field for each input."""
    first: dict[str, forms.Field]
    if connections:
        first = {"connection": forms.ModelChoiceField(connections, label=_("Connection"), empty_label=None)}
    else:
        first = {f"{_SETTING}_{spec.name}": _setting_field(spec) for spec in adapter.config_fields}
    inputs = {f"{_INPUT}_{spec.name}": build_form_field(spec, PLAIN) for spec in action.fields or ()}
    return type("CallForm", (forms.Form,), {**first, **inputs})


def _setting_field(spec: FieldSpec) -> forms.Field:
    """The field of a setting; a secret is typed, and not shown again."""
    if spec.kind is not FieldKind.SECRET:
        return build_form_field(spec, PLAIN)
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(required=False, max_length=20_000, label=translated(spec.label) or spec.name, widget=widget)


def _run(
    draft: DeclaredConnectorDraft, adapter: ConnectorAdapter, action: Action, form: forms.Form, *, by: Person
) -> CallResult:
    """Raises NotPermittedError."""
    params = _values(form, _INPUT, action.fields or ())
    if "connection" in form.fields:
        return run_test_call(adapter, action, form.cleaned_data["connection"], params, by=by)
    return run_draft_call(draft, adapter, action, _values(form, _SETTING, adapter.config_fields), params, by=by)


def _values(form: forms.Form, part: str, specs: Iterable[FieldSpec]) -> dict[str, Any]:
    """Entered values by name, without the empty ones."""
    return {spec.name: value for spec in specs if (value := _value(form, part, spec)) is not None}


def _value(form: forms.Form, part: str, spec: FieldSpec) -> Any:
    value = form.cleaned_data.get(f"{part}_{spec.name}")
    return None if value == "" or value is False else value


def _form_problems(form: forms.Form) -> list[str]:
    labels = {name: str(form.fields[name].label) for name in form.errors}
    said = {name: " ".join(map(str, errors)) for name, errors in form.errors.items()}
    return [f"{labels[name]}{after_label(labels[name], text)}" for name, text in said.items()]


def _problems(form: forms.Form, part: str, specs: Iterable[FieldSpec]) -> list[str]:
    found = []
    for spec in specs:
        value = _value(form, part, spec)
        if (reason := spec.problem(value)) and not (value is None and spec.default is not None):
            found.append(translated(relabelled(reason, name=form.fields[f"{part}_{spec.name}"].label)))
    return found


def _call_response(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return TemplateResponse(request, "automate_studio/connectors/call_result.html", context, status=status)


def _output(result: CallResult) -> JsonTree | None:
    return None if result.error else JsonTree(part="call", root="", url="", value=result.output)


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
