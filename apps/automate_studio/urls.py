"""The studio's fragments and streams. Include them before the admin's own URLs:

    path("admin/automate/", include("automate_studio.urls"))

The pages themselves hang on the admin (`admin.py`).
"""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

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
from automate_studio.sign_in import sign_in, sign_out, signed_in

app_name = "studio"
urlpatterns = [
    path("gallery/", admin.site.admin_view(gallery.gallery), name="gallery"),
    path("gallery/<slug:slug>/", admin.site.admin_view(gallery.template), name="template"),
    path("workflows/new/", admin.site.admin_view(starting.new), name="workflow_new"),
    path("workflows/import/", admin.site.admin_view(starting.take_in), name="workflow_import"),
    path("workflows/<int:pk>/file/", admin.site.admin_view(views.workflow_file), name="workflow_file"),
    path("runs/<uuid:run_id>/step/<path:path>/", admin.site.admin_view(views.run_step), name="run_step"),
    path("runs/<uuid:run_id>/asks/", admin.site.admin_view(views.run_asks), name="run_asks"),
    path("runs/<uuid:run_id>/patch/", admin.site.admin_view(watching.run_patch), name="run_patch"),
    path("runs/<uuid:run_id>/stream/", watching.run_stream, name="run_stream"),
    path("runs/<uuid:run_id>/cancel/", admin.site.admin_view(doing.run_cancel), name="run_cancel"),
    path("runs/<uuid:run_id>/retry/", admin.site.admin_view(rerun.run_retry), name="run_retry"),
    path("runs/<uuid:run_id>/sample/", admin.site.admin_view(run_reuse.run_sample), name="run_sample"),
    path("runs/<uuid:run_id>/test/", admin.site.admin_view(run_reuse.run_test), name="run_test"),
    path("runs/<uuid:run_id>/value/<path:path>/", admin.site.admin_view(run_values.run_value), name="run_value"),
    path(
        "runs/<uuid:run_id>/download/<path:path>/", admin.site.admin_view(run_values.run_download), name="run_download"
    ),
    path("runs/<uuid:run_id>/try-now/<path:path>/", admin.site.admin_view(run_steps.run_try_now), name="run_try_now"),
    path("runs/<uuid:run_id>/skip/<path:path>/", admin.site.admin_view(run_steps.run_skip), name="run_skip"),
    path("runs/<uuid:run_id>/review/<path:path>/", admin.site.admin_view(run_steps.run_review), name="run_review"),
    path("runs/<uuid:run_id>/decide/<path:path>/", admin.site.admin_view(run_steps.run_decide), name="run_decide"),
    path("runs/bulk/", admin.site.admin_view(run_bulk.runs_bulk), name="runs_bulk"),
    path("runs/bulk/<uuid:action_id>/", admin.site.admin_view(run_bulk.bulk_progress), name="bulk_progress"),
    path("runs/bulk/<uuid:action_id>/stop/", admin.site.admin_view(run_bulk.bulk_stop), name="bulk_stop"),
    path("runs/export/", admin.site.admin_view(run_export.runs_export), name="runs_export"),
    path("runs/views/", admin.site.admin_view(saved_views.save), name="view_save"),
    path("runs/views/<int:pk>/", admin.site.admin_view(saved_views.change), name="view_change"),
    path("runs/views/<int:pk>/delete/", admin.site.admin_view(saved_views.delete), name="view_delete"),
    path("runs/<uuid:run_id>/keep/", admin.site.admin_view(doing.run_keep), name="run_keep"),
    path("workflows/<int:pk>/start/", admin.site.admin_view(doing.workflow_start), name="workflow_start"),
    path(
        "workflows/<int:pk>/started/<uuid:event_id>/",
        admin.site.admin_view(started.fragment),
        name="workflow_started",
    ),
    path("workflows/<int:pk>/pause/", admin.site.admin_view(doing.workflow_pause), name="workflow_pause"),
    path("workflows/<int:pk>/resume/", admin.site.admin_view(doing.workflow_resume), name="workflow_resume"),
    path("workflows/<int:pk>/archive/", admin.site.admin_view(managing.workflow_archive), name="workflow_archive"),
    path("workflows/<int:pk>/restore/", admin.site.admin_view(managing.workflow_restore), name="workflow_restore"),
    path("workflows/manage/", admin.site.admin_view(managing.workflows_manage), name="workflows_manage"),
    path("workflows/<int:pk>/builder/", admin.site.admin_view(builder.page), name="builder"),
    path("workflows/<int:pk>/builder/insert/", admin.site.admin_view(builder.palette), name="builder_palette"),
    path("workflows/<int:pk>/builder/do/", admin.site.admin_view(builder.do), name="builder_do"),
    path("workflows/<int:pk>/builder/test/", admin.site.admin_view(builder_tests.test), name="builder_test"),
    path("workflows/<int:pk>/builder/test/keep/", admin.site.admin_view(builder_tests.keep), name="builder_test_keep"),
    path("workflows/<int:pk>/builder/here/", admin.site.admin_view(presence.here), name="builder_here"),
    path("workflows/<int:pk>/builder/copy/", admin.site.admin_view(builder.copy), name="builder_copy"),
    path(
        "workflows/<int:pk>/builder/condition/<path:path>/",
        admin.site.admin_view(builder.condition),
        name="builder_condition",
    ),
    path(
        "workflows/<int:pk>/builder/options/<path:path>/",
        admin.site.admin_view(builder_options.options),
        name="builder_options",
    ),
    path(
        "workflows/<int:pk>/builder/connection/<path:path>/",
        admin.site.admin_view(builder_connections.connection),
        name="builder_connection",
    ),
    path(
        "workflows/<int:pk>/builder/trigger/<slug:key>/endpoint/",
        admin.site.admin_view(builder.trigger_endpoint),
        name="builder_trigger_endpoint",
    ),
    path(
        "workflows/<int:pk>/builder/trigger/<slug:key>/event/",
        admin.site.admin_view(builder.trigger_event),
        name="builder_trigger_event",
    ),
    path("workflows/<int:pk>/builder/step/<path:path>/", admin.site.admin_view(builder.step), name="builder_step"),
    path(
        "workflows/<int:pk>/builder/data/<path:path>/",
        admin.site.admin_view(builder_data.picker_tree),
        name="builder_data",
    ),
    path(
        "workflows/<int:pk>/builder/preview/<path:path>/",
        admin.site.admin_view(builder_data.preview),
        name="builder_preview",
    ),
    path("workflows/<int:pk>/builder/sample/", admin.site.admin_view(builder_data.sample), name="builder_sample"),
    path("events/refused/", admin.site.admin_view(event_page.refused_list), name="event_refused"),
    path("events/<uuid:event_id>/replay/", admin.site.admin_view(event_page.event_replay), name="event_replay"),
    path("events/<uuid:event_id>/download/", admin.site.admin_view(event_page.event_download), name="event_download"),
    path("events/<uuid:event_id>/sample/", admin.site.admin_view(event_page.event_sample), name="event_sample"),
    path("workflows/<int:pk>/check/", admin.site.admin_view(event_page.event_check), name="event_check"),
    path("workflows/<int:pk>/review/", admin.site.admin_view(publishing.review), name="review"),
    path("workflows/<int:pk>/versions/", admin.site.admin_view(publishing.versions), name="versions"),
    path("workflows/<int:pk>/versions/compare/", admin.site.admin_view(publishing.compare), name="versions_compare"),
    path(
        "workflows/<int:pk>/versions/<int:number>/restore/",
        admin.site.admin_view(publishing.restore),
        name="version_restore",
    ),
    path(
        "workflows/<int:pk>/versions/<int:number>/publish/",
        admin.site.admin_view(publishing.publish_again),
        name="version_publish",
    ),
    path("connections/<int:pk>/test/", admin.site.admin_view(connections.connection_test), name="connection_test"),
    path("connections/<int:pk>/sign-in/", admin.site.admin_view(connections.oauth_start), name="oauth_start"),
    path("oauth/callback/", admin.site.admin_view(connections.oauth_callback), name="oauth_callback"),
    path("overview/", admin.site.admin_view(overview.refreshed), name="overview"),
    path("failures/<int:pk>/retry/", admin.site.admin_view(overview.retry), name="failures_retry"),
    path("failures/<int:pk>/mark/", admin.site.admin_view(overview.mark), name="failures_mark"),
    path("share/<slug:kind>/<int:pk>/", admin.site.admin_view(share.share), name="share"),
    path("model-usage/export/", admin.site.admin_view(model_usage.usage_export), name="model_usage_export"),
    path("retention/", admin.site.admin_view(retention.retention), name="retention"),
    path("plugins/", admin.site.admin_view(plugins.plugin_list), name="plugin_list"),
    path("notifications/", admin.site.admin_view(notifications.site_notifications), name="notifications"),
    path("notifications/new/", admin.site.admin_view(notifications.rule_new), name="rule_new"),
    path("notifications/<int:rule_id>/", admin.site.admin_view(notifications.rule_edit), name="rule_edit"),
    path("notifications/<int:rule_id>/do/", admin.site.admin_view(notifications.rule_do), name="rule_do"),
    path(
        "notifications/sent/<uuid:notification_id>/again/",
        admin.site.admin_view(notifications.notification_again),
        name="notification_again",
    ),
    path(
        "workflows/<int:pk>/notifications/",
        admin.site.admin_view(notifications.workflow_notifications),
        name="workflow_notifications",
    ),
    path("workflows/<int:pk>/notifications/new/", admin.site.admin_view(notifications.rule_new), name="rule_new_of"),
    path(
        "workflows/<int:pk>/notifications/<int:rule_id>/mute/",
        admin.site.admin_view(notifications.rule_mute),
        name="rule_mute",
    ),
    # whoever is asked may answer, of the staff or not
    path("approvals/", signed_in(tasks.approval_list), name="approval_list"),
    path("approvals/<uuid:wait_id>/", signed_in(tasks.approval_page), name="approval_page"),
    path("approvals/<uuid:wait_id>/delegate/", signed_in(tasks.approval_delegate), name="approval_delegate"),
    path("approvals/<uuid:wait_id>/reassign/", signed_in(tasks.approval_reassign), name="approval_reassign"),
    path("sign-in/", sign_in, name="sign_in"),
    path("sign-out/", sign_out, name="sign_out"),
]
