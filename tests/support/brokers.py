"""Brokers of Celery, started in a folder of their own: Debian's redis-server or valkey-server, and rabbitmq-server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.support.processes import free_port

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one on PATH changes the user


class Missing(AssertionError):
    """The program is not installed; the message says what to install."""


class Broker:
    """A broker whose process may be killed, and whose data may be wiped."""

    seconds = 60

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For Celery."""
        raise NotImplementedError

    def command(self) -> tuple[list[str], dict[str, str]]:
        """What starts it: (command, further environment)."""
        raise NotImplementedError

    def start(self) -> None:
        """Return once it accepts connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command, environment = self.command()
        with (self.folder.parent / f"{self.folder.name}.log").open("a") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + self.seconds
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < until, f"{command[0]} did not start"
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)

    def wipe(self) -> None:
        """Delete its data, while it does not run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


class Redis(Broker):
    """Redis or Valkey that keeps its data on disk."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> tuple[list[str], dict[str, str]]:
        return [
            find_redis(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--appendonly", "yes", "--save", "",
        ], {}  # fmt: skip


class RabbitMQ(Broker):
    """RabbitMQ as a node of its own, with the port mapper of Erlang on a port of its own."""

    seconds = 180

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.mapper, self.distribution = free_port(), free_port()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def command(self) -> tuple[list[str], dict[str, str]]:
        return [find_rabbitmq()], {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.mapper),
            "RABBITMQ_NODENAME": f"automate{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
        }


def find_redis() -> str:
    """The program; installed with apt where this user may. Raises Missing."""
    for _ in range(2):
        for name in ("redis-server", "valkey-server"):
            if found := shutil.which(name):
                return found
        if not _install("redis-server"):
            break
    raise Missing("redis-server is missing: apt install redis-server, or valkey-server")


def find_rabbitmq() -> str:
    """The program; installed with apt where this user may. Raises Missing."""
    if RABBITMQ.exists() or (_install("rabbitmq-server") and RABBITMQ.exists()):
        return str(RABBITMQ)
    raise Missing("rabbitmq-server is missing: apt install rabbitmq-server")


def _install(package: str) -> bool:
    """Try to install a package of Debian: whether that was possible. Its service is not started."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    subprocess.run(
        ["apt-get", "install", "--yes", "--no-install-recommends", package],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return True
