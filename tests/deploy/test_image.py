"""The image: its steps are performed in a plain folder, and by a builder; the result serves, migrates and works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from automate_core.webhooks.schemes.registry import GitHubScheme
from automate_governance.secrets.keyring import generate_key
from automate_site.embedded_postgres import Cluster, temporary_cluster
from tests.conftest import ROOT, SECRET
from tests.deploy.builder import Builder, BuilderError
from tests.support.processes import free_port, wait_for

ALIVE = "/tmp/alive"  # noqa: S108 - in a container, which has a folder of its own there
pytestmark = [pytest.mark.process, pytest.mark.extended, pytest.mark.timeout(3_600)]  # two images are built

WORKFLOW = """
name: Image
slug: image
triggers: [{endpoint: github}]
steps: [{key: a, action: data.set, inputs: {n: '{{ event.payload.n }}'}}]
"""


@dataclass(frozen=True)
class FolderImage:
    """The image in a folder, with the same members as `BuiltImage`."""

    files: Path
    environment: dict[str, str]
    command: list[str]
    healthcheck: list[str]
    user: str

    def start(self, command: list[str], variables: dict[str, str], folder: Path) -> subprocess.Popen[str]:
        """Start a command in it."""
        given = {**self.environment, "AUTOMATE_DATA": str(folder / "data"), **variables}
        return subprocess.Popen(
            command, cwd=self.files, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def terminate(self, process: subprocess.Popen[str]) -> None:
        """Send SIGTERM to it."""
        process.terminate()


def _in_folder(folder: Path) -> FolderImage:
    done = subprocess.run(
        [sys.executable, "scripts/image_in_folder.py", str(folder / "image")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode and ("No matching distribution" in done.stderr or "Connection" in done.stderr):
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr[-3_000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return FolderImage(
        Path(found["workdir"]), found["environment"], found["command"], found["healthcheck"], found["user"]
    )


@pytest.fixture(scope="module", params=["in a folder", "built"])
def image(request, tmp_path_factory):
    """The image, by the script that performs its steps, and by a real builder."""
    if request.param == "in a folder":
        yield _in_folder(tmp_path_factory.mktemp("image"))
        return
    if shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip("buildah is not installed, or may not mount")
    builder = Builder(ROOT / "build" / "images")
    try:
        builder.provide_base()
    except BuilderError as error:
        pytest.skip(f"there is no base image: {error}")
    built = builder.build()
    yield built
    built.remove()


@pytest.fixture
def container(image, tmp_path):
    """Start a command in it; `docker run` with the same database and keys each time."""
    open_to_all = {"unix_socket_permissions": "0777"}  # the user of the container is another one
    cluster, port, started = temporary_cluster(), free_port(), []
    cluster = Cluster(cluster.folder, durable=False, settings=open_to_all)
    cluster.start()
    for folder in (cluster.home, cluster.socket_folder, tmp_path):
        folder.chmod(0o777)
    environment = {
        "AUTOMATE_SECRET_KEY": "k" * 50,
        "AUTOMATE_SECRETS_KEYS": generate_key(),
        "AUTOMATE_SITE_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": cluster.url.replace(str(cluster.socket_folder), str(tmp_path / "socket")),
        "PORT": str(port),
        "GITHUB_SECRET": SECRET,
    }
    (tmp_path / "socket").mkdir()
    (tmp_path / "socket" / ".s.PGSQL.5432").hardlink_to(cluster.socket_folder / ".s.PGSQL.5432")

    def start(command):
        started.append(image.start(command, environment, tmp_path))
        return started[-1]

    start.address = f"http://127.0.0.1:{port}"
    try:
        yield start
    finally:
        for each in started:
            each.kill()
            each.communicate()
        cluster.destroy()


def test_the_image_serves_migrates_and_works(image, container, tmp_path):
    """Not ready before the migrations; then a signed delivery becomes a run, and all end in order."""
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]

    def run(*command, code=0):
        done = container(list(command))
        output, _ = done.communicate(timeout=300)
        assert done.returncode == code, output
        return output

    def status(path):
        try:
            return urllib.request.urlopen(container.address + path, timeout=20).status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    web = container(image.command)
    wait_for(lambda: status("/livez/") == 200 or web.poll() is not None)
    assert web.poll() is None and status("/readyz/") == 503
    run(*image.healthcheck, code=1)
    run(*compose["migrate"]["command"])
    assert status("/readyz/") == 200
    run(*image.healthcheck)

    alive = tmp_path / "alive"
    worker = container([part.replace(ALIVE, str(alive)) for part in compose["worker"]["command"]])
    wait_for(lambda: alive.exists() or worker.poll() is not None)
    check = compose["worker"]["healthcheck"]["test"][1].replace("$$", "$").replace(ALIVE, str(alive))
    run("sh", "-c", check)
    os.utime(alive, (0, 0))
    assert worker.poll() is None

    run("env", "DJANGO_SUPERUSER_PASSWORD=a-password-of-tests", "python", "manage.py", "createsuperuser", "--noinput",
        "--username", "root", "--email", "root@example.com")  # fmt: skip
    run("python", "manage.py", "automate_endpoint", "github", "--scheme", "github", "--secret-env", "GITHUB_SECRET",
        "--owner", "root")  # fmt: skip
    (tmp_path / "image.yaml").write_text(WORKFLOW)
    run("python", "manage.py", "automate_import", str(tmp_path / "image.yaml"), "--publish", "--owner", "root")
    body = json.dumps({"n": 17}).encode()
    headers = GitHubScheme({}).sign(SECRET, body, event_type="issues", delivery="one")
    request = urllib.request.Request(
        f"{container.address}/hooks/github/", body, {"Content-Type": "application/json", **headers}
    )
    assert urllib.request.urlopen(request, timeout=60).status == 202
    wait_for(lambda: "succeeded" in run("python", "manage.py", "automate_runs", "list", "--workflow", "image"))
    assert status("/static/admin/css/base.css") == 200
    image.terminate(worker)
    assert worker.wait(180) == 0 and not alive.exists()
    image.terminate(web)
    assert web.wait(180) == 0


def test_the_image_brings_what_it_needs_and_no_more(image, container):
    """No tests, no tools of the build, no user root; translations are compiled."""
    names = {each for each in os.listdir(image.files) if not each.startswith(".")}
    assert not names & {"tests", "bench", "build", "examples", "deploy"}
    assert os.path.exists(f"{image.files}/apps/automate_studio/locale/de/LC_MESSAGES/django.mo")
    assert image.user == "10001:0"
    done = container(["python", "-c", "import hatchling"])
    output, _ = done.communicate(timeout=300)
    assert done.returncode == 1 and "No module named 'hatchling'" in output
