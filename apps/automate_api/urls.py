"""The paths of the API: `path("api/v1/", include("automate_api.urls"))`.

Without the extra `api` there are none, and a system check says so.
"""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern

app_name = "automate_api"
urlpatterns: list[URLPattern] = []

if find_spec("ninja") is not None:
    from automate_api.v1 import routes

    urlpatterns = routes.urlpatterns
