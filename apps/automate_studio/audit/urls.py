"""URLs of the audit trail."""

from __future__ import annotations

from automate_studio.audit.views import audit_export, audit_verify
from automate_ui.view_access import staff

urlpatterns = [
    staff("audit/export/", audit_export, "audit_export"),
    staff("audit/verify/", audit_verify, "audit_verify"),
]
