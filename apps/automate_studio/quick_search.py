"""Search of the command palette (Ctrl or Cmd and K): commands, the workflows, runs, connections, webhook endpoints and
events that a person may view, and the headings and settings of the help.

Unfold caches results per person and text for five minutes. Here that cache is cleared before and after each search,
so that withdrawn permissions hold at once and no result stays in a cache.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

from django.core.cache import cache
from django.core.paginator import InvalidPage
from django.db.models import CharField, Model, Q, QuerySet
from django.db.models.functions import Cast, Right
from django.db.models.lookups import Exact
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from unfold.dataclasses import SearchResult
from unfold.settings import get_config

from automate_connectors.models import Connection
from automate_core.events import access
from automate_core.events.access import may_list_events
from automate_core.models import Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_governance.admin_site import admin_site, reverse
from automate_governance.permissions import User, permitted
from automate_operations.queries.event_search import lookup_events
from automate_operations.queries.run_search import run_id_range
from automate_operations.queries.trace_ids import TRACE_BEGINNING, hexadecimal
from automate_studio.help import pages, readers
from automate_studio.shell import palette_commands
from automate_studio.view_models.event_sources import describe_source
from automate_ui.formatting import format_dated, short_id, state_word
from automate_ui.links import change_url
from automate_ui.navigation.http import clean_text, parse_number

EACH = 6  #: of a kind that are offered
LEAST = 2  #: characters of a name; ids want more
LEAST_OF_HELP = 3  #: characters of a heading
SHOWN = 8  #: digits of an id that screens show, its last
ENDINGS = 20_000  #: of the newest events, those are looked for by the end of their id


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Search results of a text. Use as Unfold's `COMMAND["search_callback"]`."""
    text = clean_text(term)
    if len(text) < LEAST:
        return []
    user = request.user
    return [
        *palette_commands.find_commands(request, text),
        *_search_named(user, Workflow, "account_tree", _("Workflow"), ("name", "slug"), text),
        *_search_runs(user, text),
        *_search_events(user, text),
        *_search_named(user, Connection, "power", _("Connection"), ("name", "slug"), text),
        *_search_named(user, WebhookEndpoint, "webhook", _("Webhook"), ("slug",), text),
        *_search_help(user, text),
    ]


def is_quick_search_installed() -> bool:
    """Whether the project's settings make this the search of Unfold's palette."""
    return str(get_config()["COMMAND"].get("search_callback")) == f"{__name__}.{search.__name__}"


def uncached_search(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Unfold's search without its cache."""
    if "page" in request.GET and not parse_number(request.GET["page"]):
        raise Http404("there is no such page")
    site, key = admin_site(), _cache_key(request)
    cache.delete(key)
    try:
        answer: HttpResponse = type(site).search(site, request, extra_context)  # type: ignore[attr-defined]
    except InvalidPage as error:
        raise Http404("there is no such page") from error
    finally:
        cache.delete(key)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _cache_key(request: HttpRequest) -> str:
    """Unfold's cache key of a search."""
    base = f"{request.user.pk}_{request.GET.get('s', '').lower()}"
    return f"unfold_search_{hashlib.sha256(base.encode()).hexdigest()}"


def _search_named(
    user: User, model: type[Model], icon: str, kind: str, fields: tuple[str, ...], text: str
) -> Iterator[SearchResult]:
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": text})
    rows: QuerySet[Any] = permitted(user, "view", model._default_manager.filter(found)).order_by(fields[0], "pk")
    for row in rows[:EACH]:
        yield SearchResult(title=str(row), description=kind, link=change_url(row), icon=icon)


def _search_help(user: User, text: str) -> Iterator[SearchResult]:
    """Headings of the help with all words in them, and settings by a part of their name."""
    if len(text) < LEAST_OF_HELP:
        return
    language = pages.present_language()
    headings = [hit for hit in readers.search(user, text, language) if hit.is_named]
    for hit in [*pages.search_settings(text, language)[:EACH], *headings][:EACH]:
        link = reverse("studio:help_page", args=[hit.page.name]) + (f"#{hit.anchor}" if hit.anchor else "")
        said = f"{_('Help')} · {hit.page.title}" if hit.heading else _("Help")
        yield SearchResult(title=hit.heading or hit.page.title, description=said, link=link, icon="help")


def _search_runs(user: User, text: str) -> Iterator[SearchResult]:
    """Runs by trace id or its prefix, by id, or by the end of an id, as screens show it."""
    plain = hexadecimal(text)
    mine = permitted(user, "view", ExecutionRun.objects.all())
    parts = []
    if len(plain) == 32:
        parts = [mine.filter(trace_id=plain), mine.filter(pk=uuid.UUID(plain))]
    elif len(plain) >= TRACE_BEGINNING:
        parts = [mine.filter(trace_id__gte=plain, trace_id__lt=f"{plain}g")]
    if len(plain) == SHOWN:
        parts.append(mine.filter(pk__in=run_id_range(plain)))
    for run in _newest_of([part.select_related("workflow").defer("output", "vars") for part in parts]):
        title = _("Run %(id)s") % {"id": short_id(run.pk)}
        said = f"{run.workflow.name} · {state_word(run.status)}"
        yield SearchResult(title=title, description=said, link=change_url(run), icon="history")


def _search_events(user: User, text: str) -> Iterator[SearchResult]:
    """Events by trace id or its prefix, by id or its end, or by delivery key."""
    if not may_list_events(user):
        return
    reach = access.find_event_access(user, "view")
    parts = [*lookup_events(text, reach), *_by_id_end(Event.objects.filter(reach.condition()), hexadecimal(text))]
    for event in _newest_of([part.defer("payload", "headers") for part in parts]):
        title = describe_source(event.source).with_type(event.type)
        said = _("Event %(id)s, %(time)s") % {"id": short_id(event.pk), "time": format_dated(event.received_at)}
        yield SearchResult(title=title, description=said, link=change_url(event), icon="inbox")


def _by_id_end(rows: QuerySet[Event], end: str) -> list[QuerySet[Event]]:
    """The newest events whose id has that end, which no index supports."""
    if len(end) != SHOWN:
        return []
    edge = Event.objects.order_by("-pk").values_list("pk", flat=True)[ENDINGS : ENDINGS + 1].first()
    ending = rows.filter(Exact(Right(Cast("id", CharField()), SHOWN), end))
    return [ending.filter(pk__gt=edge) if edge else ending]


def _newest_of[M: Model](parts: list[QuerySet[M]]) -> list[M]:
    """The newest rows found, each once."""
    found = {row.pk: row for part in parts for row in part.order_by("-pk")[:EACH]}
    return [found[key] for key in sorted(found, reverse=True)][:EACH]
