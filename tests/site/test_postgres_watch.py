"""The site's own PostgreSQL is brought back when it ends, and nothing else takes its place."""

from __future__ import annotations

import logging
import os
import shutil
import signal

import psycopg
import pytest
from django.db import OperationalError

from automate_site import command_line, environment, postgres_watch, site_lock
from automate_site.embedded_postgres import PostgresError, temporary_cluster
from tests.support.processes import wait_for


class Server:
    """A cluster that ends at will, and that cannot be started so many times."""

    log_file = "/nowhere/log"

    def __init__(self, failures=0):
        self.accepts, self.failures, self.starts, self.is_stopped = True, failures, 0, False

    def start(self):
        return False  # another process had started it

    def start_again(self):
        self.starts += 1
        if self.starts <= self.failures:
            raise PostgresError("the disk is full")
        self.accepts = True

    def accepts_connections(self):
        return self.accepts

    def stop(self):
        self.is_stopped = True


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(postgres_watch, "LOOK_SECONDS", 0.02)


@pytest.mark.parametrize("failures", [0, 3])
def test_a_server_that_ended_is_started_again_with_one_line(failures, caplog):
    server = Server(failures)
    with caplog.at_level(logging.WARNING), postgres_watch.kept_running(server):
        server.accepts = False
        wait_for(lambda: server.accepts, seconds=10)
    assert server.starts == failures + 1
    assert server.is_stopped, "what was started here ends here"
    said = [record.getMessage() for record in caplog.records]
    assert said[-1] == "the embedded PostgreSQL had ended and was started again; its log is /nowhere/log"
    assert len(said) == (2 if failures else 1)
    assert "the disk is full" in said[0] or not failures


def test_a_server_of_another_process_is_left_running():
    server = Server()
    with postgres_watch.kept_running(server):
        pass
    assert not server.starts and not server.is_stopped


@pytest.mark.extended
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_real_server_comes_back_and_a_lost_folder_does_not_become_a_new_one(how):
    cluster = temporary_cluster()
    try:
        with postgres_watch.kept_running(cluster):
            data = cluster.home / "data"
            before = int((data / "postmaster.pid").read_text().split()[0])
            os.kill(before, how)
            wait_for(
                lambda: (
                    (data / "postmaster.pid").exists()
                    and int((data / "postmaster.pid").read_text().split()[0]) != before
                    and cluster.accepts_connections()
                ),
                seconds=60,
            )
        assert not cluster.is_running()
        shutil.rmtree(data)
        with pytest.raises(PostgresError, match="files of the embedded PostgreSQL are missing"):
            cluster.start_again()
        assert not data.exists()
    finally:
        cluster.destroy()


def test_a_command_of_a_running_site_does_not_advise_to_start_it(tmp_path, capsys, monkeypatch):
    def away(arguments):
        raise OperationalError("no socket file") from psycopg.OperationalError("no socket file")

    monkeypatch.setattr(command_line, "execute_from_command_line", away)
    monkeypatch.setattr(environment, "data_folder", lambda: tmp_path)
    monkeypatch.delenv("DATABASE_URL")
    with site_lock.hold_site_lock(tmp_path, 8000):
        assert command_line.main(["manage.py", "automate_status"]) == 2
    said = capsys.readouterr().err
    assert "The site is running, and starts its own PostgreSQL again" in said and "make run" not in said
    assert command_line.main(["manage.py", "automate_status"]) == 2
    assert "Start the site with `make run`" in capsys.readouterr().err
