"""The site's URLs with those of OAuth."""

from __future__ import annotations

from django.urls import include, path

from automate_api.mcp.oauth.views import register
from automate_site.urls import urlpatterns as site_urls

urlpatterns = [path("", include("automate_api.mcp.oauth.urls")), path("register", register), *site_urls]
