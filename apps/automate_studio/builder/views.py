"""The builder: a draft's tree and its panel. Every edit is one POST, one command, and fragments in response."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automate_authoring import workflows
from automate_authoring.drafts import action_versions, clipboard, commands, requests, rows
from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.connector_triggers import CONNECTOR_KINDS
from automate_authoring.drafts.errors import ConflictError, EditError, RefusedError
from automate_authoring.drafts.fields import OF_STEP
from automate_authoring.drafts.values import KIND_LABELS, Draft, TriggerNode
from automate_connectors.models import Connection
from automate_core.definition.step_paths import START
from automate_core.models import Workflow
from automate_governance.admin_site import reverse
from automate_governance.middleware import show_once
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, User, can, permitted
from automate_governance.texts import translated
from automate_plugins.fields import FieldKind
from automate_studio.builder.offer_search import find_offers
from automate_studio.builder.offers import palette_groups
from automate_studio.builder.panel import generic_action, steps, wait_fields
from automate_studio.builder.panel.conditions import condition_command
from automate_studio.builder.panel.forms import ROWS
from automate_studio.builder.panel.generic_action import complete_stored_action
from automate_studio.builder.panel.panel import Panel, panel_at, settings_values, with_json_field
from automate_studio.builder.panel.parsing import changed_fields
from automate_studio.builder.panel.problem_messages import ProblemLine, editing_problem_lines
from automate_studio.builder.panel.setup import TRIGGERS
from automate_studio.builder.panel.steps import (
    SETTINGS,
    empty_value,
    path_of_step,
    posted_kinds,
    settings_field_specs,
    step_at,
    step_field_specs,
)
from automate_studio.builder.tests.views import test_badges
from automate_studio.builder.triggers.connector_form import trigger_offers
from automate_studio.builder.triggers.endpoints import InvalidEndpointError, create_endpoint, endpoint_form
from automate_studio.builder.triggers.trigger_form import changed_config
from automate_studio.builder.triggers.waiting import capture_event, poll_event
from automate_studio.view_models.endpoints.info import build_endpoint_info as webhook_shown
from automate_studio.view_models.step_tree import DraftMarks, ProblemMark, StepCard, StepTree, draft_tree
from automate_ui.admin_page import render_page
from automate_ui.formatting import as_sentence
from automate_ui.json.editor import parse_json
from automate_ui.links import change_url
from automate_ui.navigation.http import clean_text, current_person, parse_number
from automate_ui.request_params import get_editable_workflow, get_workflow_or_404

_CLIP = "automate_clip"
_LONGEST_QUERY = 200
_JSON = {"when", "config", "inputs", "set", "unset"}


@require_safe
def builder_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole builder, with the step that `?step=` names in the panel.

    Those who may only view the workflow are redirected to its page, where they can read the draft.
    """
    workflow = get_workflow_or_404(request, pk)
    if not can(request.user, "change", workflow):
        messages.info(request, _("You can view this workflow. To edit it, you need the Change permission."))
        return redirect(f"{change_url(workflow)}{'?show=draft' if workflow.has_unpublished_changes else ''}")
    state = commands.load_state(get_editable_workflow(request, pk))
    if action_versions.migrate_steps(state.draft.copy()):
        state = commands.migrate_actions(pk, by=current_person(request))
        if state.done.words:
            messages.info(request, translated(state.done.words))
    path = request.GET.get("step", "")
    panel = panel_at(state, path, request.user) if path else None
    context = _builder_context(request, state, panel)
    template, title = "automate_studio/builder/page.html", state.workflow.name
    return render_page(request, template, title, **context, is_fullwidth="1")


@require_safe
def insert_palette(request: HttpRequest, pk: int) -> HttpResponse:
    """Palette for the place that the parameters name; with `q`, the offers in it that fit, as JSON."""
    workflow = get_editable_workflow(request, pk)
    place = clean_text(request.GET.get("parent")), clean_text(request.GET.get("slot"))
    index = parse_number(request.GET.get("index"))
    at = 100_000 if index is None else index
    groups = palette_groups(workflow, rows.load_draft(workflow), request.user, place, at)
    if query := clean_text(request.GET.get("q"))[:_LONGEST_QUERY]:
        return JsonResponse({"found": find_offers(groups, query, request.user)})
    context = {"workflow": workflow, "groups": groups, "clip": request.session.get(_CLIP)}
    return TemplateResponse(request, "automate_studio/builder/palette.html", context)


def step_panel(request: HttpRequest, pk: int, path: str) -> HttpResponse:
    """Panel of a step, of the triggers or of the workflow. A POST stores its changed fields."""
    if request.method == "POST":
        return _store_fields(request, pk, path)
    state = commands.load_state(get_editable_workflow(request, pk))
    panel = panel_at(state, path, request.user)
    if panel is None:
        raise Http404
    panel = with_json_field(panel, request.GET.get("json", ""))
    return TemplateResponse(request, "automate_studio/builder/panel.html", _builder_context(request, state, panel))


@require_POST
def run_command(request: HttpRequest, pk: int) -> HttpResponse:
    """Run one command, whose fields are the request's."""
    workflow = get_editable_workflow(request, pk)
    selected = request.POST.get("selected", "")

    def act() -> DraftState:
        if request.POST.get("do") in {"undo", "redo"}:
            turn = commands.undo if request.POST["do"] == "undo" else commands.redo
            return turn(
                workflow.pk,
                last=parse_number(request.POST.get("last")) or 0,
                by=current_person(request),
                tab=_tab(request),
            )
        return commands.run_command(
            workflow.pk,
            requests.read_request(_command_document(request), lax=True),
            by=current_person(request),
            tab=_tab(request),
        )

    return _edit_response(request, act, selected)


@require_POST
def store_condition(request: HttpRequest, pk: int, path: str) -> HttpResponse:
    """Store a posted condition, as rows or JSON, after the action `act`."""
    workflow = get_editable_workflow(request, pk)

    def act() -> DraftState:
        rev = parse_number(request.POST.get("rev")) or 0
        document = condition_command(rows.load_draft(workflow), path, request.POST, rev)
        return commands.run_command(
            workflow.pk, requests.read_request(document), by=current_person(request), tab=_tab(request)
        )

    return _edit_response(request, act, path, template="condition_saved.html")


@require_POST
def copy_step(request: HttpRequest, pk: int) -> HttpResponse:
    """Copy a step with its contents into the session's clipboard."""
    state = commands.load_state(get_editable_workflow(request, pk))
    key = request.POST.get("key", "")
    try:
        request.session[_CLIP] = clipboard.build_clip(state.draft, [key])
    except RefusedError as error:
        return _error_response(request, error)
    node = state.draft.steps.get(key)
    said = _("Copied %(step)s") % {"step": node.label} if node else _("Copied the trigger")
    return HttpResponse(render_to_string("automate_studio/builder/toast.html", {"said": said}, request))


def _tab(request: HttpRequest) -> str:
    """The browser tab that sent a request, by the name that it gave itself."""
    return clean_text(request.headers.get("X-Automate-Tab"))[:36]


def _command_document(request: HttpRequest) -> dict[str, Any]:
    """Fields of a request as a command's document. Raises RefusedError."""
    document: dict[str, Any] = {name: value for name, value in request.POST.items() if name not in _NOT_OURS}
    for name in _JSON & document.keys():
        try:
            document[name] = parse_json(document[name]) if document[name].strip() else None
        except ValueError as error:
            raise RefusedError(str(error), name) from error
    if document.get("do") == "paste":
        document["clip"] = request.session.get(_CLIP, {})
    return document


MARKED = "-marked"  #: the paths of the cards that the browser shows with a problem; no field has such a name
_NOT_OURS = {"csrfmiddlewaretoken", "selected", "last"}


def _edit_response(
    request: HttpRequest, act: Callable[[], DraftState], selected: str, *, template: str = "answer.html"
) -> HttpResponse:
    """Response to an edit: tree, bar and panel; or why it was not made."""
    try:
        state = act()
    except NotPermittedError as error:
        raise PermissionDenied from error
    except EditError as error:
        return _error_response(request, error)
    if state.done.selected in state.draft.steps:
        selected = path_of_step(state.draft, state.done.selected)
    panel = panel_at(state, selected, request.user) if selected else None
    return TemplateResponse(request, f"automate_studio/builder/{template}", _builder_context(request, state, panel))


def _error_response(request: HttpRequest, error: EditError) -> HttpResponse:
    """409 with the other person's change and a way to override it, 422 with what to fix."""
    again = {name: texts for name, texts in request.POST.lists() if name not in {"csrfmiddlewaretoken", MARKED}}
    if isinstance(error, ConflictError):
        again["last" if request.POST.get("do") in {"undo", "redo"} else "rev"] = [str(error.rev)]
    context = {
        "error": error,
        "reason": as_sentence(str(error)),
        "again": again,
        "conflict": isinstance(error, ConflictError),
        "subject": _edited_name(request),
        "url": request.path,
    }
    return TemplateResponse(
        request, "automate_studio/builder/conflict.html", context, status=409 if context["conflict"] else 422
    )


def _edited_name(request: HttpRequest) -> str:
    """Name of the object that a request edits, for messages."""
    if request.POST.get("trigger") or request.POST.get("do") == "edit_trigger":
        return _("this trigger")
    if request.path.endswith(f"/{SETTINGS}/"):
        return _("the settings")
    is_tree = request.POST.get("do") in requests.TYPES.keys() - {each.__struct_config__.tag for each in OF_STEP}
    return _("this workflow") if is_tree or request.POST.get("do") in {"undo", "redo"} else _("this step")


# --- fields -----------------------------------------------------------------------------------------------------------


def _store_fields(request: HttpRequest, pk: int, path: str) -> HttpResponse:
    """Store the changed fields of a panel."""
    workflow = get_editable_workflow(request, pk)
    structure = workflow.structure_rev
    document: dict[str, Any] = {}
    unread: list[str] = []
    try:
        before = rows.load_draft(workflow)
        document, refused = _changed_command(request, before, path)
        unread = list(refused)
        if document:
            state = commands.run_command(
                pk, requests.read_request(document), by=current_person(request), tab=_tab(request)
            )
        else:
            state = commands.load_state(workflow)
    except NotPermittedError as error:
        raise PermissionDenied from error
    except RefusedError as error:
        if not error.field:
            return _error_response(request, error)
        refused = {error.field: _("Not saved: %(problem)s") % {"problem": as_sentence(str(error))}}
        unread = []  # none of the fields was stored
        state = commands.load_state(workflow)
    except ConflictError as error:
        return _error_response(request, error)
    panel = panel_at(state, path, request.user, refused)
    if panel is None:
        raise Http404
    shown = next((each for each in panel.triggers if each.path == request.POST.get("trigger")), panel)
    drawn = _builder_context(request, state, panel)
    context = {
        **drawn,
        "form": shown,
        "marked": list(_marked_cards(drawn["tree"], panel.path, request.POST.getlist(MARKED))),
        "not_saved": bool(refused),
        "unread": json.dumps([_posted_name(request, name) for name in unread]),
        "refit": _wait_kind(state.draft, path) != _wait_kind(before, path),
        "redraw": state.workflow.structure_rev != structure or _slots(state.draft, path) != _slots(before, path),
        "written": {*document.get("set", ()), *document.get("unset", ())},
    }
    return TemplateResponse(request, "automate_studio/builder/saved.html", context, status=422 if refused else 200)


def _posted_name(request: HttpRequest, name: str) -> str:
    """Name of a field in its form: in a trigger's rows, prefixed with the trigger's key."""
    rows_of_trigger = f"{request.POST.get('trigger', '')}.{name}"
    return rows_of_trigger if f"{rows_of_trigger}{ROWS}" in request.POST else name


def _slots(draft: Draft, path: str) -> list[str]:
    """Slots of the panel's step: some fields add or remove one."""
    node = step_at(draft, path)
    return node.slots if node else []


def _wait_kind(draft: Draft, path: str) -> str:
    """What the panel's step waits for, on which its fields depend."""
    node = step_at(draft, path)
    return wait_fields.wait_kind(node.settings) if node and node.kind == "wait" else ""


def _changed_command(request: HttpRequest, draft: Draft, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """(the command that stores changed fields, if any; unreadable fields)."""
    rev = parse_number(request.POST.get("rev")) or 0
    if path == SETTINGS:
        found, unset, errors = changed_fields(settings_field_specs(draft), settings_values(draft), request.POST)
        found |= {name: _EMPTY[name] for name in unset if name in _EMPTY}
        return ({"do": "edit_settings", "rev": rev, "set": found} if found else {}), errors
    if path == START:
        return _changed_trigger(request, draft, rev)
    node = step_at(draft, path)
    if node is None:
        raise RefusedError(_("This step was deleted."))
    all_found: dict[str, Any] = {}
    all_unset: list[str] = []
    all_errors: dict[str, str] = {}
    drawn = posted_kinds(request.POST)
    for specs, present, prefix in step_field_specs(node, request.user, drawn, request.POST.get("content_type", "")):
        found, unset, errors = changed_fields(specs, present, request.POST, prefix)
        all_found |= found
        all_unset += unset
        all_errors |= errors
    free = steps.free_inputs(node, drawn)
    kept = [name for name in all_unset if name in free and free[name].kind is not FieldKind.NUMBER]
    all_found |= {name: empty_value(free[name].kind, node.inputs.get(free[name].name)) for name in kept}
    all_unset = [name for name in all_unset if name not in kept]
    if node.kind == "wait":
        wait_fields.complete_wait(node, all_found, all_unset, all_errors)
    if generic_action.is_generic(node):
        complete_stored_action(node, all_found, all_unset, all_errors)
    document = {"do": "edit", "rev": rev, "key": node.key, "set": all_found, "unset": all_unset}
    return (document if all_found or all_unset else {}), all_errors


_EMPTY: dict[str, Any] = {
    "name": "",
    "description": "",
    "tags": [],
    "timezone": "",
    "priority": 0,
    "runs_on": "",
    "vars": {},
    "subject": "",
    "search_terms": {},
    "concurrency": None,
    "retention": None,
    "agents": None,
}


def _changed_trigger(request: HttpRequest, draft: Draft, rev: int) -> tuple[dict[str, Any], dict[str, str]]:
    node: TriggerNode | None = draft.triggers.get(request.POST.get("trigger", ""))
    if node is None:
        raise RefusedError(_("This trigger was deleted."))
    found, unset, errors = changed_config(node, request.POST)
    document = {"do": "edit_trigger", "rev": rev, "key": node.key, "set": found, "unset": unset}
    return (document if found or unset else {}), errors


# --- triggers ---------------------------------------------------------------------------------------------------------


@require_POST
def trigger_endpoint(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """Create a webhook endpoint for a trigger. Its secret is in this response only."""
    workflow = get_editable_workflow(request, pk)
    try:
        state, secret = create_endpoint(workflow, key, request.POST, by=current_person(request))
    except InvalidEndpointError as error:
        form = endpoint_form(workflow, key, request.user, error.form)
        if form is None:
            raise PermissionDenied from error
        again: dict[str, Any] = {
            "creating": form,
            "key": key,
            "workflow": workflow,
            "open": True,
        }
        return TemplateResponse(request, "automate_studio/builder/triggers/endpoint_form.html", again, status=422)
    except EditError as error:
        return _error_response(request, error)
    config = state.draft.triggers[key].config
    context = {
        **_builder_context(request, state, panel_at(state, START, request.user)),
        "fresh": webhook_shown(config["endpoint"], request.user, config.get("event", ""), secret=secret),
        "fresh_key": key,
    }
    answer = TemplateResponse(request, "automate_studio/builder/answer.html", context)
    show_once(answer, secret)
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
def trigger_event(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """Whether an event of the trigger's source arrived; a POST shows it and makes it the sample."""
    state = commands.load_state(get_editable_workflow(request, pk))
    if request.method != "POST":
        return poll_event(request, state, key)
    shown = capture_event(request, state, key)
    context = {**_builder_context(request, state, panel_at(state, START, request.user)), **shown}
    return TemplateResponse(request, "automate_studio/builder/triggers/captured.html", context)


# --- what is drawn ----------------------------------------------------------------------------------------------------


def _builder_context(request: HttpRequest, state: DraftState, panel: Panel | None) -> dict[str, Any]:
    revs = {key: node.rev for key, node in state.draft.steps.items()}
    badges = test_badges(state.workflow, state.parsed.definition)
    problems = editing_problem_lines(state.draft, state.problems)
    edited = DraftMarks(
        *_problem_marks(problems), revs, _connection_names(state, request.user), _runs_as(state.workflow), badges
    )
    tree = draft_tree(state.parsed.definition, edited)
    selected = panel.path if panel else ""
    levels = Counter(line.level for line in problems)
    return {
        "state": state,
        "workflow": state.workflow,
        "may_publish": not workflows.refusal(state.workflow, current_person(request)),
        "tree": tree,
        "panel": panel,
        "card": _card_at(tree, selected),
        "selected": selected,
        "step_url": reverse("studio:builder", args=[state.workflow.pk]) + "step/",
        "condition_url": reverse("studio:builder_condition", args=[state.workflow.pk, selected or START]),
        "problems": problems,
        "errors": levels["error"],
        "missing": levels["missing"],
        "warnings": levels["warning"],
        "triggers": {kind: name for kind, name in TRIGGERS.items() if kind not in CONNECTOR_KINDS},
        "polls": trigger_offers("poll", request.user) if selected == START else [],
        "services": trigger_offers("service", request.user) if selected == START else [],
        "containers": _CONTAINERS,
        "remarks": [as_sentence(remark) for remark in state.done.remarks],
    }


_CONTAINERS = {kind: KIND_LABELS[kind] for kind in ("branch", "for_each", "try", "parallel", "repeat")}


def _connection_names(state: DraftState, user: User) -> dict[str, str]:
    """Names of the draft's connections by slug, of those that this person may use."""
    slugs = {node.connection for node in state.draft.steps.values() if node.connection}
    if not slugs:
        return {}
    found = permitted(user, "use", Connection.objects.filter(slug__in=slugs))
    return dict(found.values_list("slug", "name"))


def _runs_as(workflow: Workflow) -> str:
    return "" if workflow.run_as_id == workflow.owner_id else sign_in_name(workflow.run_as)


def _card_at(tree: StepTree, path: str) -> StepCard | None:
    return tree.trigger if path == START else next((card for card in tree.flat() if card.path == path), None)


def _marked_cards(tree: StepTree, but: str, drawn: Collection[str]) -> Iterator[StepCard]:
    """The other cards with a problem, now or where they are `drawn`: an edit of one step may solve another's."""
    for card in (tree.trigger, *tree.flat()):
        if card.path != but and (card.mark or card.path in drawn):
            yield card


_SEVERITY = ("warning", "missing", "error")  #: the last wins


def _problem_marks(problems: list[ProblemLine]) -> tuple[Mapping[str, ProblemMark], ProblemMark | None]:
    """The worst problem of each step by key, and of the triggers."""
    found: dict[str, ProblemMark] = {}
    for line in sorted(problems, key=lambda line: _SEVERITY.index(line.level)):
        found[line.path.rpartition("/")[2]] = ProblemMark(level=line.level, text=line.text)
    return found, found.get(START)
