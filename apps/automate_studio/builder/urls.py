"""The builder of one workflow: its page, and what the page asks for. Included below `workflows/<int:pk>/builder/`."""

from __future__ import annotations

from automate_studio.builder import presence, views
from automate_studio.builder.data import functions
from automate_studio.builder.data import views as data
from automate_studio.builder.panel import budget, connections, options
from automate_studio.builder.tests import views as tests
from automate_studio.ui.staff_views import staff

urlpatterns = [
    staff("", views.page, "builder"),
    staff("insert/", views.palette, "builder_palette"),
    staff("do/", views.do, "builder_do"),
    staff("test/", tests.test, "builder_test"),
    staff("test/keep/", tests.keep, "builder_test_keep"),
    staff("here/", presence.here, "builder_here"),
    staff("copy/", views.copy, "builder_copy"),
    staff("condition/<path:path>/", views.condition, "builder_condition"),
    staff("options/<path:path>/", options.options, "builder_options"),
    staff("connection/<path:path>/", connections.connection, "builder_connection"),
    staff("trigger/<slug:key>/endpoint/", views.trigger_endpoint, "builder_trigger_endpoint"),
    staff("trigger/<slug:key>/event/", views.trigger_event, "builder_trigger_event"),
    staff("step/<path:path>/", views.step, "builder_step"),
    staff("data/<path:path>/", data.picker_tree, "builder_data"),
    staff("preview/<path:path>/", data.preview, "builder_preview"),
    staff("budget/", budget.budget, "builder_budget"),
    staff("functions/", functions.functions, "builder_functions"),
    staff("sample/", data.sample, "builder_sample"),
]
