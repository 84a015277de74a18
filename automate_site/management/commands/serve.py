"""Start the whole site: PostgreSQL, migrations, the demo, the web server and the managed worker."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import threading
import time
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from automate_core.replies.run_urls import run_url
from automate_egress import EgressError
from automate_site import demo, environment, server, site_lock
from automate_site.demo.delivery import NotAcceptedError, deliver
from automate_site.postgres_watch import kept_running


class Command(BaseCommand):
    help = (
        "Start the site on 127.0.0.1:PORT with everything it needs. Ctrl-C or SIGTERM stops all of it. "
        "With --web-only, start only the web server: PostgreSQL, migrations and workers are elsewhere."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--quiet", action="store_true", help="print only a new password, as with AUTOMATE_LOG_FORMAT=json"
        )
        parser.add_argument("--host", default=server.HOST, help="address to listen on, such as 0.0.0.0")
        parser.add_argument("--web-only", action="store_true", help="only the web server, as one of several")

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
        port, host = environment.port(), options["host"]
        try:
            if options["web_only"]:
                self._serve_web(port, host)
                return
            with site_lock.hold_site_lock(environment.data_folder(), port):
                server.check_port(port, host=host)
                is_read_by_programs = environment.one_of("AUTOMATE_LOG_FORMAT", "text", "json") == "json"
                self._serve(port, host, quiet=options["quiet"] or is_read_by_programs)
        except (site_lock.RunningAlreadyError, server.PortTakenError) as error:
            raise CommandError(str(error), returncode=2) from error

    def _serve_web(self, port: int, host: str) -> None:
        """One web process of several: nothing of the database or the data folder is prepared or locked."""
        if not os.environ.get("DATABASE_URL"):
            raise CommandError("--web-only needs DATABASE_URL: it starts no PostgreSQL of its own", returncode=2)
        server.check_port(port, host=host)
        web = server.make_server(port, host=host)
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            web.run()
        if not web.started:
            raise CommandError("the web server did not start; see the lines above", returncode=2)

    def _serve(self, port: int, host: str, *, quiet: bool) -> None:
        cluster = environment.embedded_cluster()
        with kept_running(cluster) if cluster else contextlib.nullcontext():
            password = self._prepare()
            web = server.make_server(port, host=host)
            if quiet and password is not None:
                self.stdout.write(_how_to_sign_in(password))
                self.stdout.flush()
            elif not quiet:
                threading.Thread(target=self._announce, args=(web, password), daemon=True).start()
            with contextlib.suppress(KeyboardInterrupt, SystemExit):
                web.run()
            if not web.started:
                raise CommandError("the web server did not start; see the lines above", returncode=2)

    def _prepare(self) -> str | None:
        """Migrate and seed the database; returns the admin's password on the first start, else None."""
        _migrate()
        errors = [check for check in run_checks(databases=["default"]) if check.is_serious()]
        if errors:
            raise CommandError("\n".join(f"{error.msg} {error.hint or ''}" for error in errors), returncode=2)
        users = get_user_model()._default_manager
        password = None
        if not users.exists():
            password = os.environ.get("AUTOMATE_ADMIN_PASSWORD") or secrets.token_urlsafe(12)
            with transaction.atomic():  # both or neither: an interrupted first start is repeated
                admin = users.create_superuser("admin", "admin@example.com", password)
                if settings.AUTOMATE_DEMO:
                    demo.seed(admin)
        demo.update_echo_url()
        connections.close_all()
        return password

    def _announce(self, web: server.Server, password: str | None) -> None:
        """Print the site's URL once it responds, and on the first start run the demo once."""
        while not web.started:
            if web.should_exit:
                return
            time.sleep(0.05)
        say = self.stdout.write
        say(f"\nDjango Automate is at {environment.site_url()}/admin/")
        if password is not None:
            say(_how_to_sign_in(password))
            if settings.AUTOMATE_DEMO:
                self._first_run()
            elif os.environ.get("AUTOMATE_DEMO") != "off":
                say("The demo is off because the site is reachable from other machines.")
        else:
            say("Cannot sign in? .venv/bin/python manage.py changepassword admin")
        say("Ctrl-C stops everything.")
        self.stdout.flush()

    def _first_run(self) -> None:
        say = self.stdout.write
        try:
            runs = deliver(demo.PAYLOAD.read_bytes(), "issues", say)
        except (EgressError, TimeoutError, NotAcceptedError) as error:
            say(f"The demo's first delivery failed: {error}")
            return
        finally:
            connections.close_all()
        if runs:
            say(f"A signed GitHub delivery started a run: {run_url(runs[0].pk)}")
        say("Next: `make demo` sends another delivery; `make demo FILE=any.json EVENT=push` sends your own.")


def _migrate() -> None:
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    if not executor.loader.applied_migrations and apps.is_installed("oauth2_provider"):
        # Each of its many operations renders all related models again: it takes 2 s of CPU before ours exist, then 9 s.
        call_command("migrate", "oauth2_provider", verbosity=0, interactive=False)
    call_command("migrate", verbosity=0, interactive=False)


def _how_to_sign_in(password: str) -> str:
    given = "AUTOMATE_ADMIN_PASSWORD" in os.environ
    shown = "the password in AUTOMATE_ADMIN_PASSWORD" if given else f"the password {password} (shown only once)"
    return f"Sign in as admin with {shown}"
