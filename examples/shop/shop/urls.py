"""Deliveries, Automate's screens, and the admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("hooks/", include("automate_core.urls")),
    path("admin/automate/", include("automate_studio.urls")),  # before the admin's own
    path("admin/", admin.site.urls),
]
