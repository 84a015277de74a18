"""URLs of retention and plug-ins."""

from __future__ import annotations

from automate_studio.operations import plugins
from automate_studio.operations.retention import retention_page
from automate_studio.ui.view_access import staff

urlpatterns = [
    staff("retention/", retention_page, "retention"),
    staff("plugins/", plugins.plugin_list, "plugin_list"),
]
