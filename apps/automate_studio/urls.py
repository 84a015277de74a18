"""URLs of the studio's fragments, streams and own pages, screen by screen. Include them before the admin's own URLs:

    path("admin/automate/", include("automate_studio.urls"))

Lists and object pages are the admin's (`admin.py`).
"""

from __future__ import annotations

from django.urls import include, path

app_name = "studio"
urlpatterns = [
    path("", include("automate_studio.overview.urls")),
    path("", include("automate_studio.workflows.urls")),
    path("", include("automate_studio.triggers.urls")),
    path("", include("automate_studio.builder.urls")),
    path("", include("automate_studio.library.urls")),
    path("", include("automate_studio.runs.urls")),
    path("", include("automate_studio.events.urls")),
    path("", include("automate_studio.tasks.urls")),
    path("", include("automate_studio.forms.preview")),
    path("", include("automate_studio.connections.urls")),
    path("", include("automate_studio.connectors.urls")),
    path("", include("automate_studio.webhooks.urls")),
    path("", include("automate_studio.notifications.urls")),
    path("", include("automate_studio.model_usage.urls")),
    path("", include("automate_studio.operations.urls")),
    path("", include("automate_studio.people.urls")),
    path("", include("automate_studio.audit.urls")),
    path("", include("automate_studio.help.urls")),
    path("", include("automate_studio.shell.urls")),
]
