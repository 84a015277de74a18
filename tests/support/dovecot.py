"""A Dovecot of the test's own: one mailbox, TLS from the start, on 127.0.0.1."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

CONFIGURATION = """
dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
mail_driver = maildir
mail_path = {folder}/mail
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
passdb static {{
  password = right
}}
userdb static {{
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
"""


class Dovecot:
    """The server; it is skipped for, with the reason, where it is not installed."""

    def __init__(self, certificate: tuple[str, str]) -> None:
        program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            pytest.skip("Dovecot is not installed: apt-get install dovecot-imapd")
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        if not version.startswith("2.4"):
            pytest.skip(f"the configuration is one of Dovecot 2.4, not {version.strip() or 'unknown'}")
        owner = pwd.getpwnam("mail") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self.folder = Path(tempfile.mkdtemp(prefix="automate-dovecot-"))
        self.folder.chmod(0o755)
        for name in ("mail", "run"):
            (self.folder / name).mkdir()
        if os.geteuid() == 0:
            os.chown(self.folder / "mail", owner.pw_uid, owner.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        written = self.folder / "dovecot.conf"
        group = subprocess.run(["id", "-gn", owner.pw_name], capture_output=True, text=True, check=True).stdout.strip()
        written.write_text(
            CONFIGURATION.format(
                folder=self.folder, certificate=certificate[0], key=certificate[1], user=owner.pw_name, group=group,
                port=self.port,
            )
        )  # fmt: skip
        self._process = subprocess.Popen([program, "-F", "-c", str(written)])
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        log = self.folder / "log"
        said = log.read_text() if log.exists() else ""
        self.close()
        pytest.fail(f"Dovecot did not start: {said}")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
