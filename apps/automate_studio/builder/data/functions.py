"""The functions and filters of expressions, searched and inserted from a field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from automate_core.expressions.templating import reference
from automate_core.expressions.templating.reference import Entry
from automate_studio.ui.request_params import get_editable_workflow

_APPLIED = re.compile(r"\|\s*(\w+(?:\((?:'[^']*'|\"[^\"]*\"|[^()'\"])*\))?)")


@dataclass(frozen=True, kw_only=True)
class FunctionEntry:
    """One function or filter. `applied` is what goes behind a name, `around` what a name, at `$`, goes into."""

    entry: Entry
    applied: str = ""
    around: str = ""

    @property
    def words(self) -> str:
        """What it gives, without the signs that set names apart in a text file."""
        return self.entry.words.replace("`", "")

    @property
    def sought(self) -> str:
        """What a search looks through after the name."""
        return f"{self.entry.words} {self.entry.about}".lower()


@require_safe
def function_list(request: HttpRequest, pk: int) -> HttpResponse:
    """All of them. They are the same for every workflow and person."""
    get_editable_workflow(request, pk)
    offers = [_function_entry(entry) for entry in reference.entries()]
    groups = [(about, list(found)) for about, found in groupby(offers, key=lambda offer: offer.entry.about)]
    return TemplateResponse(request, "automate_studio/builder/functions.html", {"groups": groups})


def _function_entry(entry: Entry) -> FunctionEntry:
    if entry.about == reference.FUNCTIONS_ABOUT:
        return FunctionEntry(entry=entry, around="first($, '')" if entry.name == "first" else "")
    found = (match[1] for match in _APPLIED.finditer(entry.example))
    applied = (text for text in found if text.partition("(")[0] == entry.name)
    return FunctionEntry(entry=entry, applied=next(applied, entry.name))
