"""The choice of operations: those of the draft's OpenAPI document, by page, search and tag."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from automate_connectors.declared.openapi.reader import Operation
from automate_connectors.declared.openapi.schemas import plain
from automate_connectors.declared.yaml_files import DocumentError
from automate_connectors.stored import drafts
from automate_connectors.stored.edits import read_value
from automate_connectors.stored.models import DeclaredConnectorDraft
from automate_governance.admin_site import reverse
from automate_plugins import text
from automate_studio.connectors.access import get_draft
from automate_studio.connectors.listing import draft_name
from automate_studio.connectors.new import line_and_reason
from automate_ui.navigation.admin_pages import list_response
from automate_ui.navigation.http import HttpResponseSeeOther, current_person
from automate_ui.navigation.lists import (
    MOST_CHOICES,
    ListPage,
    build_list_page,
    filter_choice,
    list_query,
    page_slice,
)

ON_A_PAGE = 50
TABS = {"": text("All"), "chosen": text("Chosen")}


@dataclass(frozen=True, kw_only=True)
class OperationRow:
    """An operation in the list."""

    id: str
    method: str
    path: str
    summary: str
    tags: str
    chosen: bool
    ticked: bool


@require_http_methods(["GET", "HEAD", "POST"])
def connector_operations(request: HttpRequest, pk: int) -> HttpResponse:
    """The operations; a POST adds the ticked ones to the draft."""
    draft = get_draft(request, pk)
    if draft.document is None:
        raise Http404
    if request.method == "POST":
        return _add(request, draft)
    url = reverse("studio:connector_operations", args=[pk])
    found = operation_page(draft, request.GET)
    shown = {row.id for row in found.rows}
    elsewhere = [_token(name) for name in _ticked(request.GET, draft) if name not in shown]
    title = _("Operations of %(document)s") % {"document": draft.document}
    template = "automate_studio/connectors/operations.html"
    chosen = len(_chosen(draft))
    more = {"draft": draft, "name": draft_name(draft), "chosen": chosen, "elsewhere": elsewhere}
    return list_response(request, template, title, url, found, **more)


def _add(request: HttpRequest, draft: DeclaredConnectorDraft) -> HttpResponse:
    try:
        wanted = _ticked(request.POST, draft)
        added = drafts.add_operations(draft, wanted, by=current_person(request))
    except DocumentError as error:
        messages.error(request, line_and_reason(error))
    else:
        said = ngettext("%(count)s operation added.", "%(count)s operations added.", added) % {"count": added}
        messages.success(request, said) if added else messages.error(request, _("Choose an operation first."))
    if "more" in request.POST:
        return HttpResponseSeeOther(
            f"{reverse('studio:connector_operations', args=[draft.pk])}?{request.GET.urlencode()}"
        )
    return HttpResponseSeeOther(reverse("studio:connector_draft", args=[draft.pk]))


def operation_page(draft: DeclaredConnectorDraft, query: QueryDict) -> ListPage:
    """A page of the operations, in the order of the document."""
    api = drafts.read_api(draft)
    chosen = _chosen(draft)
    kept = list_query(query, TABS, "tag", size=ON_A_PAGE)
    found = api.search(kept.search)
    tag = kept.values.get("tag")
    found = {name: each for name, each in found.items() if not tag or tag in _tags(each)}
    by_tab = {"": list(found), "chosen": [name for name in found if name in chosen]}
    counts = {tab: len(names) for tab, names in by_tab.items()}
    names = by_tab[kept.tab][page_slice(kept, counts[kept.tab])]
    filters = [filter_choice(kept, "tag", _("Group"), [(each, each) for each in _all_tags(api.operations)])]
    ticked = set(_ticked(query, draft))
    rows = [_row(name, found[name], chosen=name in chosen, ticked=name in ticked) for name in names]
    return build_list_page(kept, rows, counts, tabs=TABS, filters=filters)


def _row(name: str, operation: Operation, *, chosen: bool, ticked: bool) -> OperationRow:
    return OperationRow(
        id=name,
        method=operation.method,
        path=operation.path,
        summary=plain(operation.summary, 120),
        tags=", ".join(_tags(operation)),
        chosen=chosen,
        ticked=ticked,
    )


def _ticked(sent: QueryDict, draft: DeclaredConnectorDraft) -> list[str]:
    """The ticked operations: those on the page by name, the others by token. One more than a connector can have."""
    named = [name.replace("\0", "") for name in sent.getlist("operation")]
    if tokens := set(sent.getlist("ticked")):
        named += [name for name in drafts.read_api(draft).operations if _token(name) in tokens]
    return list(dict.fromkeys(named))[: drafts.MOST_OPERATIONS + 1]


def _token(name: str) -> str:
    """A short name of an operation: searches carry all that are ticked in their URL, which servers limit to 4 KB."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _tags(operation: Operation) -> list[str]:
    tags = operation.source.get("tags")
    return [each[:100] for each in tags if isinstance(each, str)] if isinstance(tags, list) else []


def _all_tags(operations: Mapping[str, Operation]) -> list[str]:
    found = dict.fromkeys(tag for each in operations.values() for tag in _tags(each))
    return sorted(found)[:MOST_CHOICES]


def _chosen(draft: DeclaredConnectorDraft) -> set[str]:
    actions = read_value(draft).get("actions")
    listed = actions if isinstance(actions, list) else []
    return {str(each.get("operation")) for each in listed if isinstance(each, dict) and each.get("operation")}
