"""URLs of webhook endpoints."""

from __future__ import annotations

from automate_studio.webhooks import views as webhooks
from automate_ui.view_access import staff

urlpatterns = [
    staff("webhooks/<int:pk>/end-overlap/", webhooks.webhook_end_overlap, "webhook_end_overlap"),
]
