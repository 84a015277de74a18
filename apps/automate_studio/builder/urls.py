"""URLs of the builder, its tests, reviews and versions."""

from __future__ import annotations

from django.urls import include, path

from automate_studio.builder import views
from automate_studio.builder.connector_preview import connector_preview
from automate_studio.builder.data import views as data
from automate_studio.builder.data.functions import function_list
from automate_studio.builder.data.run_reuse import run_as_sample, test_on_run
from automate_studio.builder.data.views import field_preview, sample_panel
from automate_studio.builder.panel.budget import budget_section
from automate_studio.builder.panel.connections import step_connection
from automate_studio.builder.panel.options import step_options
from automate_studio.builder.presence import report_presence
from automate_studio.builder.publishing import (
    compare_versions,
    fix_problem,
    republish_version,
    restore_version,
    review_draft,
    version_list,
)
from automate_studio.builder.tests.views import change_kept, test_run
from automate_studio.builder.triggers.poll_preview import test_poll
from automate_studio.builder.views import (
    builder_page,
    copy_step,
    insert_palette,
    run_command,
    step_panel,
    store_condition,
)
from automate_ui.view_access import staff

_page = [
    staff("", builder_page, "builder"),
    staff("insert/", insert_palette, "builder_palette"),
    staff("do/", run_command, "builder_command"),
    staff("test/", test_run, "builder_test"),
    staff("test/keep/", change_kept, "builder_test_keep"),
    staff("here/", report_presence, "builder_presence"),
    staff("copy/", copy_step, "builder_copy"),
    staff("condition/<path:path>/", store_condition, "builder_condition"),
    staff("options/<path:path>/", step_options, "builder_options"),
    staff("connection/<path:path>/", step_connection, "builder_connection"),
    staff("trigger/<slug:key>/endpoint/", views.trigger_endpoint, "builder_trigger_endpoint"),
    staff("trigger/<slug:key>/poll/", test_poll, "builder_trigger_poll"),
    staff("trigger/<slug:key>/event/", views.trigger_event, "builder_trigger_event"),
    staff("step/<path:path>/", step_panel, "builder_step"),
    staff("data/<path:path>/", data.picker_tree, "builder_data"),
    staff("preview/<path:path>/", field_preview, "builder_preview"),
    staff("budget/", budget_section, "builder_budget"),
    staff("functions/", function_list, "builder_functions"),
    staff("sample/", sample_panel, "builder_sample"),
]

urlpatterns = [
    staff("connectors/drafts/<int:pk>/actions/<int:index>/preview/", connector_preview, "connector_preview"),
    path("workflows/<int:pk>/builder/", include(_page)),
    staff("runs/<uuid:run_id>/sample/", run_as_sample, "run_sample"),
    staff("runs/<uuid:run_id>/test/", test_on_run, "run_test"),
    staff("workflows/<int:pk>/review/", review_draft, "review"),
    staff("workflows/<int:pk>/review/fix/", fix_problem, "review_fix"),
    staff("workflows/<int:pk>/versions/", version_list, "versions"),
    staff("workflows/<int:pk>/versions/compare/", compare_versions, "versions_compare"),
    staff("workflows/<int:pk>/versions/<int:number>/restore/", restore_version, "version_restore"),
    staff("workflows/<int:pk>/versions/<int:number>/publish/", republish_version, "version_publish"),
]
