"""URLs of runs: list, page, stream and actions."""

from __future__ import annotations

from django.urls import path

from automate_studio.runs.actions import run_cancel, run_pin
from automate_studio.runs.listing import bulk, export
from automate_studio.runs.listing.saved_views import change_view, delete_view, save_view
from automate_studio.runs.page import files, rerun, step_actions, stream, values
from automate_studio.runs.views import run_approvals, run_step
from automate_ui.view_access import staff

urlpatterns = [
    staff("runs/<uuid:run_id>/step/<path:path>/", run_step, "run_step"),
    staff("runs/<uuid:run_id>/asks/", run_approvals, "run_approvals"),
    staff("runs/<uuid:run_id>/patch/", stream.run_patch, "run_patch"),
    path("runs/<uuid:run_id>/stream/", stream.run_stream, name="run_stream"),
    staff("runs/<uuid:run_id>/cancel/", run_cancel, "run_cancel"),
    staff("runs/<uuid:run_id>/rerun/", rerun.run_rerun, "run_rerun"),
    staff("runs/<uuid:run_id>/value/<path:path>/", values.run_value, "run_value"),
    staff("runs/<uuid:run_id>/download/<path:path>/", values.run_download, "run_download"),
    staff("files/<str:reference>/", files.file_download, "file_download"),
    staff("runs/<uuid:run_id>/retry/<path:path>/", step_actions.run_step_retry, "run_step_retry"),
    staff("runs/<uuid:run_id>/skip/<path:path>/", step_actions.run_skip, "run_skip"),
    staff("runs/<uuid:run_id>/review/<path:path>/", step_actions.run_review, "run_review"),
    staff("runs/<uuid:run_id>/decide/<path:path>/", step_actions.run_decide, "run_decide"),
    staff("runs/bulk/", bulk.runs_bulk, "runs_bulk"),
    staff("runs/bulk/<uuid:action_id>/", bulk.bulk_progress, "bulk_progress"),
    staff("runs/bulk/<uuid:action_id>/stop/", bulk.bulk_stop, "bulk_stop"),
    staff("runs/export/", export.runs_export, "runs_export"),
    staff("runs/views/", save_view, "view_save"),
    staff("runs/views/<int:pk>/", change_view, "view_change"),
    staff("runs/views/<int:pk>/delete/", delete_view, "view_delete"),
    staff("runs/<uuid:run_id>/pin/", run_pin, "run_pin"),
]
