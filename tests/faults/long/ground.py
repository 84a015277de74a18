"""What a long fault test stands on: a PostgreSQL of its own with the tables, endpoints, workflows and a sink."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from automate_site.embedded_postgres import Cluster, temporary_cluster
from tests.conftest import ROOT
from tests.faults.harness import Mill, Sender
from tests.faults.invariants import Evidence, check
from tests.support.releases import RELEASES
from tests.support.sink import Sink

SECRET = "faults-faults-faults-faults-faults"
#: F28 begins before so many commits with migrations: new columns, tables, indexes and constraints are among them.
UPGRADED_COMMITS = 20
CALL = """
name: {slug}
slug: {slug}
triggers: [{{endpoint: {slug}, filter: {{'==': [{{var: event.payload.to}}, {slug}]}}}}]
steps:
  - {{key: before, action: data.set, inputs: {{n: '{{{{ event.payload.n }}}}'}}}}
  - key: call
    action: http.request
    retry: {{attempts: 20, base: 0.5, cap: 240}}
    inputs: {{method: POST, url: '{url}/{slug}/{{{{ event.payload.n }}}}'}}
"""


class Ground:
    """One database, its sink, and the processes that a test starts on it."""

    def __init__(self, cluster: Cluster, folder: Path, sink: Sink, old: Path | None = None) -> None:
        self.cluster = cluster
        self.sink = sink
        self.url = os.environ["DATABASE_URL"]
        self.evidence = Evidence(calls=lambda: list(sink.calls))
        environment = {**os.environ, "AUTOMATE_EGRESS_ALLOW": sink.host, "AUTOMATE_LOG_LEVEL": "WARNING"}
        self.mill = Mill(environment, [sys.executable, "manage.py"], folder, self.evidence)
        self.mill.environment.pop("AUTOMATE_FAULT_MARKS")
        self.old = (
            Mill(old_environment(environment, old), self.mill.manage, folder / "old", self.evidence, root=old)
            if old
            else self.mill
        )
        self.old.environment.pop("AUTOMATE_FAULT_MARKS", None)

    def sender(self, address: str, endpoint: str = "a") -> Sender:
        """To an endpoint of that web process."""
        return Sender(address, SECRET, self.evidence, endpoint=endpoint)

    def ask(self, statement: str, *values: Any) -> Any:
        """The one value that a statement gives, on a connection of its own."""
        with psycopg.connect(self.cluster.url, autocommit=True) as own:
            row = own.execute(statement, values).fetchone()
        return row[0] if row else None

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement, on a connection of its own."""
        with psycopg.connect(self.cluster.url, autocommit=True) as own:
            return own.execute(statement).fetchall()

    def live_jobs(self) -> int:
        """Jobs that have not ended."""
        return int(self.ask("SELECT count(*) FROM automate_core_outboxjob WHERE status IN ('ready', 'leased')"))

    def leased(self, worker: str) -> int:
        """How many jobs that worker holds."""
        return int(
            self.ask("SELECT count(*) FROM automate_core_outboxjob WHERE status = 'leased' AND worker = %s", worker)
        )

    def until(self, condition: Callable[[], Any], seconds: float) -> float:
        """Wait for it, and say how long it took. Raises AssertionError after that time."""
        started = time.monotonic()
        while not condition():
            assert time.monotonic() < started + seconds, f"not true after {seconds:g} seconds"
            time.sleep(0.1)
        return time.monotonic() - started

    def quiet(self, seconds: float = 600) -> float:
        """Wait until nothing is left to do."""
        return self.until(
            lambda: (
                not self.live_jobs() and not self.ask("SELECT count(*) FROM automate_core_wait WHERE status = 'open'")
            ),
            seconds,
        )

    def figures(self) -> dict[str, Any]:
        """The counts that every report has, after all invariants were checked."""
        from tests.faults.conftest import plain_connection

        with plain_connection() as own:
            check(own, self.evidence)
        accepted = len(self.evidence.acknowledged)
        keys = [key for _, key, _ in list(self.sink.calls)]
        return {
            "accepted": accepted,
            "lost": accepted
            - self.ask(
                "SELECT count(*) FROM automate_core_event WHERE trace_id = ANY(%s)", list(self.evidence.acknowledged)
            ),
            "runs": self.ask("SELECT count(*) FROM automate_core_executionrun"),
            "runs_succeeded": self.ask("SELECT count(*) FROM automate_core_executionrun WHERE status = 'succeeded'"),
            "calls": len(keys),
            "repeated_calls": len(keys) - len(set(keys)),
            "jobs_dead": self.ask("SELECT count(*) FROM automate_core_outboxjob WHERE status = 'dead'"),
        }


@contextlib.contextmanager
def ground(*slugs: str, old_commit: str = "") -> Iterator[Ground]:
    """A new one, with an endpoint and a workflow for each slug; everything is removed at the end.

    With `old_commit`, the code of that commit prepares the database, and `Ground.old` starts its processes.
    """
    cluster = temporary_cluster()
    with tempfile.TemporaryDirectory(prefix="automate-faults-") as folder:
        cluster.start()
        try:
            os.environ |= {
                "DATABASE_URL": cluster.url,
                "AUTOMATE_DATA": folder,
                "AUTOMATE_WORKER": "off",
                "AUTOMATE_DEMO": "off",
                "DJANGO_SETTINGS_MODULE": "automate_site.settings",
            }
            sink = Sink()
            old = _check_out(old_commit, Path(folder)) if old_commit else None
            if old:
                _prepare_old(old, sink, slugs)
            else:
                _prepare(sink, slugs)
            made = Ground(cluster, Path(folder), sink, old)
            try:
                yield made
            finally:
                made.old.end()
                made.mill.end()
                sink.close()
        finally:
            cluster.destroy()


def commit_before_migrations() -> str:
    """The commit before the last `UPGRADED_COMMITS` that added migrations, or that of FAULTS_OLD_COMMIT.

    None before 0.2.0: those are not upgraded by the code of today. "" without a history.
    """
    if given := os.environ.get("FAULTS_OLD_COMMIT"):
        return given
    since = [f"{RELEASES['0.2.0']}..", "--", "apps/*/migrations/0*.py"]
    command = ["git", "log", f"-{UPGRADED_COMMITS}", "--format=%H", "--diff-filter=A", *since]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return ""
    return f"{commits[-1]}^" if (commits := done.stdout.split()) else RELEASES["0.2.0"]


def old_environment(environment: dict[str, str], old: Path) -> dict[str, str]:
    """Imports and entry points come from the old code, whatever is installed."""
    return {
        **environment,
        "PYTHONPATH": f"{old / 'apps'}{os.pathsep}{old}",
        "PYTHONPYCACHEPREFIX": str(old / "bytecode"),
    }


def _check_out(commit: str, folder: Path) -> Path:
    old = folder / "code"
    old.mkdir()
    (folder / "old").mkdir()
    with subprocess.Popen(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x"], cwd=old, stdin=archive.stdout, check=True)
    assert archive.returncode == 0, f"there is no commit {commit}"
    _declare(old)
    return old


def _declare(old: Path) -> None:
    """Write the old code's own metadata: of two distributions with one name, the first one on the path counts."""
    project = tomllib.loads((old / "pyproject.toml").read_text())["project"]
    folder = old / f"{project['name'].replace('-', '_')}-0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
    points = {**project.get("entry-points", {}), "console_scripts": project.get("scripts", {})}
    lines = [line for group in points for line in [f"[{group}]", *(f"{n} = {v}" for n, v in points[group].items())]]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")


def _prepare_old(old: Path, sink: Sink, slugs: tuple[str, ...]) -> None:
    """The same as `_prepare`, by the commands of the old code."""
    secret, password = {"FAULTS_SECRET": SECRET}, {"DJANGO_SUPERUSER_PASSWORD": "password-of-faults"}

    def manage(*arguments: str) -> None:
        environment = {**old_environment(dict(os.environ), old), **secret, **password}
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=old,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"

    manage("migrate", "--verbosity=0")
    manage("createsuperuser", "--noinput", "--username=faults", "--email=faults@example.com")
    for slug in slugs:
        file = old / f"{slug}.yaml"
        file.write_text(CALL.format(slug=slug, url=sink.url))
        manage("automate_endpoint", slug, "--scheme=github", "--secret-env=FAULTS_SECRET", "--owner=faults")
        manage("automate_import", str(file), "--publish", "--owner=faults")
    import django

    django.setup()
    from tests.faults import history
    from tests.faults.conftest import run_sql

    run_sql(history.INSTALL)


def _prepare(sink: Sink, slugs: tuple[str, ...]) -> None:
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connections

    from automate_authoring import workflows
    from automate_authoring.definitions import yaml_files
    from automate_core.webhooks import endpoints
    from tests.faults import history
    from tests.faults.conftest import run_sql

    call_command("migrate", verbosity=0)
    run_sql(history.INSTALL)
    owner = get_user_model().objects.create_superuser("faults", "faults@example.com", "password-of-faults")
    for slug in slugs:
        endpoints.save_endpoint(slug, scheme="github", config={}, secret=SECRET, actor=owner)
        workflow = workflows.save_definition(
            yaml_files.read_workflow(CALL.format(slug=slug, url=sink.url)), owner=owner
        )
        workflows.publish(workflow, author=owner)
    connections.close_all()
