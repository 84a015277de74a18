"""The studio's fragments and streams. Include them before the admin's own URLs:

    path("admin/automate/", include("automate_studio.urls"))

The pages themselves hang on the admin (`admin.py`).
"""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, path

from automate_studio import (
    connections,
    doing,
    event_page,
    gallery,
    managing,
    model_usage,
    notifications,
    plugins,
    publishing,
    rerun,
    retention,
    run_bulk,
    run_export,
    run_reuse,
    run_steps,
    run_values,
    saved_views,
    share,
    started,
    starting,
    tasks,
    views,
    watching,
)
from automate_studio.builder import connections as builder_connections
from automate_studio.builder import data as builder_data
from automate_studio.builder import options as builder_options
from automate_studio.builder import presence
from automate_studio.builder import tests as builder_tests
from automate_studio.builder import views as builder
from automate_studio.overview import views as overview
from automate_studio.sign_in import View, sign_in, sign_out, signed_in


def _staff(route: str, view: View, name: str) -> URLPattern:
    """For the staff: others are sent to the admin's page for signing in."""
    return path(route, admin.site.admin_view(view), name=name)


app_name = "studio"
urlpatterns = [
    _staff("gallery/", gallery.gallery, "gallery"),
    _staff("gallery/<slug:slug>/", gallery.template, "template"),
    _staff("workflows/new/", starting.new, "workflow_new"),
    _staff("workflows/import/", starting.take_in, "workflow_import"),
    _staff("workflows/<int:pk>/file/", views.workflow_file, "workflow_file"),
    _staff("runs/<uuid:run_id>/step/<path:path>/", views.run_step, "run_step"),
    _staff("runs/<uuid:run_id>/asks/", views.run_asks, "run_asks"),
    _staff("runs/<uuid:run_id>/patch/", watching.run_patch, "run_patch"),
    path("runs/<uuid:run_id>/stream/", watching.run_stream, name="run_stream"),
    _staff("runs/<uuid:run_id>/cancel/", doing.run_cancel, "run_cancel"),
    _staff("runs/<uuid:run_id>/retry/", rerun.run_retry, "run_retry"),
    _staff("runs/<uuid:run_id>/sample/", run_reuse.run_sample, "run_sample"),
    _staff("runs/<uuid:run_id>/test/", run_reuse.run_test, "run_test"),
    _staff("runs/<uuid:run_id>/value/<path:path>/", run_values.run_value, "run_value"),
    _staff("runs/<uuid:run_id>/download/<path:path>/", run_values.run_download, "run_download"),
    _staff("runs/<uuid:run_id>/try-now/<path:path>/", run_steps.run_try_now, "run_try_now"),
    _staff("runs/<uuid:run_id>/skip/<path:path>/", run_steps.run_skip, "run_skip"),
    _staff("runs/<uuid:run_id>/review/<path:path>/", run_steps.run_review, "run_review"),
    _staff("runs/<uuid:run_id>/decide/<path:path>/", run_steps.run_decide, "run_decide"),
    _staff("runs/bulk/", run_bulk.runs_bulk, "runs_bulk"),
    _staff("runs/bulk/<uuid:action_id>/", run_bulk.bulk_progress, "bulk_progress"),
    _staff("runs/bulk/<uuid:action_id>/stop/", run_bulk.bulk_stop, "bulk_stop"),
    _staff("runs/export/", run_export.runs_export, "runs_export"),
    _staff("runs/views/", saved_views.save, "view_save"),
    _staff("runs/views/<int:pk>/", saved_views.change, "view_change"),
    _staff("runs/views/<int:pk>/delete/", saved_views.delete, "view_delete"),
    _staff("runs/<uuid:run_id>/keep/", doing.run_keep, "run_keep"),
    _staff("workflows/<int:pk>/start/", doing.workflow_start, "workflow_start"),
    _staff("workflows/<int:pk>/started/<uuid:event_id>/", started.fragment, "workflow_started"),
    _staff("workflows/<int:pk>/pause/", doing.workflow_pause, "workflow_pause"),
    _staff("workflows/<int:pk>/resume/", doing.workflow_resume, "workflow_resume"),
    _staff("workflows/<int:pk>/archive/", managing.workflow_archive, "workflow_archive"),
    _staff("workflows/<int:pk>/restore/", managing.workflow_restore, "workflow_restore"),
    _staff("workflows/manage/", managing.workflows_manage, "workflows_manage"),
    _staff("workflows/<int:pk>/builder/", builder.page, "builder"),
    _staff("workflows/<int:pk>/builder/insert/", builder.palette, "builder_palette"),
    _staff("workflows/<int:pk>/builder/do/", builder.do, "builder_do"),
    _staff("workflows/<int:pk>/builder/test/", builder_tests.test, "builder_test"),
    _staff("workflows/<int:pk>/builder/test/keep/", builder_tests.keep, "builder_test_keep"),
    _staff("workflows/<int:pk>/builder/here/", presence.here, "builder_here"),
    _staff("workflows/<int:pk>/builder/copy/", builder.copy, "builder_copy"),
    _staff("workflows/<int:pk>/builder/condition/<path:path>/", builder.condition, "builder_condition"),
    _staff("workflows/<int:pk>/builder/options/<path:path>/", builder_options.options, "builder_options"),
    _staff("workflows/<int:pk>/builder/connection/<path:path>/", builder_connections.connection, "builder_connection"),
    _staff(
        "workflows/<int:pk>/builder/trigger/<slug:key>/endpoint/", builder.trigger_endpoint, "builder_trigger_endpoint"
    ),
    _staff("workflows/<int:pk>/builder/trigger/<slug:key>/event/", builder.trigger_event, "builder_trigger_event"),
    _staff("workflows/<int:pk>/builder/step/<path:path>/", builder.step, "builder_step"),
    _staff("workflows/<int:pk>/builder/data/<path:path>/", builder_data.picker_tree, "builder_data"),
    _staff("workflows/<int:pk>/builder/preview/<path:path>/", builder_data.preview, "builder_preview"),
    _staff("workflows/<int:pk>/builder/sample/", builder_data.sample, "builder_sample"),
    _staff("events/refused/", event_page.refused_list, "event_refused"),
    _staff("events/<uuid:event_id>/replay/", event_page.event_replay, "event_replay"),
    _staff("events/<uuid:event_id>/download/", event_page.event_download, "event_download"),
    _staff("events/<uuid:event_id>/sample/", event_page.event_sample, "event_sample"),
    _staff("workflows/<int:pk>/check/", event_page.event_check, "event_check"),
    _staff("workflows/<int:pk>/review/", publishing.review, "review"),
    _staff("workflows/<int:pk>/versions/", publishing.versions, "versions"),
    _staff("workflows/<int:pk>/versions/compare/", publishing.compare, "versions_compare"),
    _staff("workflows/<int:pk>/versions/<int:number>/restore/", publishing.restore, "version_restore"),
    _staff("workflows/<int:pk>/versions/<int:number>/publish/", publishing.publish_again, "version_publish"),
    _staff("connections/<int:pk>/test/", connections.connection_test, "connection_test"),
    _staff("connections/<int:pk>/sign-in/", connections.oauth_start, "oauth_start"),
    _staff("oauth/callback/", connections.oauth_callback, "oauth_callback"),
    _staff("overview/", overview.refreshed, "overview"),
    _staff("failures/<int:pk>/retry/", overview.retry, "failures_retry"),
    _staff("failures/<int:pk>/mark/", overview.mark, "failures_mark"),
    _staff("jobs/replay/", overview.replay_dead, "jobs_replay"),
    _staff("share/<slug:kind>/<int:pk>/", share.share, "share"),
    _staff("model-usage/export/", model_usage.usage_export, "model_usage_export"),
    _staff("retention/", retention.retention, "retention"),
    _staff("plugins/", plugins.plugin_list, "plugin_list"),
    _staff("notifications/", notifications.site_notifications, "notifications"),
    _staff("notifications/new/", notifications.rule_new, "rule_new"),
    _staff("notifications/<int:rule_id>/", notifications.rule_edit, "rule_edit"),
    _staff("notifications/<int:rule_id>/do/", notifications.rule_do, "rule_do"),
    _staff("notifications/sent/<uuid:notification_id>/again/", notifications.notification_again, "notification_again"),
    _staff("workflows/<int:pk>/notifications/", notifications.workflow_notifications, "workflow_notifications"),
    _staff("workflows/<int:pk>/notifications/new/", notifications.rule_new, "rule_new_of"),
    _staff("workflows/<int:pk>/notifications/<int:rule_id>/mute/", notifications.rule_mute, "rule_mute"),
    # whoever is asked may answer, of the staff or not
    path("approvals/", signed_in(tasks.approval_list), name="approval_list"),
    path("approvals/<uuid:wait_id>/", signed_in(tasks.approval_page), name="approval_page"),
    path("approvals/<uuid:wait_id>/delegate/", signed_in(tasks.approval_delegate), name="approval_delegate"),
    path("approvals/<uuid:wait_id>/reassign/", signed_in(tasks.approval_reassign), name="approval_reassign"),
    path("sign-in/", sign_in, name="sign_in"),
    path("sign-out/", sign_out, name="sign_out"),
]
