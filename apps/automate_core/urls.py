"""The paths of deliveries and callbacks: `path("hooks/", include("automate_core.urls"))`."""

from __future__ import annotations

from django.urls import path

from automate_core.runs.waits.callbacks import CallbackView
from automate_core.webhooks.view import WebhookView

app_name = "automate"
urlpatterns = [
    path("<slug:slug>/", WebhookView.as_view(), name="webhook"),
    path("callback/<str:token>/", CallbackView.as_view(), name="callback"),
]
