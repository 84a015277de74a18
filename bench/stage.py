"""What the benchmarks run on: a PostgreSQL with durable defaults, a web process, a worker process, an echo process."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from automate_site.embedded_postgres import Cluster, temporary_cluster

ROOT = Path(__file__).resolve().parent.parent
SECRET = "bench-bench-bench-bench-bench"
PURE = """
name: Pure
slug: pure
triggers:
  - endpoint: pure
steps:
  - key: first
    action: data.set
    inputs: {number: '{{ event.payload.issue.number }}', title: '{{ event.payload.issue.title }}'}
  - kind: branch
    key: route
    arms:
      - key: seven
        when: {'==': [{var: steps.first.output.number}, 7]}
        steps: [{key: hit, action: data.set, inputs: {text: 'Issue {{ steps.first.output.title }}'}}]
    otherwise: [{key: miss, action: data.set, inputs: {text: other}}]
"""
CALL = """
  - key: call
    action: http.request
    inputs: {method: POST, url: 'http://127.0.0.1:ECHO/', json: {title: '{{ steps.first.output.title }}'}}
"""
HTTP = PURE.replace("Pure", "HTTP").replace("pure", "http").rstrip() + CALL

NOOP = """
name: No-op
slug: noop
triggers:
  - endpoint: noop
steps:
  - {key: only, action: data.set, inputs: {}}
"""
THREE = """
name: Three
slug: three
triggers:
  - endpoint: three
steps:
  - {key: first, action: bench.touch, inputs: {number: '{{ event.payload.issue.number }}'}}
  - {key: second, action: bench.touch, inputs: {ok: '{{ steps.first.output.ok }}'}}
  - {key: third, action: bench.touch, inputs: {ok: '{{ steps.second.output.ok }}'}}
"""
ITEMS = """
name: Items
slug: items
triggers:
  - endpoint: items
steps:
  - kind: for_each
    key: loop
    items: '{{ event.payload.items }}'
    concurrency: 10
    steps:
      - {key: touch, action: bench.touch, inputs: {number: '{{ item }}'}}
      - {key: keep, action: data.set, inputs: {ok: '{{ steps.touch.output.ok }}'}}
"""
NOTE = """
name: {slug}
slug: {slug}
triggers:
  - endpoint: {slug}
steps:
  - {{key: note, action: bench.note, inputs: {{lines: {lines}, seconds: {seconds}}}}}
"""
NOTES = {
    "silent": NOTE.format(slug="silent", lines=0, seconds=0),
    "lines": NOTE.format(slug="lines", lines=5, seconds=0),
    "slow-silent": NOTE.format(slug="slow-silent", lines=0, seconds=0.5),
    "slow-lines": NOTE.format(slug="slow-lines", lines=5, seconds=0.5),
}
WORKFLOWS = {**NOTES, "pure": PURE, "http": HTTP, "noop": NOOP, "three": THREE, "items": ITEMS}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stage:
    """One database with the workflows, and processes started as each figure needs them."""

    def __init__(self, cluster: Cluster, folder: Path, *, scale: float, minutes: float, workers: int) -> None:
        self.cluster = cluster
        self.scale = scale
        self.minutes = minutes
        self.workers = workers
        self.port = free_port()
        self.echo_port = free_port()
        self.environment = {
            **os.environ,
            "DATABASE_URL": cluster.url,
            "AUTOMATE_DATA": str(folder),
            "PORT": str(self.port),
            "AUTOMATE_WORKER": "off",
            "AUTOMATE_DEMO": "off",
            "AUTOMATE_HOOK_RATE": "0",
            "AUTOMATE_API_RATE": "0",
            "AUTOMATE_EGRESS_ALLOW": f"127.0.0.1:{self.echo_port}",
            "DJANGO_SETTINGS_MODULE": "automate_site.settings",
            "BENCH_SECRET": SECRET,
            "PYTHONPATH": os.pathsep.join([str(folder / "plugins"), str(ROOT)]),
        }
        self.folder = folder

    def scaled(self, size: int) -> int:
        """A size at the scale that was asked for."""
        return max(1, int(size * self.scale))

    def prepare(self) -> None:
        self._install_connector()
        manage = [sys.executable, "manage.py"]
        self._run([*manage, "migrate", "--verbosity", "0"])
        self._run([*manage, "createsuperuser", "--noinput"], DJANGO_SUPERUSER_USERNAME="bench",
                  DJANGO_SUPERUSER_EMAIL="bench@example.com", DJANGO_SUPERUSER_PASSWORD="bench")  # fmt: skip
        files = [self.folder / f"{slug}.yaml" for slug in WORKFLOWS]
        for path, (slug, text) in zip(files, WORKFLOWS.items(), strict=True):
            path.write_text(text.replace("ECHO", str(self.echo_port)))
            self._run([*manage, "automate_endpoint", slug, "--scheme", "github", "--secret-env", "BENCH_SECRET"])
        self._run([*manage, "automate_import", *map(str, files), "--publish"])

    def manage(self, *arguments: str) -> None:
        """Run a command on the stage's database."""
        self._run([sys.executable, "manage.py", *arguments])

    def token(self, *scopes: str) -> str:
        """An API token of the superuser."""
        command = [sys.executable, "manage.py", "automate_token", "bench", "--name", "bench", "--scopes"]
        done = subprocess.run(
            [*command, ",".join(scopes)], cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip().splitlines()[-1]

    def _install_connector(self) -> None:
        """As an installed package would: by an entry point, which the stage's own processes alone find."""
        installed = self.folder / "plugins" / "bench_connector-0.dist-info"
        installed.mkdir(parents=True)
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-connector\nVersion: 0\n")
        (installed / "entry_points.txt").write_text(
            "[django_automate.connectors]\nbench = bench.connector:BenchConnector\n"
        )

    def take_in(self, slug: str, text: str) -> None:
        """Import a workflow as a draft."""
        path = self.folder / f"{slug}.yaml"
        path.write_text(text)
        self._run([sys.executable, "manage.py", "automate_import", str(path)])

    def _run(self, command: list[str], **extra: str) -> None:
        subprocess.run(command, cwd=ROOT, env={**self.environment, **extra}, check=True, stdout=subprocess.DEVNULL)

    @contextlib.contextmanager
    def web(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "uvicorn", "automate_site.asgi:application", "--port", str(self.port),
                   "--log-level", "warning", "--no-access-log"]  # fmt: skip
        with self._process(command) as process:
            self._wait_for(self.port)
            yield process

    @contextlib.contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.several_workers(self.workers) as started:
            yield started[0]

    @contextlib.contextmanager
    def several_workers(self, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """That many workers, from the moment that the main loop of each reports itself alive."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder, contextlib.ExitStack() as stack:
            signs = [Path(folder) / str(number) for number in range(count)]
            started = [
                stack.enter_context(self.started("automate_worker", "--alive-file", str(sign))) for sign in signs
            ]
            for process, sign in zip(started, signs, strict=True):
                self._wait_for_sign(process, sign)
            yield started

    @contextlib.contextmanager
    def ready_worker(self) -> Iterator[None]:
        """A worker from the moment that it says it is ready."""
        said = self.folder / "worker.log"
        script = "import django; django.setup(); from automate_core.worker.worker import Worker; Worker().run()"
        own = {"DJANGO_SETTINGS_MODULE": "automate_site.settings", "AUTOMATE_LOG_LEVEL": "INFO"}
        with said.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", script], cwd=ROOT, env={**self.environment, **own}, stdout=log, stderr=log
            )
        try:
            while " slots" not in said.read_text():
                time.sleep(0.02)
            yield
        finally:
            process.kill()
            process.wait(30)

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """One of the site's commands for the duration of the block."""
        with self._process([sys.executable, "manage.py", *arguments]) as process:
            yield process

    @contextlib.contextmanager
    def timed_worker(self) -> Iterator[Path]:
        """A worker that writes, once it has ended, when each claim began and how long it took into that file."""
        path, sign = self.folder / "claims.json", self.folder / "claims.alive"
        sign.unlink(missing_ok=True)
        with self._process([sys.executable, "-m", "bench.claims", str(path), str(sign)]) as process:
            self._wait_for_sign(process, sign)
            yield path

    @contextlib.contextmanager
    def echo(self) -> Iterator[None]:
        with self._process([sys.executable, "-m", "bench.echo", str(self.echo_port)]):
            self._wait_for(self.echo_port)
            yield

    def load(self, slug: str, **options: float | str) -> dict[str, Any]:
        """Run the load generator and give what it printed."""
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "bench.load", "--port", str(self.port), "--slug", slug, "--secret", SECRET]
        done = subprocess.run([*command, *flags], cwd=ROOT, check=True, capture_output=True)
        result: dict[str, Any] = json.loads(done.stdout)
        if set(result["statuses"]) != {"202"}:
            raise RuntimeError(f"answers other than 202: {result['statuses']}")
        return result

    def script(self, module: str, *arguments: object) -> Any:
        """Run a module in a process of its own on the stage's database and give what it printed."""
        command = [sys.executable, "-m", module, *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def _process(self, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def _wait_for_sign(self, process: subprocess.Popen[bytes], sign: Path) -> None:
        until = time.monotonic() + 90
        while not sign.exists():
            if process.poll() is not None or time.monotonic() >= until:
                raise RuntimeError("the worker did not start")
            time.sleep(0.02)

    def _wait_for(self, port: int) -> None:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"nothing listens on port {port}")


@contextlib.contextmanager
def stage(*, scale: float = 1, minutes: float = 10, workers: int = 1) -> Iterator[Stage]:
    """A prepared stage, removed afterwards."""
    made = temporary_cluster()
    cluster = Cluster(made.folder, durable=True, settings={"track_commit_timestamp": "on"})
    with tempfile.TemporaryDirectory(prefix="automate-bench-") as folder:
        try:
            cluster.start()
            prepared = Stage(cluster, Path(folder), scale=scale, minutes=minutes, workers=workers)
            prepared.prepare()
            yield prepared
        finally:
            cluster.destroy()
