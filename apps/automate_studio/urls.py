"""The studio's fragments and streams. Include them before the admin's own URLs:

    path("admin/automate/", include("automate_studio.urls"))

The pages themselves hang on the admin (`admin.py`).
"""

from __future__ import annotations

from django.urls import include, path

from automate_studio.audit.views import audit_export, audit_verify
from automate_studio.builder.data.run_reuse import run_as_sample, test_on_run
from automate_studio.builder.publishing import (
    compare_versions,
    republish_version,
    restore_version,
    review_draft,
    version_list,
)
from automate_studio.connections import views as connections
from automate_studio.events import page
from automate_studio.events.page import rejected_list
from automate_studio.library.views import template_detail, template_list
from automate_studio.model_usage import views as model_usage
from automate_studio.notifications import views as notifications
from automate_studio.notifications.views import notification_resend, rule_action
from automate_studio.operations import plugins
from automate_studio.operations.retention import retention_page
from automate_studio.overview import views as overview
from automate_studio.overview.views import mark_group, requeue_dead_jobs, retry_group
from automate_studio.people.hand_over import hand_over
from automate_studio.runs.actions import run_cancel, run_pin
from automate_studio.runs.listing import bulk, export
from automate_studio.runs.listing.saved_views import change_view, delete_view, save_view
from automate_studio.runs.page import rerun, step_actions, stream, values
from automate_studio.runs.views import run_approvals, run_step
from automate_studio.shell.sign_in import sign_in, sign_out, signed_in
from automate_studio.tasks import views as tasks
from automate_studio.ui.staff_views import staff
from automate_studio.webhooks import views as webhooks
from automate_studio.workflows import actions, run_actions, share, views
from automate_studio.workflows.create import import_yaml, new_workflow
from automate_studio.workflows.manual_run_status import manual_start_status

app_name = "studio"
urlpatterns = [
    staff("gallery/", template_list, "gallery"),
    staff("gallery/<slug:slug>/", template_detail, "template"),
    staff("workflows/new/", new_workflow, "workflow_new"),
    staff("workflows/import/", import_yaml, "workflow_import"),
    staff("workflows/<int:pk>/file/", views.workflow_file, "workflow_file"),
    staff("runs/<uuid:run_id>/step/<path:path>/", run_step, "run_step"),
    staff("runs/<uuid:run_id>/asks/", run_approvals, "run_asks"),
    staff("runs/<uuid:run_id>/patch/", stream.run_patch, "run_patch"),
    path("runs/<uuid:run_id>/stream/", stream.run_stream, name="run_stream"),
    staff("runs/<uuid:run_id>/cancel/", run_cancel, "run_cancel"),
    staff("runs/<uuid:run_id>/retry/", rerun.run_retry, "run_retry"),
    staff("runs/<uuid:run_id>/sample/", run_as_sample, "run_sample"),
    staff("runs/<uuid:run_id>/test/", test_on_run, "run_test"),
    staff("runs/<uuid:run_id>/value/<path:path>/", values.run_value, "run_value"),
    staff("runs/<uuid:run_id>/download/<path:path>/", values.run_download, "run_download"),
    staff("runs/<uuid:run_id>/try-now/<path:path>/", step_actions.run_try_now, "run_try_now"),
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
    staff("runs/<uuid:run_id>/keep/", run_pin, "run_keep"),
    staff("workflows/<int:pk>/start/", run_actions.workflow_start, "workflow_start"),
    staff("workflows/<int:pk>/started/<uuid:event_id>/", manual_start_status, "workflow_started"),
    staff("workflows/<int:pk>/pause/", run_actions.workflow_pause, "workflow_pause"),
    staff("workflows/<int:pk>/resume/", run_actions.workflow_resume, "workflow_resume"),
    staff("workflows/<int:pk>/archive/", actions.workflow_archive, "workflow_archive"),
    staff("workflows/<int:pk>/restore/", actions.workflow_restore, "workflow_restore"),
    staff("workflows/manage/", actions.workflows_manage, "workflows_manage"),
    path("workflows/<int:pk>/builder/", include("automate_studio.builder.urls")),
    staff("events/refused/", rejected_list, "event_refused"),
    staff("events/<uuid:event_id>/replay/", page.event_replay, "event_replay"),
    staff("events/<uuid:event_id>/value/", page.event_value, "event_value"),
    staff("events/<uuid:event_id>/download/", page.event_download, "event_download"),
    staff("events/<uuid:event_id>/sample/", page.event_sample, "event_sample"),
    staff("workflows/<int:pk>/check/", page.event_check, "event_check"),
    staff("workflows/<int:pk>/review/", review_draft, "review"),
    staff("workflows/<int:pk>/versions/", version_list, "versions"),
    staff("workflows/<int:pk>/versions/compare/", compare_versions, "versions_compare"),
    staff("workflows/<int:pk>/versions/<int:number>/restore/", restore_version, "version_restore"),
    staff("workflows/<int:pk>/versions/<int:number>/publish/", republish_version, "version_publish"),
    staff("connections/<int:pk>/test/", connections.connection_test, "connection_test"),
    staff("connections/try/", connections.connection_try, "connection_try"),
    staff("connections/<int:pk>/try/", connections.connection_try, "connection_try_change"),
    staff("webhooks/<int:pk>/end-overlap/", webhooks.webhook_end_overlap, "webhook_end_overlap"),
    staff("connections/<int:pk>/sign-in/", connections.oauth_start, "oauth_start"),
    staff("oauth/callback/", connections.oauth_callback, "oauth_callback"),
    staff("overview/", overview.overview_page, "overview"),
    staff("failures/<int:pk>/retry/", retry_group, "failures_retry"),
    staff("failures/<int:pk>/mark/", mark_group, "failures_mark"),
    staff("jobs/replay/", requeue_dead_jobs, "jobs_replay"),
    staff("share/<slug:kind>/<int:pk>/", share.share, "share"),
    staff("model-usage/export/", model_usage.usage_export, "model_usage_export"),
    staff("audit/export/", audit_export, "trail_export"),
    staff("audit/verify/", audit_verify, "trail_verify"),
    staff("people/<str:pk>/hand-over/", hand_over, "hand_over"),
    staff("retention/", retention_page, "retention"),
    staff("plugins/", plugins.plugin_list, "plugin_list"),
    staff("notifications/", notifications.site_notifications, "notifications"),
    staff("notifications/new/", notifications.rule_new, "rule_new"),
    staff("notifications/<int:rule_id>/", notifications.rule_edit, "rule_edit"),
    staff("notifications/<int:rule_id>/do/", rule_action, "rule_do"),
    staff("notifications/sent/<uuid:notification_id>/again/", notification_resend, "notification_again"),
    staff("workflows/<int:pk>/notifications/", notifications.workflow_notifications, "workflow_notifications"),
    staff("workflows/<int:pk>/notifications/new/", notifications.rule_new, "rule_new_of"),
    staff("workflows/<int:pk>/notifications/<int:rule_id>/mute/", notifications.rule_mute, "rule_mute"),
    # whoever is asked may answer, of the staff or not
    path("approvals/", signed_in(tasks.approval_list), name="approval_list"),
    path("approvals/<uuid:wait_id>/", signed_in(tasks.approval_page), name="approval_page"),
    path("approvals/<uuid:wait_id>/delegate/", signed_in(tasks.approval_delegate), name="approval_delegate"),
    path("approvals/hand-over/", signed_in(tasks.approvals_hand_over), name="approvals_hand_over"),
    path("approvals/<uuid:wait_id>/reassign/", signed_in(tasks.approval_reassign), name="approval_reassign"),
    path("sign-in/", sign_in, name="sign_in"),
    path("sign-out/", sign_out, name="sign_out"),
]
