"""The functions and filters of expressions, searched and inserted from a field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from automate_governance.texts import translated
from automate_studio.builder.data import reference
from automate_studio.builder.data.reference import Entry
from automate_ui.request_params import get_editable_workflow

_APPLIED = re.compile(r"\|\s*(\w+(?:\((?:'[^']*'|\"[^\"]*\"|[^()'\"])*\))?)")


@dataclass(frozen=True, kw_only=True)
class FunctionEntry:
    """One function or filter. `applied` is appended to a name; `wrapper` surrounds a name, which replaces its `$`."""

    entry: Entry
    applied: str = ""
    wrapper: str = ""

    @property
    def words(self) -> str:
        """Result in words, without the backticks of the reference."""
        return translated(self.entry.words).replace("`", "")

    @property
    def search_text(self) -> str:
        """Text that a search matches after the name, in lower case."""
        return f"{translated(self.entry.words)} {translated(self.entry.about)}".lower()


@require_safe
def function_list(request: HttpRequest, pk: int) -> HttpResponse:
    """All functions and filters, those of plug-ins last: the same for every workflow and person."""
    get_editable_workflow(request, pk)
    offers = [_function_entry(entry) for entry in (*reference.entries(), *reference.plugin_entries())]
    found = groupby(offers, key=lambda offer: offer.entry.about)
    groups = [(translated(about), list(some)) for about, some in found]
    return TemplateResponse(request, "automate_studio/builder/functions.html", {"groups": groups})


def _function_entry(entry: Entry) -> FunctionEntry:
    if entry.about == reference.FUNCTIONS_ABOUT:
        return FunctionEntry(entry=entry, wrapper="first($, '')" if entry.name == "first" else "")
    found = (match[1] for match in _APPLIED.finditer(entry.example))
    applied = (text for text in found if text.partition("(")[0] == entry.name)
    return FunctionEntry(entry=entry, applied=next(applied, entry.name))
