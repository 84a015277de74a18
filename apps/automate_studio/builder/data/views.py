"""Views of the data picker, the field preview and the sample panel."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automate_authoring.definitions.scope import scope_at
from automate_authoring.drafts import commands
from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.drafts.values import StepNode
from automate_connectors.registry import find_action
from automate_core.expressions.json_path import Path
from automate_governance.admin_site import reverse
from automate_governance.permissions import can
from automate_plugins.fields import FieldKind, FieldSpec
from automate_studio.builder.data import declared_types, picker
from automate_studio.builder.data.declared_types import TypeOnly, declared_output, declared_scope
from automate_studio.builder.data.picker import PickerData, PickerGroup, picker_groups, picker_level, with_rows
from automate_studio.builder.data.picker_search import file_groups, search_groups
from automate_studio.builder.data.preview import build_entry_preview, build_preview, with_number_hint
from automate_studio.builder.data.sample_history import past_samples
from automate_studio.builder.panel.steps import step_at
from automate_studio.samples.choice import choose_sample, sample_options
from automate_studio.samples.samples import Sample, WithheldSample, sample_for_step
from automate_ui.formatting import as_sentence
from automate_ui.navigation.http import clean_text, current_person, parse_number
from automate_ui.request_params import get_editable_workflow

MAX_PATH = 20
_OUTPUT = 2  #: where `output` stands in the path of a step's


@require_safe
def picker_tree(request: HttpRequest, pk: int, path: str) -> HttpResponse:
    """The picker at a step; with `open` one level, with `q` the search results, with `files` the files alone."""
    state, node = _draft_and_step(request, pk, path)
    sample = sample_for_step(state, node, current_person(request))
    context = {"workflow": state.workflow, "url": request.path, "query": "", "sample": sample}
    if "open" in request.GET:
        opened = _parse_opened(request.GET["open"])
        data = _picker_data(request, state, node, sample, [str(opened[1])] if len(opened) > _OUTPUT else [])
        return TemplateResponse(
            request, "automate_studio/builder/data/level.html", context | _level_context(request, opened, data)
        )
    data = _picker_data(request, state, node, sample, _nearest_steps(state, node))
    found = picker_groups(state, node, data)
    query = clean_text(request.GET.get("q"))
    if files := file_groups(query, found, data) if "files" in request.GET else []:
        found = files
        context["url"] = f"{request.path}?files=1"
    elif query:
        found = search_groups(query, found, data)
    context |= {"groups": found, "query": query, "withheld": isinstance(sample, WithheldSample), "step": node.label}
    template = "tree.html" if "q" in request.GET else "picker.html"
    return TemplateResponse(request, f"automate_studio/builder/data/{template}", context)


@require_POST
def field_preview(request: HttpRequest, pk: int, path: str) -> HttpResponse:
    """Preview of the text of the field `name` on the sample."""
    state, node = _draft_and_step(request, pk, path)
    name, text = request.POST.get("name", ""), request.POST.get("text", "").replace("\r\n", "\n")
    sample = sample_for_step(state, node, current_person(request))
    field, _, cell = name.partition("::")
    spec, shape = _find_spec(node, field if cell == "item" else name), _declared_shape(state, node)
    if cell == "item":
        is_flat = spec is not None and not spec.nested
        found = build_entry_preview(text, sample, shape) if is_flat else build_preview(text, None, sample, shape)
    else:
        found = build_preview(text, spec, sample, shape)
    if request.POST.get("drawn") == FieldKind.NUMBER:
        found = with_number_hint(found, text)
    context = {"preview": found, "id": clean_text(request.POST.get("id")), "workflow": state.workflow}
    return TemplateResponse(request, "automate_studio/builder/data/preview.html", context)


@require_http_methods(["GET", "POST"])
def sample_panel(request: HttpRequest, pk: int) -> HttpResponse:
    """Available samples; a POST chooses one or stores an edited one."""
    workflow = get_editable_workflow(request, pk)
    may_see = can(request.user, "view_payload", workflow)
    error = ""
    if request.method == "POST":
        if not may_see:
            raise PermissionDenied
        state = commands.load_state(workflow)
        try:
            choose_sample(state, request.POST, by=current_person(request))
        except RefusedError as refused:
            error = as_sentence(str(refused))
    state = commands.load_state(workflow)
    choice = sample_options(state, current_person(request)) if may_see else None
    context = {
        "choice": choice,
        "text": request.POST.get("payload", "") if error else choice.text if choice else "",
        "mark": "chosen" if choice and choice.chosen == "edited" else "",
        "error": error,
        "url": reverse("studio:builder_sample", args=[pk]),
    }
    return TemplateResponse(request, "automate_studio/builder/data/samples.html", context, status=422 if error else 200)


def _draft_and_step(request: HttpRequest, pk: int, path: str) -> tuple[DraftState, StepNode]:
    state = commands.load_state(get_editable_workflow(request, pk))
    node = step_at(state.draft, path)
    if node is None:
        raise Http404
    return state, node


def _nearest_steps(state: DraftState, node: StepNode) -> list[str]:
    scope = scope_at(state.parsed.definition, node.key)
    return [available.step.key for available in scope.steps[-picker.OPEN_STEPS :]]


def _picker_data(
    request: HttpRequest, state: DraftState, node: StepNode, sample: Sample | WithheldSample | None, opened: list[str]
) -> PickerData:
    """Sources of the picker's rows; for `opened` steps also past samples."""
    shape = _declared_shape(state, node)
    if not isinstance(sample, Sample):
        return PickerData(scope=None, shape=shape)
    others = past_samples(state, current_person(request), sample.scope["event"], opened)
    return PickerData(scope=sample.scope, shape=shape, others=others)


def _declared_shape(state: DraftState, node: StepNode) -> dict[str, Any]:
    """Declared shape of the scope at a step."""
    keys = [available.step.key for available in scope_at(state.parsed.definition, node.key).steps]
    outputs = {key: {"output": declared_output(state.draft.steps[key])} for key in keys}
    definition = state.parsed.definition
    return {**declared_scope(state), "steps": outputs, "callbacks": _TextScope(), "vars": definition.vars}


class _TextScope(dict[str, TypeOnly]):
    """A scope in which every name is a text."""

    def get(self, name: str, default: Any = None) -> TypeOnly:
        return declared_types.TEXT


def _parse_opened(text: str) -> Path:
    """Path of the opened level, as its row sent it. Raises Http404."""
    try:
        path = json.loads(text[:2_000])
    except (ValueError, RecursionError):
        raise Http404 from None
    if (
        not isinstance(path, list)
        or not 0 < len(path) <= MAX_PATH
        or not all(type(part) in (str, int) for part in path)
    ):
        raise Http404
    return tuple(path)


def _level_context(request: HttpRequest, opened: Path, data: PickerData) -> dict[str, Any]:
    """Context of one level: that of a group or of a value inside it."""
    depth = parse_number(request.GET.get("level")) or 1
    only_if = request.GET.get("only_if", "")[:1]
    if depth == 1:
        group = with_rows(PickerGroup(label="", path=opened, only_if=only_if), data)
        return {"rows": group.rows, "hint": group.hint}
    return {"rows": picker_level(opened, data, only_if=only_if, depth=min(depth, MAX_PATH) + 1), "hint": ""}


def _find_spec(node: StepNode, name: str) -> FieldSpec | None:
    """Spec of the field, for its type; None where any type is accepted."""
    if name in _OWN.get(node.kind, {}):
        return FieldSpec(name=name, kind=_OWN[node.kind][name])
    prefix, _, own = name.partition(".")
    if prefix != "inputs" or node.kind != "action":
        return None
    try:
        _, action = find_action(node.action)
    except LookupError:
        return None
    return next((spec for spec in action.fields or () if spec.name == own), None)


_OWN: dict[str, dict[str, FieldKind]] = {
    "for_each": {"items": FieldKind.LIST},
    "workflow": {"payload": FieldKind.JSON},
    "approval": {
        "assignees": FieldKind.LIST,
        "groups": FieldKind.LIST,
        "excluded": FieldKind.LIST,
        "context": FieldKind.MAPPING,
    },
}
