"""The commands: what they do, and one line with exit code 2 for what a person can mend."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from automate_core.models import ActiveTrigger, WebhookEndpoint, Workflow
from automate_core.webhooks import endpoints
from automate_governance.audit import verification
from automate_governance.models import AuditEntry, StoredSecret
from tests.conftest import SECRET

pytestmark = pytest.mark.django_db

SIMPLE = "name: Simple\nslug: simple\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: data.set}]\n"


def run(*arguments, capsys=None, **options):
    call_command(*arguments, **options)
    return capsys.readouterr().out if capsys else ""


def refused(*arguments, **options):
    with pytest.raises(CommandError) as caught:
        call_command(*arguments, **options)
    assert caught.value.returncode == 2
    return str(caught.value)


@pytest.fixture
def simple(tmp_path):
    path = tmp_path / "simple.yaml"
    path.write_text(SIMPLE)
    return str(path)


def test_import_export_and_publish(admin, endpoint, simple, capsys):
    out = run("automate_import", simple, "--publish", capsys=capsys, owner="owner")
    assert out == f"{simple}: simple imported, v1 is published (owner owner, runs as owner)\n"
    workflow = Workflow.objects.get()
    assert (workflow.owner.username, workflow.run_as.username, workflow.status) == ("owner", "owner", "active")
    assert ActiveTrigger.objects.get(kind="webhook").source == "webhook:github"
    assert list(AuditEntry.objects.filter(object_type="automate_core.workflow").values_list("verb", "actor")) == [
        ("workflow.published", "system"),  # nobody knows who ran the command: the entry names the system user
        ("workflow.created", "system"),
    ]
    exported = run("automate_export", "simple", capsys=capsys)
    assert exported.startswith("schema: 1\nname: Simple\n")


def test_the_only_superuser_is_the_default_owner(admin, endpoint, simple, capsys):
    run("automate_import", simple, capsys=capsys)
    assert Workflow.objects.get().owner == admin


def test_import_says_whose_when_it_cannot_know(endpoint, simple):
    assert "no superuser" in refused("automate_import", simple)
    assert "no user 'nobody'" in refused("automate_import", simple, owner="nobody")


def test_import_is_all_or_nothing_per_file(admin, endpoint, simple, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(SIMPLE.replace("slug: simple", "slug: bad").replace("endpoint: github", "endpoint: nowhere"))
    said = refused("automate_import", str(bad), simple, str(tmp_path / "none.yaml"), publish=True)
    assert said.splitlines() == [
        f"{bad}: Line 3: triggers[0].endpoint: There is no webhook endpoint 'nowhere' whose payloads root can view. "
        "Choose a webhook.",
        f"{tmp_path / 'none.yaml'}: The file cannot be read: No such file or directory",
    ]
    assert list(Workflow.objects.values_list("slug", flat=True)) == ["simple"]


@pytest.mark.parametrize("options", [{"publish": True}, {"owner": "root"}])
def test_a_check_of_files_imports_nothing(options, simple):
    assert refused("automate_import", simple, check=True, **options).startswith("--check imports nothing")


def test_one_may_not_replace_another_persons_workflow(workflow, simple, stranger):
    workflow(SIMPLE)
    assert "stranger needs the Change permission for the workflow simple" in refused(
        "automate_import", simple, owner="stranger"
    )


def test_export_names_what_is_missing():
    assert refused("automate_export", "nope") == "There is no workflow 'nope'."


def test_endpoint_is_created_and_updated(admin, tmp_path, monkeypatch, capsys):
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    out = run("automate_endpoint", "orders", "--scheme", "github", "--secret-file", str(secret), capsys=capsys)
    assert out == "http://127.0.0.1:8000/hooks/orders/ created (github)\n"
    monkeypatch.setenv("NEW", "another-secret-that-is-long")
    out = run(
        "automate_endpoint", "orders", "--scheme", "hmac", "--config", '{"header": "X-Sig"}', "--secret-env", "NEW",
        capsys=capsys,
    )  # fmt: skip
    assert "updated (hmac)" in out
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.scheme, endpoint.config, endpoint.secret) == ("hmac", {"header": "X-Sig"}, "database:hook-orders")
    assert StoredSecret.objects.get().reveal() == "another-secret-that-is-long"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scheme", "nope"], "Unknown scheme 'nope'"),
        (["--scheme", "github"], "This scheme requires a secret"),
        (["--scheme", "github", "--secret-env", "NOT_SET"], "NOT_SET is not set"),
        (["--scheme", "github", "--secret-file", "/nonexistent"], "No such file"),
        (["--scheme", "hmac", "--config", "{"], "--config is not valid JSON"),
        (["--scheme", "hmac", "--config", "[" * 100_000], "--config is not valid JSON"),
        (["--scheme", "github", "--secret-env", "SHORT"], "shorter than 16"),
        (["--scheme", "unsigned", "--config", "{}", "--owner", "nobody"], "no user 'nobody'"),
    ],
)
def test_endpoint_refuses_in_one_line(admin, monkeypatch, arguments, said):
    monkeypatch.setenv("SHORT", "short")
    refusal = refused("automate_endpoint", "x", *arguments)
    assert said in refusal and "\n" not in refusal
    assert not WebhookEndpoint.objects.exists() and not StoredSecret.objects.exists()


def test_send_names_what_is_missing(endpoint, tmp_path, settings):
    payload = tmp_path / "p.json"
    payload.write_text("{}")
    assert refused("automate_send", "nope", str(payload)) == "There is no webhook endpoint 'nope'."
    assert "No such file" in refused("automate_send", "github", str(tmp_path / "none.json"))
    settings.AUTOMATE_SITE_URL = "http://127.0.0.1:1"
    assert "Is the site running?" in refused("automate_send", "github", str(payload))


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
@pytest.mark.process
def test_send_posts_signs_and_waits(workflow, site, tmp_path, settings, capsys):
    workflow(SIMPLE)
    settings.AUTOMATE_SITE_URL = site
    payload = tmp_path / "p.json"
    payload.write_text(json.dumps({"hello": "world"}))
    run("automate_send", "github", str(payload), "--event", "push", "--wait", "--header", "X-Request-Id=r-1")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("202 ") and second.startswith("simple succeeded ")

    from automate_core.models import Event

    event = Event.objects.get()
    assert (event.type, event.payload, event.headers["x-request-id"]) == ("push", {"hello": "world"}, "r-1")


@pytest.mark.django_db(transaction=True)
def test_verify_audit(workflow, capsys):
    workflow(SIMPLE)
    assert verification.last_verification() is None
    assert "The audit trail is intact." in run("automate_verify_audit", capsys=capsys)
    recorded = verification.last_verification()
    assert recorded is not None and verification.fault_count(recorded) == 0, "as that of the page"
    with pytest.raises(CommandError):
        run("automate_verify_audit", "--head", "0" * 64, capsys=capsys)
    assert "is not in the chain" in capsys.readouterr().err
    assert verification.fault_count(verification.last_verification()) == 0, "it may be mistyped"


def test_every_command_explains_itself(capsys):
    for name in ("worker", "import", "export", "endpoint", "send", "verify_audit", "generate_key"):
        with pytest.raises(SystemExit):
            from django.core.management import get_commands, load_command_class

            app = get_commands()[f"automate_{name}"]
            load_command_class(app, f"automate_{name}").create_parser("manage.py", f"automate_{name}").parse_args(
                ["--help"]
            )
        assert len(capsys.readouterr().out) > 200


SENT = {
    "github": {"a": 1},
    "gitlab": {"object_kind": "push"},
    "shopify": {"id": 1},
    "slack": {"event_id": "Ev1", "event": {"type": "app_mention"}},
    "standard": {"type": "paid"},
    "stripe": {"id": "evt_1", "type": "paid"},
    "twilio": {"EventType": "onMessageAdded"},
    "typeform": {"event_id": "01H", "event_type": "form_response"},
    "hmac": {"a": 1},
    "bearer": {"a": 1},
    "basic": {"a": 1},
    "unsigned": {"a": 1},
}


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
@pytest.mark.process
def test_send_signs_every_scheme(owner, site, tmp_path, settings, capsys):
    from automate_core.models import Event
    from automate_core.webhooks.schemes.registry import SCHEMES

    assert set(SENT) == {code for code, scheme in SCHEMES.items() if scheme.can_sign}
    settings.AUTOMATE_SITE_URL = site
    secrets = {"standard": f"whsec_{SECRET}", "basic": f"user:{SECRET}", "unsigned": None}
    for scheme, payload in SENT.items():
        config = {"public_url": site} if scheme == "twilio" else {}
        endpoints.save_endpoint(scheme, scheme=scheme, config=config, secret=secrets.get(scheme, SECRET), actor=owner)
        file = tmp_path / f"{scheme}.json"
        file.write_text(json.dumps(payload))
        run("automate_send", scheme, str(file), "--event", "paid")
    form = tmp_path / "form"
    form.write_text("MessageSid=SM1&SmsStatus=received&Body=Gr%C3%BC%C3%9Fe")
    run("automate_send", "twilio", str(form), "--header", "Content-Type=application/x-www-form-urlencoded")
    challenge = tmp_path / "challenge.json"
    challenge.write_text('{"type": "url_verification", "challenge": "3eZbrw1aBm"}')
    run("automate_send", "slack", str(challenge))

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["200" if code == "twilio" else "202" for code in SENT] + ["200"] * 2
    assert lines[-1] == "200 3eZbrw1aBm"
    stored = dict(Event.objects.exclude(source="webhook:twilio").values_list("source", "payload"))
    assert stored == {f"webhook:{code}": payload for code, payload in SENT.items() if code != "twilio"}
    assert Event.objects.get(type="message.received").payload["Body"] == "Grüße"
