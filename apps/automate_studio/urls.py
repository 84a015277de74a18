"""The studio's fragments and streams. Include them before the admin's own URLs:

    path("admin/automate/", include("automate_studio.urls"))

The pages themselves hang on the admin (`admin.py`).
"""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from automate_studio import views

app_name = "studio"
urlpatterns = [
    path("workflows/<int:pk>/file/", admin.site.admin_view(views.workflow_file), name="workflow_file"),
    path(
        "runs/<uuid:run_id>/step/<path:path>/download/", admin.site.admin_view(views.run_download), name="run_download"
    ),
    path("runs/<uuid:run_id>/step/<path:path>/", admin.site.admin_view(views.run_step), name="run_step"),
    path("runs/<uuid:run_id>/patch/", admin.site.admin_view(views.run_patch), name="run_patch"),
    path("runs/<uuid:run_id>/stream/", views.run_stream, name="run_stream"),
]
