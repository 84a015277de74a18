"""The files in deploy/ are what their readers accept, and agree with each other and with the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml
from django.core.management import get_commands, load_command_class

from automate_core.checks.setting_values import RULES
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
SCHEMAS = Path(__file__).parent / "schemas"
MANIFESTS = [each for file in sorted(DEPLOY.glob("kubernetes/*.yaml")) for each in yaml.safe_load_all(file.read_text())]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
UNITS = sorted(DEPLOY.glob("systemd/*.service"))
TIMERS = sorted(DEPLOY.glob("systemd/*.timer"))


def schema(name):
    return json.loads((SCHEMAS / name).read_text())


def validate_manifest(manifest):
    definitions = schema("kubernetes-1.37.json")["$defs"]
    [name] = [
        name for name, each in definitions.items()
        if each.get("properties", {}).get("kind", {}).get("enum") == [manifest["kind"]]
        and each["properties"]["apiVersion"]["enum"] == [manifest["apiVersion"]]
    ]  # fmt: skip
    jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions}).validate(manifest)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_each_manifest_fits_the_schema_of_its_kind(manifest):
    validate_manifest(manifest)


def test_a_misspelt_key_of_a_manifest_is_found():
    [web] = [each for each in MANIFESTS if each["kind"] == "Deployment" and each["metadata"]["name"] == "automate-web"]
    broken = json.loads(json.dumps(web).replace("readinessProbe", "readynessProbe"))
    with pytest.raises(jsonschema.ValidationError, match="readynessProbe"):
        validate_manifest(broken)


def test_the_broker_has_a_password_and_no_port_and_is_started_again():
    """Who can write to it can end Celery workers."""
    broker = COMPOSE["services"]["redis"]
    assert broker["command"][-2:] == ["--requirepass", "${REDIS_PASSWORD:-}"]
    assert broker["profiles"] == ["celery"] and "ports" not in broker and "network_mode" not in broker
    assert {each["restart"] for name, each in COMPOSE["services"].items() if name != "migrate"} == {"unless-stopped"}
    assert re.search(r"^REDIS_PASSWORD=$", (DEPLOY / "automate.env.example").read_text(), re.MULTILINE)
    assert "Restart=always" in (ROOT / "docs" / "operating.md").read_text()


@pytest.mark.parametrize("name", ["web", "worker"])
def test_each_deployment_has_probes_a_budget_and_no_privileges(name):
    found = {(each["kind"], each["metadata"]["name"]): each for each in MANIFESTS}
    deployment = found["Deployment", f"automate-{name}"]["spec"]
    budget = found["PodDisruptionBudget", f"automate-{name}"]["spec"]
    pod = deployment["template"]["spec"]
    [container] = pod["containers"]
    assert {"startupProbe", "livenessProbe"} <= container.keys()
    assert ("readinessProbe" in container) == (name == "web")
    assert budget["minAvailable"] < deployment["replicas"], "a node could never be drained"
    labels = deployment["template"]["metadata"]["labels"]
    assert labels == deployment["selector"]["matchLabels"] == budget["selector"]["matchLabels"]
    assert not pod["enableServiceLinks"], "no variables whose names begin like ours"
    assert pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]


def test_the_compose_file_fits_its_schema():
    jsonschema.Draft7Validator(schema("compose-spec.json")).validate(COMPOSE)
    broken = {**COMPOSE, "services": {"web": {**COMPOSE["services"]["web"], "health_check": {}}}}
    assert not jsonschema.Draft7Validator(schema("compose-spec.json")).is_valid(broken)


def test_each_process_of_the_compose_file_gets_all_variables_of_the_env_file():
    """Not only those that the file names. PORT is this machine's: in the container it stays what is published."""
    example = DEPLOY / "automate.env.example"
    for name in ("migrate", "web", "worker"):
        [file] = COMPOSE["services"][name]["env_file"]
        assert (DEPLOY / file).resolve() == ROOT / example.stem, "beside deploy/, as docs/deployment.md says"
        assert COMPOSE["services"][name]["environment"]["PORT"] == "8000"
    assert COMPOSE["services"]["web"]["ports"] == ["127.0.0.1:${PORT:-8000}:8000"]
    assert f"/{example.stem}" in (ROOT / ".gitignore").read_text().split(), "it has the keys"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_units_are_accepted_by_systemd(tmp_path):
    """With the program that they start in a place where this machine has one."""
    python = tmp_path / "opt/automate/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    named = []
    for unit in [*UNITS, *TIMERS]:
        named.append(tmp_path / unit.name.replace("@", "@1"))
        named[-1].write_text(unit.read_text().replace("/opt/automate/", f"{tmp_path}/opt/automate/"))

    def verify(*units):
        return subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, units)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = verify(*named)
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "automate" in line]
    assert (done.returncode, said) == (0, []), done.stderr
    broken = tmp_path / "broken.service"
    [worker] = [unit for unit in named if "worker" in unit.name]
    broken.write_text(worker.read_text().replace("WatchdogSec=60", "").replace("Restart=always", "Restart=allways"))
    assert "allways" in verify(broken).stderr


def test_every_file_starts_the_same_commands():
    """The web server, a worker and the migrations, with arguments that the commands have."""
    image = re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Containerfile").read_text(), re.M)
    procfile = dict(line.split(": ", 1) for line in (DEPLOY / "Procfile").read_text().splitlines())
    assert all(procfile[name].startswith("exec ") for name in ("web", "worker")), "else a shell gets their signals"
    started = [json.loads(image[-1]), *(line.removeprefix("exec ").split() for line in procfile.values())]
    started += [COMPOSE["services"][name]["command"] for name in ("migrate", "worker")]
    started += [
        container["command"]
        for each in MANIFESTS
        if each["kind"] in {"Deployment", "Job", "CronJob"}
        for container in each["spec"].get("jobTemplate", each)["spec"]["template"]["spec"]["containers"]
        if "command" in container
    ]
    started += [re.search(r"^ExecStart=\S+/(.*)$", unit.read_text(), re.M)[1].split() for unit in UNITS]
    assert len(started) == 12
    apps = get_commands()
    for program, manage, name, *arguments in started:
        assert (program, manage) == ("python", "manage.py")
        load_command_class(apps[name], name).create_parser("manage.py", name).parse_args(arguments)


def test_every_variable_that_is_set_is_known():
    given = set(re.findall(r"\bAUTOMATE_[A-Z_]+", "".join(
        file.read_text() for file in DEPLOY.rglob("*") if file.is_file()
    )))  # fmt: skip
    documented = set(re.findall(r"`(AUTOMATE_[A-Z_]+)`", (ROOT / "docs/settings.md").read_text()))
    assert given - documented == set()
    assert given & RULES.keys()


def test_all_processes_end_before_they_are_killed():
    """Each has longer than a worker's grace time, which all files set to the same value."""
    text = {file: file.read_text() for file in DEPLOY.rglob("*") if file.is_file()}
    grace = set(re.findall(r"AUTOMATE_WORKER_GRACE_SECONDS(?:=|: \")(\d+)", "".join(text.values())))
    assert grace == {"25"}
    assert COMPOSE["services"]["worker"]["stop_grace_period"] == "45s"
    [worker] = [each for each in MANIFESTS if each["kind"] == "Deployment" and "worker" in each["metadata"]["name"]]
    assert worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 45
    assert "TimeoutStopSec=45" in text[DEPLOY / "systemd/automate-worker@.service"]


def test_the_image_has_all_that_a_wheel_is_built_of():
    """What pyproject.toml puts into the wheel is copied by the Containerfile and not ignored."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {name.split("/")[0] for name in wheel["force-include"]}
    assert {"docs", "CHANGELOG.md"} <= needed
    copied = {
        word
        for line in re.findall(r"^COPY (?!--)(.+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
        for word in line.split()[:-1]
    }
    kept = {line[1:] for line in (DEPLOY / "Containerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert needed <= copied and needed <= kept
