"""URLs of the overview and its actions."""

from __future__ import annotations

from automate_studio.overview import views as overview
from automate_studio.overview.views import mark_group, requeue_dead_jobs, retry_group
from automate_ui.view_access import staff

urlpatterns = [
    staff("overview/", overview.overview_page, "overview"),
    staff("failures/<int:pk>/rerun/", retry_group, "failures_rerun"),
    staff("failures/<int:pk>/mark/", mark_group, "failures_mark"),
    staff("jobs/replay/", requeue_dead_jobs, "jobs_requeue"),
]
