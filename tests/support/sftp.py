"""An SFTP server on loopback, in this process: the files of a folder, one account and one key of the host."""

from __future__ import annotations

import asyncio
import functools
import threading
from pathlib import Path
from typing import Any

import asyncssh


@functools.cache
def _keys() -> tuple[asyncssh.SSHKey, asyncssh.SSHKey, str]:
    """The keys of the host and of the account, and the latter's private half, which takes long to encrypt."""
    host, account = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    return host, account, account.export_private_key("openssh", "opens it").decode()


class FileServer:
    """Serves `folder` to the user `shop`, with the password `right` or the key whose private half is `private_key`."""

    def __init__(self, folder: Path) -> None:
        host_key, client_key, self.private_key = _keys()
        self.fingerprint = host_key.get_fingerprint()
        self.tried: list[str] = []
        server = self

        class Account(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                server.tried.append(username)
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == ("shop", "right")

        async def listen() -> Any:
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_factory=Account,
                server_host_keys=[host_key],
                authorized_client_keys=asyncssh.import_authorized_keys(client_key.export_public_key().decode()),
                sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(folder).encode()),
            )

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._acceptor = asyncio.run_coroutine_threadsafe(listen(), self._loop).result(60)
        self.port: int = self._acceptor.get_port()

    def close(self) -> None:
        """End all sessions and stop listening."""

        async def end() -> None:
            self._acceptor.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()
