"""`manage.py`: Django's commands; errors that a person can fix are printed in one line, with exit code 2."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, execute_from_command_line
from django.db import Error

from automate_core.worker.early_stop import exit_well_on_sigterm
from automate_governance.texts import translated
from automate_operations.database_faults import AWAY, database_fault
from automate_site import environment, site_lock
from automate_site.embedded_postgres import PostgresError

BROKEN_PIPE = 141  #: as a shell says it of a program that SIGPIPE ended
_COMMANDS_FOR_STOPPED_SITE = {"automate_backup", "automate_restore", "automate_recover_keys"}


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    if arguments[1:2] == ["automate_worker"]:
        exit_well_on_sigterm()
    try:
        with _database_for(arguments):
            execute_from_command_line(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read standard output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Error as error:
        fault = database_fault(error)
        if fault is None:
            raise
        if fault is AWAY:
            return _fail(f"the database cannot be reached: {str(error).strip().splitlines()[0]}. {_hint()}")
        return _fail(translated(fault))
    except (ImproperlyConfigured, PostgresError) as error:
        return _fail(str(error))
    except CommandError as error:
        return _fail(str(error), error.returncode)
    except KeyboardInterrupt:
        return 130
    return 0


def _database_for(arguments: list[str]) -> contextlib.AbstractContextManager[Any]:
    """Start the embedded PostgreSQL for commands that also work while the site is stopped."""
    cluster = environment.embedded_cluster() if {*arguments[1:2]} & _COMMANDS_FOR_STOPPED_SITE else None
    return cluster.running() if cluster else contextlib.nullcontext()


def _hint() -> str:
    if os.environ.get("DATABASE_URL"):
        return "Check DATABASE_URL, and that PostgreSQL is running there."
    if site_lock.port_of(environment.data_folder()):
        return "The site is running, and starts its own PostgreSQL again within seconds; if not, its log says why."
    return "Start the site with `make run` (it brings its own PostgreSQL), or set DATABASE_URL."


def _fail(message: str, code: int = 2) -> int:
    sys.stderr.write(f"{message}\n")
    return code
