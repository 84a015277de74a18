"""URLs of declared connectors and their drafts."""

from __future__ import annotations

from automate_studio.connectors import page
from automate_studio.connectors.access import to_list_when_gone as guarded
from automate_studio.connectors.actions import connector_action
from automate_studio.connectors.draft_page import connector_draft
from automate_studio.connectors.new import connector_new
from automate_studio.connectors.operations import connector_operations
from automate_studio.connectors.review import connector_review
from automate_studio.connectors.test_call import connector_call
from automate_ui.view_access import staff

urlpatterns = [
    staff("connectors/", page.connector_list, "connector_list"),
    staff("connectors/new/", connector_new, "connector_new"),
    staff("connectors/drafts/<int:pk>/", guarded(connector_draft), "connector_draft"),
    staff("connectors/drafts/<int:pk>/operations/", guarded(connector_operations), "connector_operations"),
    staff("connectors/drafts/<int:pk>/actions/<int:index>/", guarded(connector_action), "connector_action"),
    staff("connectors/drafts/<int:pk>/actions/<int:index>/test/", connector_call, "connector_call"),
    staff("connectors/drafts/<int:pk>/review/", guarded(connector_review), "connector_review"),
    staff("connectors/of/<slug:code>/", page.connector_page, "connector"),
    staff("connectors/of/<slug:code>/edit/", guarded(page.connector_edit), "connector_edit"),
    staff("connectors/of/<slug:code>/enable/", guarded(page.connector_enable), "connector_enable"),
    staff("connectors/of/<slug:code>/disable/", guarded(page.connector_disable), "connector_disable"),
    staff("connectors/of/<slug:code>/export/", page.connector_export, "connector_export"),
    staff("connectors/of/<slug:code>/delete/", guarded(page.connector_delete), "connector_delete"),
    staff(
        "connectors/of/<slug:code>/versions/<int:number>/",
        guarded(page.connector_version),
        "connector_version",
    ),
]
