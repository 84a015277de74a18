"""System checks of a project's wiring: each broken setting gives its id and a hint, and a sound project gives none."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import types

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.conf import settings as project
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models
from django.db.backends.base import base
from django.urls import include, path
from unfold.sites import UnfoldAdminSite

from automate_core.checks import deployment, people
from automate_core.checks.setting_values import RULES
from automate_governance.app_config import REQUIRED
from automate_governance.secrets.keyring import generate_key
from automate_site import variables
from automate_studio.checks import requests, sign_in
from automate_telemetry.traces import collector
from tests.conftest import ROOT

plain, office = admin.AdminSite(name="plain"), UnfoldAdminSite(name="office")

HOOKS = path("hooks/", include("automate_core.urls"))
PAGES = path("admin/automate/", include("automate_studio.urls"))
ADMIN = path("admin/", admin.site.urls)
GZIP = "django.middleware.gzip.GZipMiddleware"
SMTP = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}
LOCAL = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


class Elsewhere:
    """A router that sends one of our apps away."""

    def db_for_write(self, model, **hints):
        return "second" if model._meta.app_label == "automate_llm" else None


class NotMigrated:
    def allow_migrate(self, db, app_label, **hints):
        return False if app_label == "auth" else None


def database(**values):
    return lambda settings, patch: [patch.setitem(project.DATABASES["default"], *item) for item in values.items()]


def urls(*patterns):
    def change(settings, patch):
        patch.setitem(sys.modules, "other_urls", types.SimpleNamespace(urlpatterns=list(patterns)))
        settings.ROOT_URLCONF = "other_urls"

    return change


def without(name, value):
    """A list in the settings that lacks one."""
    return lambda settings, patch: setattr(settings, name, [one for one in getattr(settings, name) if one != value])


def templates(**changes):
    def change(settings, patch):
        [engine] = settings.TEMPLATES
        settings.TEMPLATES = [{**engine, **changes}]

    return change


def unwrapped(settings, patch):
    """A managed worker, and an application that does not start it."""
    settings.AUTOMATE_WORKER, settings.ASGI_APPLICATION = "managed", "automate_site.urls.urlpatterns"


def processors(missing):
    found = [one for one in project.TEMPLATES[0]["OPTIONS"]["context_processors"] if not one.endswith(missing)]
    return templates(OPTIONS={"context_processors": found})


def installed(*names):
    """The configurations of apps in that order, with those that are not named behind; None for one that is missing."""

    def change(settings, patch):
        found = {each.name: each for each in apps.get_app_configs() if f"-{each.name}" not in names}
        ordered = [found.pop(name) for name in names if name in found]
        patch.setattr(apps, "app_configs", {each.label: each for each in [*ordered, *found.values()]})

    return change


def middleware(*order):
    """Those in front, then the others."""
    return lambda settings, patch: setattr(
        settings, "MIDDLEWARE", [*order, *(each for each in settings.MIDDLEWARE if each not in order)]
    )


def behind(name):
    return lambda settings, patch: setattr(settings, "MIDDLEWARE", [*settings.MIDDLEWARE, name])


def storage(**entry):
    return lambda settings, patch: setattr(settings, "STORAGES", {**settings.STORAGES, "automate": entry})


def django_pages(*models):
    """Pages of models as Django's own ModelAdmin makes them."""
    pages = {model: admin.ModelAdmin(model, admin.site) for model in models}
    return lambda settings, patch: patch.setattr(admin.site, "_registry", {**admin.site._registry, **pages})


def hashed(backend):
    """Static files whose names carry hashes; the site's policy has no nonce."""
    return lambda settings, patch: setattr(
        settings, "STORAGES", {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    )


def unset(name):
    return lambda settings, patch: delattr(settings, name)


class Numbered(AbstractBaseUser):
    badge = models.IntegerField()
    USERNAME_FIELD = "badge"

    class Meta:
        abstract = True


class NamedByNumber(Numbered):
    def get_username(self):
        return str(self.badge)

    class Meta:
        abstract = True


def user_model(settings, patch):
    patch.setattr(people, "get_user_model", lambda: AbstractBaseUser)


def runserver(settings, patch):
    settings.AUTOMATE_WORKER = "managed"
    patch.setattr(sys, "argv", ["manage.py", "runserver"])


def processes(settings, patch):
    settings.AUTOMATE_WORKER = "managed"
    patch.setitem(os.environ, "WEB_CONCURRENCY", "4")


def faults(settings, patch):
    patch.setitem(os.environ, "AUTOMATE_FAULTS", "worker.claimed=kill")


def generated_keys(settings, patch):
    patch.setitem(os.environ, "DATABASE_URL", "postgresql://db.internal/automate")
    settings.AUTOMATE_KEY_FILES = {"AUTOMATE_SECRETS_KEYS": "/data/secrets-key"}


def own_database(settings, patch):
    patch.delitem(os.environ, "DATABASE_URL", raising=False)


def variable(name, value):
    return lambda settings, patch: patch.setitem(os.environ, name, value)


def sqlite(settings, patch):
    patch.setattr(connection, "vendor", "sqlite")


def no_prometheus(settings, patch):
    settings.AUTOMATE_METRICS_TOKEN = "env:METRICS"
    patch.setitem(sys.modules, "prometheus_client", None)


FILES = "django.core.files.storage.FileSystemStorage"


def otel(extra=True, **variables):
    """The variables of OpenTelemetry's exporter, and its extra."""

    def make(settings, monkeypatch):
        for name, value in variables.items():
            monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
        monkeypatch.setattr(collector, "is_installed", lambda: extra)

    return make


WRONG = [
    *(("automate_core.E010", installed(f"-{name}")) for name in ("unfold", "django_htmx", "automate_ui")),
    *(("automate_core.E010", installed(f"-django.contrib.{name}")) for name in ("sessions", "messages", "staticfiles")),
    ("automate_core.E011", installed("django.contrib.admin", "unfold")),
    ("automate_core.E012", templates(APP_DIRS=False)),
    *(("automate_core.E013", processors(name)) for name in ("request", "auth", "messages")),
    ("automate_core.E014", {"STATIC_URL": None}),
    ("automate_core.E015", {"STATICFILES_FINDERS": []}),
    ("automate_core.E020", {"AUTHENTICATION_BACKENDS": ["guardian.backends.ObjectPermissionBackend"]}),
    ("automate_core.E021", {"AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend"]}),
    ("automate_core.E022", user_model),
    ("automate_core.E030", sqlite),
    ("automate_core.E032", database(AUTOCOMMIT=False)),
    ("automate_core.E034", database(OPTIONS={"isolation_level": 4})),
    ("automate_core.E035", database(OPTIONS={"pool": True}, CONN_MAX_AGE=60)),
    ("automate_core.E036", {"DATABASE_ROUTERS": [Elsewhere()]}),
    ("automate_core.E036", {"DATABASE_ROUTERS": [NotMigrated()]}),
    ("automate_core.E037", {"USE_TZ": False}),
    *(("automate_core.E040", without("MIDDLEWARE", name)) for name in requests._NEEDED),
    ("automate_core.E041", middleware(requests.PEOPLE)),
    ("automate_core.E041", middleware(requests.REDACT)),
    ("automate_core.E042", behind(GZIP)),
    ("automate_core.E043", {"SECURE_CSP": {"default-src": ["'self'"]}}),
    ("automate_core.E043", hashed("tests.studio.test_script_modules.HashedStorage")),
    ("automate_core.E050", {"ASGI_APPLICATION": "nowhere.asgi.application"}),
    ("automate_core.E050", {"ASGI_APPLICATION": "automate_site.asgi.nowhere"}),
    ("automate_core.W053", unwrapped),
    ("automate_core.E060", unset("AUTOMATE_SITE_URL")),
    ("automate_core.E060", {"AUTOMATE_SITE_URL": ""}),
    *(("automate_core.E061", {"AUTOMATE_SITE_URL": url}) for url in ("example.com", "https://example.com/x", 17)),
    ("automate_core.E062", {"AUTOMATE_SITE_URL": "https://example.com", "ALLOWED_HOSTS": ["other.example"]}),
    ("automate_core.E063", urls(PAGES, ADMIN)),
    ("automate_core.E064", urls(HOOKS, ADMIN)),
    ("automate_core.E065", urls(HOOKS, ADMIN, PAGES)),
    ("automate_core.E066", {"AUTOMATE_ADMIN_SITE": "nowhere.site"}),
    ("automate_core.E067", {"AUTOMATE_ADMIN_SITE": f"{__name__}.plain"}),
    ("automate_core.E068", {"AUTOMATE_ADMIN_SITE": f"{__name__}.office"}),
    ("automate_core.E068", urls(HOOKS, PAGES, path("office/", office.urls))),
    ("automate_core.E070", {"MESSAGE_STORAGE": "nowhere.Storage"}),
    ("automate_core.E071", {"AUTOMATE_DOCUMENTS_STORAGE": "nowhere"}),
    ("automate_core.E080", {"AUTOMATE_WORKER": "manged"}),
    ("automate_core.E080", {"AUTOMATE_LEASE_SECONDS": "30"}),
    ("automate_core.E080", {"AUTOMATE_MAX_ATTEMPTS": True}),
    ("automate_core.E080", {"AUTOMATE_LLM_USAGE_DAYS": 30}),
    ("automate_core.E080", {"AUTOMATE_RETENTION_DAYS": {"suceeded": 1}}),
    ("automate_core.E090", {"AUTOMATE_POOLS": {"gpu": {"executor": "celry"}}}),
    ("automate_core.E081", no_prometheus),
    ("automate_core.E082", {"AUTOMATE_METRICS_TOKEN": "secret"}),
    ("automate_core.W090", otel(ENDPOINT="otel:4318")),
    ("automate_core.W091", otel(ENDPOINT="http://otel:4317", PROTOCOL="grpc")),
    ("automate_core.W092", otel(ENDPOINT="http://otel:4318", extra=False)),
    ("automate_core.W081", {"AUTOMATE_METRICS_NETWORKS": ["0.0.0.0/0"]}),
    *(("automate_core.E095", {"AUTOMATE_TRUSTED_PROXIES": [all_]}) for all_ in ("0.0.0.0/0", "::/0")),
    ("automate_core.E096", faults),
    ("automate_core.W010", {"AUTOMATE_SITE_ULR": "https://example.com"}),
    ("automate_core.W010", {"AUTOMAT_SECRETS_KEYS": []}),
    ("automate_core.W020", {"ANONYMOUS_USER_NAME": "AnonymousUser"}),
    ("automate_core.W021", {"LOGIN_URL": "/nowhere/at-all/"}),
    ("automate_core.W022", lambda settings, patch: patch.setattr(sign_in, "get_user_model", lambda: Numbered)),
    ("automate_core.W021", {"LOGIN_URL": "no-such-view"}),
    ("automate_core.W030", database(CONN_MAX_AGE=60)),
    ("automate_core.W030", database(OPTIONS={"pool": True})),
    ("automate_core.W040", without("MIDDLEWARE", requests.POLICY)),
    ("automate_core.W050", runserver),
    ("automate_core.W051", processes),
    ("automate_core.W052", database(OPTIONS={"pool": {"max_size": 4}})),
    ("automate_core.W060", {"AUTOMATE_SITE_URL": "http://example.com"}),
    ("automate_core.W061", django_pages(Session)),
    ("automate_core.W071", {"MAILERS": SMTP, "DEFAULT_FROM_EMAIL": "webmaster@localhost"}),
    ("automate_core.W072", {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}),
    ("automate_core.W073", {"SESSION_ENGINE": "django.contrib.sessions.backends.cache", "CACHES": LOCAL}),
    ("automate_core.W074", {"SESSION_COOKIE_SAMESITE": "Strict"}),
    ("automate_core.W075", {"AUTOMATE_DOCUMENTS_STORAGE": "default"}),
    ("automate_core.W075", storage(BACKEND=FILES, OPTIONS={"base_url": "/media/"})),
    ("automate_core.W095", {"AUTOMATE_TRUSTED_PROXIES": []}),
    *(("automate_core.W096", {name: 0}) for name in deployment._LIMITS),
    ("automate_core.W097", {"AUTOMATE_RETENTION_DAYS": {"succeeded": 0}}),
    ("automate_core.W098", {"AUTOMATE_SQL_OWN_DATABASE": True}),
]
OTHERS = [
    ("automate_connectors.E011", {"AUTOMATE_EGRESS_ALLOW": ["nowhere"]}),
    ("automate_connectors.E011", {"AUTOMATE_EGRESS_ALLOW": ["http://127.0.0.1:8714"]}),
    ("automate_connectors.E012", {"AUTOMATE_EGRESS_PORTS": ["https"]}),
    ("automate_connectors.E013", {"AUTOMATE_EGRESS_PROXY": "proxy.internal"}),
    ("automate_connectors.E014", {"AUTOMATE_OAUTH_PROVIDERS": "/nowhere/providers.toml"}),
    ("automate_governance.E002", {"AUTOMATE_SECRETS_KEYS": ["c2hvcnQ="]}),
    ("automate_governance.E003", {"AUTOMATE_SECRETS_KEYS": []}),
    ("automate_governance.E004", {"AUTOMATE_VAULT": "http://vault.internal"}),
    ("automate_site.W001", generated_keys),
    ("automate_site.W002", own_database),
    ("automate_site.W003", {"AUTOMATE_SITE_URL": "http://127.0.0.1:8000"}),
    ("automate_site.W004", variable("AUTOMATE_DATA", "/nowhere/at/all")),
    ("automate_site.W005", variable("AUTOMATE_TRUSTED_PROXY", "10.0.0.1")),
    ("automate_governance.E005", {"DEBUG": True, "AUTOMATE_SITE_URL": "https://example.com"}),
]


def run_printed(heading):
    """The names that the first block of code below a heading makes."""
    below = (ROOT / "docs/in-your-project.md").read_text().split(f"\n{heading}\n")[1]
    given = {"__name__": __name__}
    exec(below.split("```python\n")[1].split("```")[0], given)  # noqa: S102 - a block of our own documentation
    return given


@pytest.fixture
def sound(settings):
    """The site as its tests run it, with mail and an address of its own."""
    settings.MAILERS, settings.DEFAULT_FROM_EMAIL = SMTP, "automate@example.com"
    settings.AUTOMATE_KEY_FILES = {}
    settings.AUTOMATE_SITE_URL, settings.AUTOMATE_TRUSTED_PROXIES = "https://example.com", ["10.0.0.0/8"]
    return settings


def apply(change, settings, monkeypatch):
    if callable(change):
        change(settings, monkeypatch)
    else:
        for name, value in change.items():
            setattr(settings, name, value)


def found(tags=("automate",)):
    messages = run_checks(tags=tags and list(tags), include_deployment_checks=True)
    return {each.id: each for each in messages if each.id.startswith("automate_")}


def test_a_sound_project_passes(sound):
    assert found(tags=None) == {}


def test_a_number_as_text_is_a_sign_in_name(sound, monkeypatch):
    monkeypatch.setattr(sign_in, "get_user_model", lambda: NamedByNumber)
    assert sign_in.check_sign_in_name(None) == []


@pytest.mark.matrix
@pytest.mark.filterwarnings("ignore:Overriding setting")
@pytest.mark.parametrize(("wanted", "change"), WRONG)
def test_a_broken_setting_gives_its_id(wanted, change, sound, monkeypatch):
    apply(change, sound, monkeypatch)
    assert found()[wanted].hint


@pytest.mark.matrix
@pytest.mark.parametrize(("wanted", "change"), OTHERS)
def test_a_broken_setting_of_another_app_gives_its_id(wanted, change, sound, monkeypatch):
    apply(change, sound, monkeypatch)
    assert found(tags=None)[wanted].hint


@pytest.mark.parametrize("root", [None, "/nowhere"])
def test_static_files_that_were_not_collected_stop_no_check(sound, monkeypatch, root):
    hashed("django.contrib.staticfiles.storage.ManifestStaticFilesStorage")(sound, monkeypatch)
    sound.STATIC_ROOT = root
    assert set(found()) == ({"automate_core.E043"} if root else set())


def test_the_printed_policy_fits_hashed_static_files(sound, monkeypatch):
    hashed("tests.studio.test_script_modules.HashedStorage")(sound, monkeypatch)
    sound.SECURE_CSP = run_printed("### Content security policy")["SECURE_CSP"]
    assert found() == {}


def test_pages_to_which_no_url_leads_are_not_judged(sound, monkeypatch):
    urls(HOOKS, PAGES, path("office/", office.urls))(sound, monkeypatch)
    django_pages(User, Group)(sound, monkeypatch)
    assert set(found()) == {"automate_core.E068"}


def test_pages_that_are_not_unfolds_are_named_up_to_five(sound, monkeypatch):
    django_pages(User, Group)(sound, monkeypatch)
    assert "ModelAdmin of auth.Group, auth.User is not" in found()["automate_core.W061"].msg
    django_pages(Session, Permission, ContentType, LogEntry)(sound, monkeypatch)
    named = "admin.LogEntry, auth.Group, auth.Permission, auth.User, contenttypes.ContentType and 1 more is not"
    assert named in found()["automate_core.W061"].msg


def test_the_printed_pages_of_people_are_unfolds(sound, monkeypatch):
    django_pages(User, Group)(sound, monkeypatch)
    monkeypatch.setattr(admin.site, "_registry", dict(admin.site._registry))
    run_printed("## Your own model pages")
    assert found() == {}
    assert issubclass(type(admin.site._registry[User]), UserAdmin)


def test_without_a_mail_server_a_deployed_site_is_warned(sound):
    sound.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
    assert "automate_core.W070" in found()


def test_the_checks_for_production_are_made_only_when_asked_for(sound, monkeypatch):
    faults(sound, monkeypatch)
    sound.AUTOMATE_TRUSTED_PROXIES, sound.AUTOMATE_HOOK_RATE = [], 0
    assert [each.id for each in run_checks(tags=["automate"]) if each.id.startswith("automate_core")] == []


def test_a_misspelt_name_leads_to_the_right_one(sound):
    sound.AUTOMATE_SITE_ULR = "https://example.com"
    assert found()["automate_core.W010"].hint == "Did you mean AUTOMATE_SITE_URL?"


def test_no_value_of_a_wrong_type_stops_the_checks(sound):
    """All settings at once, each an object that nothing can be done with."""
    for name in RULES:
        setattr(sound, name, object())
    wrong = [each.msg for each in run_checks() if each.id == "automate_core.E080"]
    assert sorted(message.split()[0] for message in wrong) == sorted(RULES)


@pytest.mark.parametrize("missing", ["guardian", "pgtrigger", "automate_governance"])
def test_without_an_app_that_models_need_nothing_loads(missing):
    with pytest.raises(ImproperlyConfigured, match=rf"{missing} .*automate_core\.E010"):
        Apps([name for name in (*REQUIRED, "automate_studio") if name != missing])


@pytest.mark.django_db(transaction=True)
def test_an_old_server_is_refused(monkeypatch):
    """Django's own limit, which it asks once a process, comes before ours; neither ends in a traceback."""
    monkeypatch.setattr(base, "RAN_DB_VERSION_CHECK", set())
    monkeypatch.setattr(connection.features, "minimum_database_version", (99,))
    connection.close()
    try:
        refused = {each.id: each for each in run_checks(tags=["database"], databases=["default"])}
    finally:
        connection.close()
    assert "PostgreSQL 99 or later" in refused["automate_core.E031"].msg
    monkeypatch.undo()
    monkeypatch.setattr("automate_core.checks.databases.OLDEST_POSTGRESQL", 99)
    refused = {each.id: each for each in run_checks(tags=["database"], databases=["default"])}
    assert "version" in refused["automate_core.E031"].msg


def test_the_docs_list_every_id():
    """Those of the code, those of plug-ins, which each registry's app completes, and no others."""
    code = "".join(each.read_text() for each in (ROOT / "apps").rglob("*.py"))
    ids = set(re.findall(r'"(automate_\w+\.[EW]\d{3})"', code))
    ids |= {f"automate_{app}.W00{number}" for app in ("connectors", "governance", "llm") for number in (1, 2, 9)}
    docs = (ROOT / "docs/settings.md").read_text().split("## System checks")[1].split("\n## ")[0]
    ids |= set(re.findall(r'"(automate_\w+\.[EW]\d{3})"', (ROOT / "automate_site/checks.py").read_text()))
    assert set(re.findall(r"`(automate_\w+\.[EW]\d{3})`", docs)) == ids
    tried = {id_ for id_, _ in (*WRONG, *OTHERS)} | {"automate_core.E031", "automate_core.E038", "automate_core.W070"}
    tried |= {"automate_core.E039", "automate_core.W076"}  # tests/project/test_database_checks.py
    assert {id_ for id_ in ids if re.match(r"automate_core\.(E0[1-9]|W0[1-9])", id_)} <= tried


def test_a_misspelt_variable_leads_to_the_right_one(sound, monkeypatch):
    monkeypatch.setenv("AUTOMATE_TRUSTED_PROXY", "10.0.0.1")
    monkeypatch.setenv("AUTOMATE_SECRET_STRIPE", "a secret of workflows may have any name")
    assert found()["automate_site.W005"].hint == "Did you mean AUTOMATE_TRUSTED_PROXIES?"


def test_the_site_knows_the_variables_that_the_docs_list():
    docs = (ROOT / "docs/settings.md").read_text().split("## Environment variables of the site")[1]
    site, others = (
        set(re.findall(r"`(AUTOMATE_[A-Z_]+)`", each)) for each in docs.split("## Variables of other programs")[:2]
    )
    assert site - {"AUTOMATE_SECRET_NAME", "AUTOMATE_VAULT"} == variables.VARIABLES
    assert others <= variables.OTHERS


def test_every_variable_that_the_code_reads_is_known():
    """Otherwise `check --deploy` calls one misspelt that somebody was told to set."""
    sources = [path for top in ("apps", "automate_site", "cli") for path in (ROOT / top).rglob("*.py")]
    assigned = r"(?:environ\.get\(|environ\[|getenv\(|VARIABLE = )\"(AUTOMATE_[A-Z_]+)\""
    read = {name for path in sources for name in re.findall(assigned, path.read_text())}
    assert "AUTOMATE_BACKUP_PASSPHRASE" in read
    known = variables.VARIABLES | variables.OTHERS
    assert {name for name in read - known if not name.startswith(variables.PREFIXES)} == set()


@pytest.mark.process
def test_the_variables_of_the_deployment_guide_pass_without_a_word(tmp_path):
    """As systemd reads them: the block that the guide prints, with generated keys and a folder of its own."""
    guide = (ROOT / "docs/deployment.md").read_text().split("## systemd")[1].split("\n## ")[0]
    [block] = [each for each in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) if "AUTOMATE_SITE_URL=" in each]
    printed = dict(line.replace("'", "").split("=", 1) for line in block.splitlines())
    keys = {"AUTOMATE_SECRET_KEY": secrets.token_urlsafe(50), "AUTOMATE_SECRETS_KEYS": generate_key()}
    others = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOMATE_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        cwd=ROOT, env={**others, **printed, **keys, "AUTOMATE_DATA": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "no issues (4 silenced)" in done.stdout


def test_the_docs_list_every_setting():
    listed = (ROOT / "docs/settings.md").read_text().split("## System checks")[0]
    assert set(re.findall(r"`(AUTOMATE_[A-Z_]+)`", listed)) == set(RULES)


def test_the_zone_of_people_who_chose_none_is_a_variable(monkeypatch):
    from automate_site import environment

    monkeypatch.delenv("AUTOMATE_TIME_ZONE", raising=False)
    assert environment.time_zone() == "UTC"
    monkeypatch.setenv("AUTOMATE_TIME_ZONE", "Europe/Berlin")
    assert environment.time_zone() == "Europe/Berlin"
    monkeypatch.setenv("AUTOMATE_TIME_ZONE", "Berlin")
    with pytest.raises(ImproperlyConfigured, match="must be a name like Europe/Berlin, not 'Berlin'"):
        environment.time_zone()
