"""The template library, and a template's page with its requirements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from automate_authoring.library import files, instantiate, needs
from automate_authoring.library.files import CATEGORIES, Template
from automate_authoring.library.needs import Need
from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint, WorkerState, Workflow
from automate_governance.admin_site import reverse
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import can, permitted
from automate_governance.texts import translated
from automate_studio.view_models.step_tree import StepCard, StepTree, draft_tree
from automate_ui.admin_page import render_page
from automate_ui.fields import FormFieldView, build_widget_field
from automate_ui.forms import answer_widget
from automate_ui.htmx import as_htmx_request
from automate_ui.json.responses import json_rows_response
from automate_ui.json.tree import JsonTree
from automate_ui.keyset_pages import KeysetPage
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person
from automate_ui.navigation.lists import Tab

_MOST_TILES = 5
_ONLINE_SECONDS = 60


@dataclass(frozen=True)
class TemplatePicture:
    """A tree as a row of tiles; `fork` holds the first steps of two routes at its end."""

    row: tuple[StepCard, ...]
    fork: tuple[StepCard, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TemplateCard:
    """A template in the library."""

    template: Template
    picture: TemplatePicture
    steps: int
    needs: list[Need]


@dataclass(frozen=True, kw_only=True)
class SetupTask:
    """A setup task of a new site."""

    text: str
    note: str
    is_done: bool
    is_next: bool = False
    url: str = ""
    button: str = ""


@require_safe
def template_list(request: HttpRequest) -> HttpResponse:
    """All templates, those of one category, or search results."""
    _check_may_add(request)
    return render_page(request, "automate_studio/library/list.html", _("Templates"), **_template_grid(request, ""))


@require_http_methods(["GET", "HEAD", "POST"])
def template_detail(request: HttpRequest, slug: str) -> HttpResponse:
    """A template; a POST creates a draft from it and opens the builder."""
    _check_may_add(request)
    found = files.installed_templates().get(slug)
    if found is None:
        raise Http404
    wanted = needs.find_needs(found, needs.load_available(current_person(request)))
    errors: dict[str, str] = {}
    if request.method == "POST" and not any(need.kind == "action" for need in wanted):
        try:
            return _create_from_template(request, found)
        except instantiate.SettingError as error:
            errors = error.errors
    tree = draft_tree(found.definition)
    choices = _posted_choices(found, request.POST)
    return render_page(
        request,
        "automate_studio/library/page.html",
        translated(found.name),
        status=422 if request.method == "POST" else 200,
        template=found,
        category=translated(CATEGORIES[found.category]),
        tree=tree,
        steps=sum(1 for _ in tree.flat()),
        needs=[(need, choices.of_need(need), _create_url(request, need)) for need in wanted],
        asks=list(_variable_fields(found, request.POST, errors)),
        usable=not any(need.kind == "action" for need in wanted),
        sample=JsonTree(
            part="payload",
            root="event.payload",
            url=f"{reverse('studio:template_sample', args=[slug])}?part=payload",
            value=found.sample.payload,
        ),
    )


@require_safe
def template_sample(request: HttpRequest, slug: str) -> HttpResponse:
    """Rows of a template's sample, as `json_rows_response` returns them."""
    _check_may_add(request)
    found = files.installed_templates().get(slug)
    if found is None:
        raise Http404
    return json_rows_response(request, found.sample.payload)


def is_first_run(request: HttpRequest) -> bool:
    """Whether this person may build workflows and sees none yet."""
    if request.GET or as_htmx_request(request).htmx or not can(request.user, "add", Workflow):
        return False
    return not permitted(request.user, "view", Workflow.objects.all()).exists()


def first_run_page(request: HttpRequest) -> HttpResponse:
    """First page of an empty site: setup tasks and templates."""
    context = {"to_do": list(_setup_tasks(request)), **_template_grid(request, reverse("studio:template_list"))}
    return render_page(request, "automate_studio/library/first_run.html", _("Get started"), **context)


def _check_may_add(request: HttpRequest) -> None:
    if not can(request.user, "add", Workflow):
        raise PermissionDenied


# --- the shelf --------------------------------------------------------------------------------------------------------


def _template_grid(request: HttpRequest, base: str) -> dict[str, Any]:
    """Context of the grid of templates; its filters are links to `base`."""
    category, search = request.GET.get("category", ""), clean_text(request.GET.get("q"))
    everything = files.installed_templates().values()
    there = needs.load_available(current_person(request))
    shown = [
        each
        for each in everything
        if category in {"", each.category} and _matches_words(each, search.casefold().split())
    ]
    kept = {"q": search} if search else {}
    present = {each.category for each in everything}
    tabs = [Tab(name=_("All"), url=f"{base}?{urlencode(kept)}", active=not category)]
    tabs += [
        Tab(name=translated(name), url=f"{base}?{urlencode({**kept, 'category': key})}", active=key == category)
        for key, name in CATEGORIES.items()
        if key in present
    ]
    return {
        "cards": [_template_card(each, there) for each in shown],
        "found": KeysetPage(
            rows=shown,
            tabs=tabs,
            search=search,
            filtered=bool(search or category),
            hidden={"category": category} if category else {},
        ),
        "base": base,
    }


def _matches_words(template: Template, words: Iterable[str]) -> bool:
    """Whether all words occur in the template's texts or connectors."""
    texts = [template.name, template.summary, template.definition.description, CATEGORIES[template.category]]
    names = [*template.definition.tags, *template.connectors.values()]
    text = " ".join([*texts, *map(translated, texts), *names]).casefold()
    return all(word in text for word in words)


def _template_card(template: Template, there: needs.Available) -> TemplateCard:
    tree = draft_tree(template.definition)
    return TemplateCard(
        template=template,
        picture=build_picture(tree),
        steps=sum(1 for _ in tree.flat()),
        needs=list({need.title: need for need in needs.find_needs(template, there)}.values()),
    )


def build_picture(tree: StepTree) -> TemplatePicture:
    """The tree as a small picture: its first steps up to the first fork."""
    row = [tree.trigger]
    for card in tree.cards:
        row.append(card)
        ways = [route.cards[0] for route in card.routes if route.cards]
        if len(ways) > 1 and len(row) < _MOST_TILES:
            return TemplatePicture(tuple(row), tuple(ways[:2]))
        row += ways[:1]
        if len(row) >= _MOST_TILES:
            break
    return TemplatePicture(tuple(row[:_MOST_TILES]))


# --- one template -----------------------------------------------------------------------------------------------------


def _create_from_template(request: HttpRequest, template: Template) -> HttpResponse:
    """Create the draft and report the settings still to make. Raises SettingError."""
    created = instantiate.use_template(template, _posted_choices(template, request.POST), by=current_person(request))
    said = _("Draft created from the template %(name)s.") % {"name": translated(template.name)}
    if created.unmet:
        missing = _("Before you publish it, set up: %(names)s.") % {"names": ", ".join(created.unmet)}
        said = f"{said} {missing}"
    messages.success(request, said)
    return HttpResponseSeeOther(reverse("studio:builder", args=[created.workflow.pk]))


def _posted_choices(template: Template, post: Mapping[str, str]) -> instantiate.Choices:
    def chosen(kind: str, names: Iterable[str]) -> dict[str, str]:
        return {name: post[f"{kind}-{name}"] for name in names if f"{kind}-{name}" in post}

    return instantiate.Choices(
        connections=chosen("connection", template.needs.connections),
        endpoints=chosen("endpoint", template.needs.endpoints),
        settings=_posted_variables(template, post),
    )


def _posted_variables(template: Template, post: Mapping[str, str]) -> dict[str, str]:
    return {name: post[f"setting-{name}"].replace("\0", "") for name in template.settings if f"setting-{name}" in post}


def _variable_fields(template: Template, post: Mapping[str, str], errors: Mapping[str, str]) -> Iterator[FormFieldView]:
    """Variables as fields, except groups, which are among the needs."""
    for name, setting in template.settings.items():
        if setting.kind != "group":
            value = post.get(f"setting-{name}", str(template.definition.vars[name]))
            yield build_widget_field(
                f"setting-{name}",
                translated(setting.label),
                answer_widget(setting.kind, (), {"required": True, "maxlength": 1000}),
                value,
                help=f"{translated(setting.help)}." if setting.help else "",
                error=errors.get(name, ""),
            )


def _create_url(request: HttpRequest, need: Need) -> str:
    """URL where this person can create what is missing; empty without permission or without a form."""
    if need.kind == "connection" and can(request.user, "add", Connection):
        return f"{reverse('admin:automate_connectors_connection_add')}?{urlencode({'connector': need.of})}"
    if need.kind == "endpoint" and can(request.user, "add", WebhookEndpoint):
        return reverse("admin:automate_core_webhookendpoint_add")
    return ""


# --- the first page ---------------------------------------------------------------------------------------------------


def _worker_note(worker: WorkerState) -> str:
    free = max(0, worker.slots - worker.held)
    return ngettext(
        "%(name)s is online, %(count)s worker slot free", "%(name)s is online, %(count)s worker slots free", free
    ) % {"name": worker.name, "count": free}


def _setup_tasks(request: HttpRequest) -> Iterator[SetupTask]:
    """Setup tasks of a new site in order; the first open one is next."""
    person = current_person(request)
    since = timezone.now() - dt.timedelta(seconds=_ONLINE_SECONDS)
    worker = WorkerState.objects.filter(seen_at__gte=since).order_by("name").first()
    connected = permitted(person, "use", Connection.objects.all()).exists()
    may_connect = can(person, "add", Connection)
    signed_in = _("Signed in as %(name)s") % {"name": sign_in_name(person)}
    things = [
        (_("Sign in"), signed_in, True, "", ""),
        (
            _("Start a worker"),
            _worker_note(worker) if worker else _("Run: manage.py automate_worker"),
            bool(worker),
            "",
            "",
        ),
        (
            _("Connect an app"),
            _("GitHub, Slack, email, HTTP and others"),
            connected,
            reverse("admin:automate_connectors_connection_add") if may_connect else "",
            _("Connect"),
        ),
        (_("Publish a workflow"), _("Build it from a template or from scratch"), False, "", ""),
    ]
    reached = False
    for text, note, is_done, url, button in things:
        is_next = not (is_done or reached)
        reached = reached or is_next
        yield SetupTask(
            text=text, note=note, is_done=is_done, is_next=is_next, url="" if is_done else url, button=button
        )
