"""Send a delivery to the demo workflow and follow its run in the terminal."""

from __future__ import annotations

import contextlib
import json
import subprocess  # noqa: TID251 - our own commands
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from automate_core.runs.tail import describe_run
from automate_core.states import RunStatus
from automate_egress import EgressError, HttpSession
from automate_governance.secrets.interfaces import SecretNotFoundError
from automate_site import demo, environment
from automate_site.demo.delivery import NotAcceptedError, deliver
from automate_site.views import PRODUCT

START_SECONDS = 90.0


class Command(BaseCommand):
    help = "Send a GitHub delivery, or any JSON object, to the demo workflow and follow its run step by step."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", metavar="FILE", help="a JSON object to send; default: a GitHub issue")
        parser.add_argument("--event", default="issues", metavar="TYPE", help="event type (default: issues)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.AUTOMATE_DEMO:
            raise CommandError(
                "the demo is off: it works on a local site only. Unset AUTOMATE_SITE_URL, "
                "AUTOMATE_TRUSTED_PROXIES and AUTOMATE_DEMO",
                returncode=2,
            )
        body = _body(Path(options["file"]) if options["file"] else demo.PAYLOAD)
        with self._site():
            if not demo.is_seeded():
                raise CommandError(f"the demo workflow {demo.WORKFLOW} is missing or not published", returncode=2)
            try:
                runs = deliver(body, options["event"], self.stdout.write)
            except (EgressError, TimeoutError, NotAcceptedError, SecretNotFoundError) as error:
                raise CommandError(str(error), returncode=1) from error
        for run in runs:
            self.stdout.write(describe_run(run))
        if not runs:
            raise CommandError("the delivery matched no workflow", returncode=1)
        if any(run.status != RunStatus.SUCCEEDED for run in runs):
            raise CommandError("a run did not succeed", returncode=1)

    @contextlib.contextmanager
    def _site(self) -> Iterator[None]:
        """Use the running site, or start one for the duration of the block."""
        if _answers():
            yield
            return
        self.stdout.write("The site is not running: starting it for this delivery")
        command = [sys.executable, str(environment.BASE_DIR / "manage.py"), "serve", "--quiet"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as site:  # noqa: S603
            try:
                until = time.monotonic() + START_SECONDS
                while not _answers():
                    if site.poll() is not None or time.monotonic() > until:
                        said = (
                            site.stderr.read().strip() if site.stderr and site.poll() is not None else ""
                        ) or "no reason given"
                        raise CommandError(f"the site did not start: {said.splitlines()[-1]}", returncode=2)
                    time.sleep(0.2)
                yield
            finally:
                site.terminate()
                site.wait(30)


def _answers() -> bool:
    """Whether this site listens on its port. Raises CommandError when another server does."""
    host = f"127.0.0.1:{environment.port()}"
    try:
        response = HttpSession(internal_hosts=[host]).request("GET", f"http://{host}/healthz/")
    except EgressError:
        return False
    try:
        product = response.json().get("product")
    except (ValueError, AttributeError):
        product = None
    if product != PRODUCT:
        raise CommandError(f"another server listens on {host}: choose another port, such as PORT=8001", returncode=2)
    return response.status == 200


def _body(path: Path) -> bytes:
    try:
        body = path.read_bytes()
        value = json.loads(body)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=2) from error
    except ValueError as error:
        raise CommandError(f"{path} is not valid JSON: {error}", returncode=2) from error
    if not isinstance(value, dict):
        raise CommandError(f"{path} does not contain a JSON object", returncode=2)
    return body
