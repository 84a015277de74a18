"""Texts of the scripts in one language, for `shared/i18n.js`."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.i18n import JavaScriptCatalog

from automate_governance.people.locale import usable_language

_catalogue = JavaScriptCatalog.as_view(packages=["automate_studio"])


@cache_control(max_age=600)
def script_messages(request: HttpRequest, language: str) -> HttpResponseBase:
    """The catalogue of a language, the same for everyone; English for one that the site does not have."""
    with translation.override(usable_language(language) or "en"):
        return _catalogue(request)
