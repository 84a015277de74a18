"""Commands of the palette: create a workflow, run one, open a page of the sidebar."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest
from django.utils.translation import gettext as _
from unfold.dataclasses import SearchResult

from automate_core.models import Workflow
from automate_governance.admin_site import reverse
from automate_governance.permissions import User, can, permitted
from automate_studio import navigation
from automate_ui.navigation import registry

EACH = 6  #: workflows that are offered to run
_RUN, _COPY = "run", "copy"


def find_commands(request: HttpRequest, text: str) -> list[SearchResult]:
    """Commands with words that begin as the text's words do; those whose title begins with it come first."""
    wanted = text.lower()
    found = [
        *_registered_commands(request.user, wanted),
        *_page_commands(request, wanted),
        *_run_commands(request.user, wanted),
        *_copy_commands(request.user, wanted),
    ]
    return sorted(found, key=lambda each: not each.title.lower().startswith(wanted))


def _registered_commands(user: User, text: str) -> Iterator[SearchResult]:
    """Registered commands."""
    for command in registry.commands_for(user):
        if _matches_words(str(command.title), text):
            title = str(command.title)
            yield SearchResult(title=title, description=_("Command"), link=command.url, icon=command.icon)


def _page_commands(request: HttpRequest, text: str) -> Iterator[SearchResult]:
    """Pages of the sidebar, which holds those that the person may open."""
    for group in navigation.sidebar(request):
        for item in group["items"]:
            if _matches_words(_("Go to %(page)s") % {"page": item["title"]}, text):
                yield SearchResult(
                    title=str(item["title"]), description=_("Go to page"), link=item["link"], icon=item["icon"]
                )


def _named_after(verb: str, text: str) -> str | None:
    """The name that a text asks for with a verb; empty for a prefix of the verb, None for anything else."""
    first, _space, rest = text.partition(" ")
    if first == verb:
        return rest.strip().removeprefix("workflow").strip()
    return "" if verb.startswith(text) else None


def _copy_commands(user: User, text: str) -> Iterator[SearchResult]:
    """Workflows that may be copied, after "copy"."""
    name = _named_after(_COPY, text)
    if name is None or not can(user, "add", Workflow):
        return
    found = permitted(user, "view", Workflow.objects.filter(name__icontains=name)).order_by("name", "pk")
    for workflow in found[:EACH]:
        yield SearchResult(
            title=_("Copy %(name)s") % {"name": workflow.name},
            description=_("Command"),
            link=reverse("studio:workflow_copy", args=[workflow.pk]),
            icon="content_copy",
        )


def _run_commands(user: User, text: str) -> Iterator[SearchResult]:
    """Workflows that may be run now, by name; all of them for a prefix of "run"."""
    name = _named_after(_RUN, text)
    name = text if name is None else name
    live = Workflow.objects.filter(status__in=(Workflow.Status.ACTIVE, Workflow.Status.PAUSED), name__icontains=name)
    for workflow in permitted(user, "run", live).order_by("name", "pk")[:EACH]:
        yield SearchResult(
            title=_("Run %(workflow)s") % {"workflow": workflow.name},
            description=_("Command"),
            link=reverse("studio:workflow_start", args=[workflow.pk]),
            icon="play_arrow",
        )


def _matches_words(title: str, text: str) -> bool:
    """Whether each word of the text begins a word of the title."""
    words = title.lower().split()
    return all(any(word.startswith(part) for word in words) for part in text.split())
