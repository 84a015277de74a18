"""The form and the list of connections, and signing in at a provider."""

from __future__ import annotations

import datetime as dt

from django.db.models.functions import Now
from django.urls import reverse

from automate_connectors.models import OAuthToken
from tests.support.pages import Page

CONNECTION_ADD = "admin:automate_connectors_connection_add"


def connection_form(**given):
    return {
        "name": "Mine", "slug": "mine", "connector": "probe", "allowed_hosts": "",
        "config_base_url": "https://api.example.com", "config_region": "us", "config_retries": "3",
        "config_strict": "on", "config_headers": '{"X-Team": "a"}', "config_token_value": "brand-new-canary", **given,
    }  # fmt: skip


def form_errors(answer):
    return answer.context["adminform"].form.errors if answer.status_code == 200 else {}


def press_test(client, connection):
    return client.post(reverse("studio:connection_test", args=[connection.pk]), headers={"HX-Request": "true"})


OAUTH_CALLBACK = "/admin/automate/oauth/callback/"


def start_sign_in(client, connection):
    return client.post(reverse("studio:oauth_start", args=[connection.pk]))


def sign_in_address(answer):
    """Where the link on that page leads."""
    [link] = [attrs for attrs in Page(answer).all(rel="noreferrer") if "state=" in attrs["href"]]
    return link["href"]


def list_of_connections(client):
    page = client.get(reverse("admin:automate_connectors_connection_changelist")).content.decode()
    return page


def expire_token(connection, seconds=60):
    ends_at, begun_at = Now() + dt.timedelta(seconds=seconds), Now() - dt.timedelta(hours=1)
    OAuthToken.objects.filter(connection=connection).update(expires_at=ends_at, renewed_at=begun_at)
