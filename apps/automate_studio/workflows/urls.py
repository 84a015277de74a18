"""URLs of workflows: creation, actions, sharing."""

from __future__ import annotations

from automate_studio.workflows import actions, run_actions, share, views
from automate_studio.workflows.create import copy_workflow, import_yaml, new_workflow
from automate_studio.workflows.manual_run_status import manual_start_status
from automate_ui.view_access import staff

urlpatterns = [
    staff("workflows/new/", new_workflow, "workflow_new"),
    staff("workflows/import/", import_yaml, "workflow_import"),
    staff("workflows/<int:pk>/copy/", copy_workflow, "workflow_copy"),
    staff("workflows/<int:pk>/file/", views.workflow_file, "workflow_file"),
    staff("workflows/<int:pk>/start/", run_actions.workflow_start, "workflow_start"),
    staff("workflows/<int:pk>/started/<uuid:event_id>/", manual_start_status, "workflow_started"),
    staff("workflows/<int:pk>/pause/", run_actions.workflow_pause, "workflow_pause"),
    staff("workflows/<int:pk>/resume/", run_actions.workflow_resume, "workflow_resume"),
    staff("workflows/<int:pk>/archive/", actions.workflow_archive, "workflow_archive"),
    staff("workflows/<int:pk>/restore/", actions.workflow_restore, "workflow_restore"),
    staff("workflows/manage/", actions.workflows_manage, "workflows_manage"),
    staff("share/<slug:kind>/<int:pk>/", share.share, "share"),
    staff("share/<slug:kind>/<int:pk>/names/", share.share_names, "share_names"),
]
