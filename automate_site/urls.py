"""The site's URLs: the API, deliveries, the live stream (before the admin, which cannot serve it), and the admin."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.urls import include, path
from django.views.generic import RedirectView

from automate_core.api import live, metrics, ready
from automate_site import views
from automate_studio.shell.sign_in import sign_in

handler500 = "automate_site.views.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.admin_view(views.home)),
    path("admin/login/", sign_in),  # one page for staff and for people who only decide approvals
    path("admin/password_change/", login_required(admin.site.password_change)),  # likewise
    path("admin/password_change/done/", login_required(admin.site.password_change_done)),
    path("healthz/", views.health),
    path("metrics", metrics),
    path("livez/", live),
    path("readyz/", ready),
    path("api/v1/", include("automate_api.urls")),
    path("hooks/", include("automate_core.urls")),
    path("forms/", include("automate_studio.forms.urls")),
    path("admin/automate/", include("automate_studio.urls")),
    path("admin/automate/", include("automate_api.screens.urls")),
    path("admin/", admin.site.urls),
]

if settings.AUTOMATE_MCP_OAUTH:
    from automate_api.mcp.oauth.views import register

    urlpatterns += [path("", include("automate_api.mcp.oauth.urls"))]
    # clients that find no registration endpoint in the metadata try this one
    urlpatterns += [path("register", register), path("register/", register)]
if settings.AUTOMATE_DEMO:
    urlpatterns += [path("demo/echo/", views.echo), path("demo/echo/<path:path>", views.echo)]
