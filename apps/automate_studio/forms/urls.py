"""URLs of hosted forms: `path("forms/", include("automate_studio.forms.urls"))`."""

from __future__ import annotations

from django.urls import path

from automate_studio.forms.views import AnswerView, FormView, PageView

app_name = "automate_forms"
urlpatterns = [
    path("answer/<str:token>/", AnswerView.as_view(), name="answer"),
    path("page/<str:token>/", PageView.as_view(), name="page"),
    path("<slug:slug>/", FormView.as_view(), name="form"),
    path("<slug:slug>/<str:key>/", FormView.as_view(), name="form"),
]
