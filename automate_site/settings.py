"""Settings of the site that `make run` starts. docs/settings.md lists the environment variables."""

from __future__ import annotations

import os
from importlib.util import find_spec
from urllib.parse import urlsplit

from django.utils.csp import CSP

from automate_api.mcp.oauth.provider import provider_settings
from automate_site import environment, theme

BASE_DIR = environment.BASE_DIR

SECRET_KEY = environment.secret_key()
DEBUG = False

AUTOMATE_SITE_URL = environment.site_url()
AUTOMATE_SECRETS_KEYS = environment.secrets_keys()
AUTOMATE_VAULT = environment.vault()
AUTOMATE_PORT = environment.port()
AUTOMATE_TRUSTED_PROXIES = environment.networks("AUTOMATE_TRUSTED_PROXIES")
AUTOMATE_DEMO = environment.demo("AUTOMATE_DEMO")
AUTOMATE_WORKER = environment.one_of("AUTOMATE_WORKER", "managed", "off")
AUTOMATE_LEASE_SECONDS = environment.number("AUTOMATE_LEASE_SECONDS", 30, least=1)
AUTOMATE_WORKER_GRACE_SECONDS = environment.number("AUTOMATE_WORKER_GRACE_SECONDS", 5, least=0)
AUTOMATE_REQUEST_BYTES = int(environment.number("AUTOMATE_REQUEST_BYTES", 10_000_000, least=0))
AUTOMATE_REQUEST_SECONDS = environment.number("AUTOMATE_REQUEST_SECONDS", 30, least=0)
AUTOMATE_ANONYMOUS_REQUESTS = int(environment.number("AUTOMATE_ANONYMOUS_REQUESTS", 2, least=0))
AUTOMATE_HOOK_RATE = int(environment.number("AUTOMATE_HOOK_RATE", 60_000, least=0))
AUTOMATE_HOOK_FAILURE_RATE = int(environment.number("AUTOMATE_HOOK_FAILURE_RATE", 60, least=0))
AUTOMATE_API_RATE = int(environment.number("AUTOMATE_API_RATE", 600, least=0))
AUTOMATE_BACKUP_DAYS = int(environment.number("AUTOMATE_BACKUP_DAYS", 7, least=0))
HAS_OAUTH = find_spec("oauth2_provider") is not None  # the extra `mcp`
AUTOMATE_MCP_OAUTH = HAS_OAUTH and environment.one_of("AUTOMATE_MCP_OAUTH", "on", "off") == "on"
OAUTH2_PROVIDER = provider_settings(AUTOMATE_SITE_URL)
AUTOMATE_MCP_TOOLS = int(environment.number("AUTOMATE_MCP_TOOLS", 50, least=0))
AUTOMATE_MCP_WAIT_SECONDS = environment.number("AUTOMATE_MCP_WAIT_SECONDS", 20, least=0)
AUTOMATE_METRICS_TOKEN = os.environ.get("AUTOMATE_METRICS_TOKEN", "")
AUTOMATE_METRICS_NETWORKS = environment.networks("AUTOMATE_METRICS_NETWORKS")
AUTOMATE_SIGN_IN_TRIES = int(environment.number("AUTOMATE_SIGN_IN_TRIES", 5, least=1))
AUTOMATE_SIGN_IN_TRIES_OF_ADDRESS = int(environment.number("AUTOMATE_SIGN_IN_TRIES_OF_ADDRESS", 100, least=1))
AUTOMATE_EGRESS_ALLOW = environment.hosts("AUTOMATE_EGRESS_ALLOW")
AUTOMATE_EGRESS_PORTS = environment.web_ports("AUTOMATE_EGRESS_PORTS")
AUTOMATE_EGRESS_PROXY = environment.proxy("AUTOMATE_EGRESS_PROXY")
AUTOMATE_PG_BIN = environment.postgres_programs()
AUTOMATE_KEY_FILES = environment.key_files()
AUTOMATE_SQL_OWN_DATABASE = environment.one_of("AUTOMATE_SQL_OWN_DATABASE", "off", "on") == "on"
AUTOMATE_OAUTH_PROVIDERS = os.environ.get("AUTOMATE_OAUTH_PROVIDERS", "")
AUTOMATE_CONNECTORS_DIR = os.environ.get("AUTOMATE_CONNECTORS_DIR", "")
AUTOMATE_LLM_PRICES = environment.json_file("AUTOMATE_LLM_PRICES")
if AUTOMATE_DEMO:
    AUTOMATE_EGRESS_ALLOW.append(f"127.0.0.1:{AUTOMATE_PORT}")  # the demo's echo service

_site = urlsplit(AUTOMATE_SITE_URL)
_secure = _site.scheme == "https"
ALLOWED_HOSTS = [_site.hostname or "localhost", "127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = [AUTOMATE_SITE_URL]

INSTALLED_APPS = [
    "automate_studio",  # before unfold: its templates win
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
    "automate_api",
    *(["oauth2_provider"] if HAS_OAUTH else []),
    "automate_site",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "automate_governance.middleware.PersonLocaleMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "automate_governance.middleware.PasswordChangeMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "automate_studio.middleware.SignInAgainMiddleware",
    "automate_studio.middleware.CompressBuilderMiddleware",
    "automate_governance.middleware.RedactAnswersMiddleware",
]

ROOT_URLCONF = "automate_site.urls"
ASGI_APPLICATION = "automate_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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

DATABASES = {"default": environment.database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    "automate_governance.sign_in.ThrottleBackend",
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
] + [{"NAME": "automate_governance.people.password_changes.OtherPasswordValidator"}]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
TIME_ZONE = environment.time_zone()
USE_I18N = True
USE_TZ = True

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "automate": {  # artifacts: large inputs and outputs of steps; no URL serves them
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": environment.data_folder() / "files", "file_permissions_mode": 0o600},
    },
}
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]

# Mail goes to the terminal unless a server is set: AUTOMATE_SMTP=host:port.
_smtp_host, _, _smtp_port = os.environ.get("AUTOMATE_SMTP", "").partition(":")
MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": _smtp_host,
            "port": int(_smtp_port) if _smtp_port.isdecimal() else 587,
            "username": os.environ.get("AUTOMATE_SMTP_USER", ""),
            "password": os.environ.get("AUTOMATE_SMTP_PASSWORD", ""),
            "use_tls": environment.one_of("AUTOMATE_SMTP_TLS", "on", "off") == "on",
            "timeout": 20,
        },
    }
    if _smtp_host
    else {"BACKEND": "django.core.mail.backends.console.EmailBackend"}
}
DEFAULT_FROM_EMAIL = os.environ.get("AUTOMATE_FROM_EMAIL", "automate@localhost")

SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
CSRF_COOKIE_HTTPONLY = True  # pages hold the token themselves
SECURE_SSL_REDIRECT = False  # the proxy in front does that
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
SECURE_REFERRER_POLICY = "same-origin"
SILENCED_SYSTEM_CHECKS = [
    "mail.E001",  # automate_core.W070 says it, and a site may do without mail
    "oauth2_provider.W008",  # programs on a person's own machine are called back on 127.0.0.1, as RFC 8252 says
    "security.W005", "security.W021",  # other hosts of the domain are not ours to decide on
    "security.W008",  # the proxy in front redirects to https
]  # fmt: skip
X_FRAME_OPTIONS = "DENY"

# The minimum for Unfold: eval for Alpine, inline styles for the palette.
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.UNSAFE_EVAL],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:"],
    "connect-src": [CSP.SELF],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}

UNFOLD = theme.UNFOLD

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "automate_governance.redaction.log_redaction.RedactingFilter"}},
    "formatters": {
        "text": {
            "()": "automate_governance.redaction.text_logs.TextFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "automate_governance.redaction.json_logs.JsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": environment.one_of("AUTOMATE_LOG_FORMAT", "text", "json"),
            "filters": ["redact"],
        }
    },
    "loggers": {
        "django.request": {"level": "ERROR"},  # a forged delivery is no warning
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
    "root": {
        "handlers": ["console"],
        "level": environment.one_of("AUTOMATE_LOG_LEVEL", "WARNING", "DEBUG", "INFO", "ERROR"),
    },
}
