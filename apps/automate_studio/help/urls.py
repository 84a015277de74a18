"""URLs of the help."""

from __future__ import annotations

from django.urls import path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from automate_studio.help.pages import START
from automate_studio.help.views import help_image, help_page
from automate_ui.view_access import signed_in

urlpatterns = [
    path("help/", signed_in(require_safe(RedirectView.as_view(url=f"{START}/", query_string=True))), name="help"),
    path("help/images/<path:name>", signed_in(help_image), name="help_image"),
    path("help/<path:name>/", signed_in(help_page), name="help_page"),
]
