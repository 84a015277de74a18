"""A project's settings, and what it adds to have Automate: see docs/in-your-project.md."""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, unquote, urlsplit

SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "for trying the example out, and for nothing else")
DEBUG = True
ROOT_URLCONF = "shop.urls"
TEST_RUNNER = "automate_testing.databases.Runner"
STATIC_URL = "static/"
USE_TZ = True

_url = urlsplit(os.environ.get("DATABASE_URL", "postgresql://localhost/shop"))
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path.lstrip("/"),
        "USER": unquote(_url.username or ""),
        "PASSWORD": unquote(_url.password or ""),
        "HOST": _url.hostname or "",
        "PORT": _url.port or "",
        "OPTIONS": dict(parse_qsl(_url.query)),
    }
}

INSTALLED_APPS = [
    "automate_studio",  # before unfold
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "guardian",
    "pgtrigger",
    "automate_governance",
    "automate_connectors",
    "automate_llm",
    "automate_core",
    "automate_authoring",
    "automate_operations",
    "automate_pools",
    "automate_telemetry",
    "automate_ui",
    "shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "automate_studio.middleware.SignInAgainMiddleware",
    "automate_studio.middleware.CompressBuilderMiddleware",
    "automate_governance.middleware.RedactAnswersMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
LOGIN_URL = "admin:login"
AUTOMATE_SITE_URL = "http://127.0.0.1:8000"
# A key for trying the example out; one of your own comes from `manage.py automate_generate_key`.
AUTOMATE_SECRETS_KEYS = [os.environ.get("SHOP_SECRETS_KEY", "Zm9yIHRyeWluZyB0aGUgZXhhbXBsZSBvdXQsIGFuZCA=")]
UNFOLD = {
    "SIDEBAR": {"navigation": "automate_studio.navigation.sidebar"},
    "COMMAND": {"search_callback": "automate_studio.quick_search.search"},
}

# What workflows may start from, and which fields their events hold.
AUTOMATE_MODEL_TRIGGERS = {
    "shop.Order": {"fields": ["number", "customer", "status", "total"]},
    "shop.Shipment": {"fields": ["order", "status"], "mode": "database"},
}

# What the shop's code emits, and the permission that it takes to listen to it.
AUTOMATE_EVENT_TYPES = {"stock.counted": "shop.view_shipment"}

# What workflows may read and write by themselves, as the person they run as.
AUTOMATE_MODELS = {
    "shop.Order": {"read": ["number", "customer", "status", "total", "shipments"], "write": ["notes"]},
    "shop.Shipment": {"read": ["order", "carrier", "status"]},
}
