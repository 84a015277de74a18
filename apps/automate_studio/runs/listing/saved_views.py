"""Saved views of the run list: named filters, private or shared with people who may see what they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_core.models import ExecutionRun, Workflow
from automate_governance.permissions import User, holds_anywhere, permitted
from automate_governance.texts import translated
from automate_operations.queries.run_filters import TABS
from automate_studio.models import SavedView
from automate_ui.navigation.http import clean_text, current_person
from automate_ui.navigation.lists import Tab
from automate_ui.runs.run_filters import Filters, parse_filters

MOST = 50  #: views of one person
LONGEST = 60  #: characters of a name
_OF_PAYLOADS = {"term", "error", "q"}  #: filters whose values may be a part of what runs carry


@dataclass(frozen=True, kw_only=True)
class ViewTab:
    """A saved view among the tabs. `is_own` says whether this person may rename, share and delete it."""

    view: SavedView
    tab: Tab
    is_own: bool


@dataclass(frozen=True, kw_only=True)
class ViewBar:
    """Tabs of the run list: the fixed ones, then the saved views.

    `query` is the query that would be saved, empty without filters; `present` is the active saved view.
    """

    tabs: list[Tab]
    views: list[ViewTab]
    query: str
    present: ViewTab | None


@dataclass(frozen=True, kw_only=True)
class ViewOutcome:
    """Result of a change; a deleted view can be restored."""

    message: str
    deleted: SavedView | None = None
    failed: bool = False


def build_view_bar(user: User, filters: Filters) -> ViewBar:
    """The tabs as `user` sees them."""
    query = filters.address()
    rows = list(visible_views(user))
    known = _meaningless_views(user, [row for row in rows if row.owner_id != user.pk])
    views = [
        ViewTab(
            view=row,
            tab=Tab(name=row.name, url=row.query, active=row.query == query),
            is_own=row.owner_id == user.pk or user.is_superuser,
        )
        for row in rows
        if row.owner_id == user.pk or row.pk in known
    ]
    present = next((each for each in views if each.tab.active), None)
    return ViewBar(
        tabs=[
            Tab(name=translated(name), url=filters.address(show=key), active=key == filters.tab and present is None)
            for key, (name, _states) in TABS.items()
        ],
        views=views,
        query=query if query != "?" else "",
        present=present,
    )


def visible_views(user: User) -> Iterable[SavedView]:
    """The person's own views first, then shared ones."""
    found = SavedView.objects.filter(Q(owner=user.pk) | Q(is_shared=True)).alias(is_own=Q(owner=user.pk))
    return found.order_by("-is_own", "name", "pk")[: 4 * MOST]


def _meaningless_views(user: User, shared: Iterable[SavedView]) -> set[int]:
    """Keys of views that name workflows the person may not know, or payloads. One query."""
    asked_for = {view.pk: parse_filters(QueryDict(view.query.removeprefix("?"))) for view in shared}
    slugs = {slug for filters in asked_for.values() for slug in filters.many("workflow")}
    workflows = permitted(user, "view", Workflow.objects.filter(slug__in=slugs)).values_list("slug", flat=True)
    known = set(workflows) if slugs else set()
    may_read = holds_anywhere(user, "view_payload", ExecutionRun)
    return {
        key
        for key, filters in asked_for.items()
        if known.issuperset(filters.many("workflow")) and (may_read or not _OF_PAYLOADS & set(filters.params))
    }


# --- what people do with them -----------------------------------------------------------------------------------------


@require_POST
def save_view(request: HttpRequest) -> HttpResponse:
    """Save the filters of the list under a name."""
    filters, name = _posted_filters(request), clean_text(request.POST.get("name"))
    query = filters.address()
    if not filters.params or not name or len(name) > LONGEST or len(query) > 2_000 or filters.problems:
        said = _("Set a filter, and enter a name of at most %(limit)s characters.") % {"limit": LONGEST}
        return _bar_response(request, ViewOutcome(message=said, failed=True), status=422)
    if SavedView.objects.filter(owner=request.user.pk).count() >= MOST:
        said = _("You have reached the limit of %(limit)s views. Delete one first.") % {"limit": MOST}
        return _bar_response(request, ViewOutcome(message=said, failed=True), status=409)
    view = SavedView(owner=current_person(request), name=name, query=query, is_shared="shared" in request.POST)
    return _write_view(request, lambda: view.save(force_insert=True), _("View “%(name)s” saved.") % {"name": name})


@require_POST
def change_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename a view, share it or stop sharing it."""
    view, name = _get_own_view(request, pk), clean_text(request.POST.get("name"))
    if not name or len(name) > LONGEST:
        said = _("Enter a name of at most %(limit)s characters.") % {"limit": LONGEST}
        return _bar_response(request, ViewOutcome(message=said, failed=True), status=422)
    view.name, view.is_shared = name, "shared" in request.POST
    said = _("View “%(name)s” saved.") % {"name": name}
    return _write_view(request, lambda: view.save(update_fields=["name", "is_shared"]), said)


@require_POST
def delete_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a view; the response has an undo."""
    view = _get_own_view(request, pk)
    view.delete()
    said = _("View “%(name)s” deleted.") % {"name": view.name}
    return _bar_response(request, ViewOutcome(message=said, deleted=view))


def _get_own_view(request: HttpRequest, pk: int) -> SavedView:
    """The person's own view; 404 for an invisible one, 403 for another person's."""
    view = get_object_or_404(SavedView, pk=pk)
    if view.owner_id == request.user.pk or request.user.is_superuser:
        return view
    may_look = view.is_shared and holds_anywhere(request.user, "view", ExecutionRun)
    if may_look and _meaningless_views(request.user, [view]):
        raise PermissionDenied
    raise Http404


def _write_view(request: HttpRequest, write: Callable[[], Any], said: str) -> HttpResponse:
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        said = _("You already have a view with this name. Choose another name.")
        return _bar_response(request, ViewOutcome(message=said, failed=True), status=409)
    return _bar_response(request, ViewOutcome(message=said))


def _posted_filters(request: HttpRequest) -> Filters:
    return parse_filters(QueryDict(request.POST.get("query", "").removeprefix("?")))


def _bar_response(request: HttpRequest, outcome: ViewOutcome, *, status: int = 200) -> HttpResponse:
    """The tabs for the list's filters."""
    if not holds_anywhere(request.user, "view", ExecutionRun):
        raise Http404
    context = {"bar": build_view_bar(request.user, _posted_filters(request)), "outcome": outcome}
    return TemplateResponse(request, "automate_studio/runs/list/views_answer.html", context, status=status)
