"""SFTP: the server's address is checked as any other, its host key against a fingerprint, and all has one deadline.

Sources: RFC 4251 to 4254 (SSH), draft-ietf-secsh-filexfer-02 (SFTP, version 3). asyncssh reads nothing of the process
that runs it: neither keys, agents nor files of ~/.ssh. It is installed by the extra `sftp`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket  # noqa: TID251 - typing; the guard opens the socket
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import asyncssh  # noqa: TID251 - over a connection to an address that was checked

from automate_egress.answers import POLL_SECONDS
from automate_egress.errors import (
    EgressBlockedError,
    EgressConnectionError,
    EgressResponseTooLargeError,
    EgressUntrustedError,
    SftpError,
    truncate_words,
)
from automate_egress.network import Network
from automate_plugins import text

SFTP_PORTS = frozenset({22, 2022, 2222})
MAX_ENTRIES = 20_000  #: of one folder that are read
_PIECE = 1_048_576
_KINDS = {asyncssh.FILEXFER_TYPE_REGULAR: "file", asyncssh.FILEXFER_TYPE_DIRECTORY: "folder"}
_CODES = {
    asyncssh.FX_NO_SUCH_FILE: "not_found",
    asyncssh.FX_NO_SUCH_PATH: "not_found",
    asyncssh.FX_PERMISSION_DENIED: "permission_denied",
    asyncssh.FX_WRITE_PROTECT: "permission_denied",
    asyncssh.FX_FILE_ALREADY_EXISTS: "already_exists",
    asyncssh.FX_NO_SPACE_ON_FILESYSTEM: "no_space",
    asyncssh.FX_QUOTA_EXCEEDED: "no_space",
}
_LOST = frozenset({asyncssh.FX_NO_CONNECTION, asyncssh.FX_CONNECTION_LOST})


@dataclass(frozen=True, kw_only=True)
class SftpServer:
    """A server. `fingerprints` are those of its host keys, such as `SHA256:…`; without any, none is trusted.

    `private_key` is in OpenSSH's or PEM format, `passphrase` opens it.
    """

    host: str
    port: int
    username: str
    fingerprints: frozenset[str]
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something in a folder. `kind` is file, folder or other; `modified` is the server's, in seconds since 1970."""

    name: str
    kind: str
    size: int
    modified: int


class SftpSession:
    """What can be done on a server, call by call. Each raises SftpError for a refusal, and the errors of Network."""

    def __init__(self, network: Network, loop: asyncio.AbstractEventLoop, client: asyncssh.SFTPClient) -> None:
        self._network, self._loop, self._client = network, loop, client

    def entries(self, folder: str) -> list[Entry]:
        """Return what is in a folder. Raises EgressResponseTooLargeError for more than MAX_ENTRIES."""
        return self._run(self._entries(folder))

    def kind(self, path: str) -> str:
        """Return the kind of what is at a path: file, folder, other, or "" for nothing."""
        try:
            return _KINDS.get(self._run(self._client.lstat(path)).type, "other")
        except SftpError as error:
            if error.code == "not_found":
                return ""
            raise

    def read(self, path: str, into: IO[bytes], most: int) -> None:
        """Write the content of a file to `into`. Raises EgressResponseTooLargeError for more than `most` bytes."""
        self._run(self._read(path, into, most))

    def write(self, path: str, content: bytes) -> None:
        """Create or replace a file."""
        self._run(self._write(path, content))

    def move(self, path: str, to: str, *, replace: bool) -> None:
        """Rename a file or folder; with `replace`, in place of a file that is there."""
        if not replace:
            if self.kind(to):  # servers differ in what they do then
                raise SftpError(text("%(path)s already exists.", path=to), code="already_exists")
            self._run(self._client.rename(path, to))
            return
        try:
            self._run(self._client.posix_rename(path, to))
        except SftpError as error:
            if error.code != "unsupported":
                raise
            self.remove(to)
            self._run(self._client.rename(path, to))

    def remove(self, path: str) -> bool:
        """Remove a file or an empty folder. Return whether there was one."""
        kind = self.kind(path)
        if kind:
            self._run(self._client.rmdir(path) if kind == "folder" else self._client.remove(path))
        return bool(kind)

    def make_folder(self, path: str) -> None:
        """Create a folder and those above it; one that exists stays."""
        self._run(self._client.makedirs(path, exist_ok=True))

    def home(self) -> str:
        """Return the folder in which the session begins."""
        return str(self._run(self._client.realpath(".")))

    async def _entries(self, folder: str) -> list[Entry]:
        found: list[Entry] = []
        async for each in self._client.scandir(folder):
            if each.filename in (".", ".."):
                continue
            if len(found) == MAX_ENTRIES:
                raise EgressResponseTooLargeError(
                    text("The folder %(path)s has more than %(count)s entries.", path=folder, count=MAX_ENTRIES)
                )
            attributes = each.attrs
            found.append(
                Entry(
                    name=str(each.filename),
                    kind=_KINDS.get(attributes.type, "other"),
                    size=attributes.size or 0,
                    modified=int(attributes.mtime or 0),
                )
            )
        return found

    async def _read(self, path: str, into: IO[bytes], most: int) -> None:
        size = 0
        async with self._client.open(path, "rb") as opened:
            file: Any = opened
            while piece := await file.read(_PIECE):
                size += len(piece)
                if size > most:
                    raise EgressResponseTooLargeError(
                        text("The file %(path)s is larger than %(count)s bytes.", path=path, count=most)
                    )
                into.write(piece)

    async def _write(self, path: str, content: bytes) -> None:
        async with self._client.open(path, "wb") as file:
            for start in range(0, len(content), _PIECE):
                await file.write(content[start : start + _PIECE])

    def _run[T](self, work: Awaitable[T]) -> T:
        return _run(self._loop, self._network, work)


@contextlib.contextmanager
def sftp(network: Network, server: SftpServer) -> Iterator[SftpSession]:
    """Open a session for the block.

    Raises the errors of Network, SftpError when the server refuses the sign-in or no fingerprint is known, and
    EgressUntrustedError for another host key.
    """
    options = _options(server)
    with (
        contextlib.closing(network.connect(server.host, server.port, ports=SFTP_PORTS)) as sock,
        _event_loop() as loop,
        _translated(network, server),
    ):
        connection = _connected(network, loop, server, sock, options)
        try:
            started = connection.start_sftp_client(path_errors="backslashreplace")
            client: asyncssh.SFTPClient = _run(loop, network, started)
            yield SftpSession(network, loop, client)
        finally:
            connection.abort()


class _Client(asyncssh.SSHClient):
    """Accepts the host keys of the given fingerprints, and remembers the key that was shown."""

    def __init__(self, fingerprints: frozenset[str]) -> None:
        self._fingerprints = fingerprints
        self.shown = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.shown = f"{key.get_fingerprint()} ({key.get_algorithm()})"
        return key.get_fingerprint() in self._fingerprints


def _options(server: SftpServer) -> dict[str, Any]:
    """Return the options of a connection that uses nothing but what `server` names. Raises SftpError."""
    keys = None
    if server.private_key:
        try:
            keys = [asyncssh.import_private_key(server.private_key, server.passphrase or None)]
        except (ValueError, asyncssh.Error) as error:  # never with its reason, which may quote the key
            raise SftpError(
                text("The private key cannot be read. It must be in OpenSSH or PEM format, with its passphrase."),
                code="authentication_failed",
            ) from error.with_traceback(None)
    return {
        "username": server.username,
        "password": server.password or None,
        "client_keys": keys,
        "known_hosts": ([], [], []),  # none is known but by its fingerprint
        "x509_trusted_certs": None,
        "config": None,
        "agent_path": None,
        "gss_host": None,
        "host_based_auth": False,
        "compression_algs": None,
        "keepalive_interval": 0,
        "client_version": "django-automate",
    }


def _connected(
    network: Network,
    loop: asyncio.AbstractEventLoop,
    server: SftpServer,
    sock: socket.socket,
    options: dict[str, Any],
) -> asyncssh.SSHClientConnection:
    client = _Client(server.fingerprints)
    place = f"{server.host}:{server.port}"

    async def connect() -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(server.host, server.port, sock=sock, client_factory=lambda: client, **options)

    try:
        return _run(loop, network, connect())
    except asyncssh.HostKeyNotVerifiable as error:
        if not server.fingerprints:
            raise SftpError(
                text(
                    "%(place)s has the host key %(fingerprint)s. Compare it with the one that its operator names, then"
                    " enter it in the connection.",
                    place=place,
                    fingerprint=client.shown,
                ),
                code="host_key_unknown",
            ) from error
        raise EgressUntrustedError(
            text(
                "%(place)s shows the host key %(fingerprint)s, which is not the one of the connection. This may be an"
                " attack: ask its operator before you change the connection.",
                place=place,
                fingerprint=client.shown,
            )
        ) from error
    except asyncssh.PermissionDenied as error:
        raise SftpError(
            text("%(place)s rejected the credentials of %(user)s.", place=place, user=server.username),
            code="authentication_failed",
        ) from error


@contextlib.contextmanager
def _event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop for the block, in this thread alone."""
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        if tasks := asyncio.all_tasks(loop):
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.wait(tasks))
        loop.close()


def _run[T](loop: asyncio.AbstractEventLoop, network: Network, work: Awaitable[T]) -> T:
    """Return the result of `work`. Raises its error, and those of Network when the time is over or it is cancelled."""

    async def until_done() -> T:
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=min(POLL_SECONDS, network.remaining()))
            return task.result()
        finally:
            task.cancel()

    try:
        return loop.run_until_complete(until_done())
    except asyncssh.SFTPError as error:
        if error.code in _LOST:
            raise ConnectionResetError from error
        reason = truncate_words(error.reason, 300) or type(error).__name__
        code = "unsupported" if error.code == asyncssh.FX_OP_UNSUPPORTED else _CODES.get(error.code, "sftp_failed")
        raise SftpError(text("The server refused: %(reason)s.", reason=reason.rstrip(".")), code=code) from error


@contextlib.contextmanager
def _translated(network: Network, server: SftpServer) -> Iterator[None]:
    """Turn errors of the connection into EgressError."""
    try:
        yield
    except (asyncssh.Error, OSError) as error:  # also of an end in the middle of something
        network.remaining()  # over: that is the error
        place = f"{server.host}:{server.port}"
        if isinstance(error, asyncssh.ProtocolNotSupported | asyncssh.KeyExchangeFailed):
            raise EgressBlockedError(
                text("%(place)s supports no method of encryption that is safe.", place=place)
            ) from error
        raise EgressConnectionError(text("The connection to %(place)s failed.", place=place)) from error
