"""URLs of model usage."""

from __future__ import annotations

from automate_studio.model_usage import views as model_usage
from automate_ui.view_access import staff

urlpatterns = [
    staff("model-usage/export/", model_usage.usage_export, "model_usage_export"),
    staff("model-usage/calls/<int:call_id>/void/", model_usage.call_void, "model_call_void"),
]
