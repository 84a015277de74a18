"""SFTP: a server in this process, a real sshd where it is installed, host keys, refusals, deadlines and the poll."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time

import asyncssh
import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.sftp import SftpConnector
from automate_connectors.context import Context
from automate_egress import EgressTimeoutError
from automate_operations.plugin_list import list_plugins
from automate_testing.contracts import PollContractTest, PollSource
from automate_testing.fakes import MemoryFiles
from tests.connectors.conftest import real_context
from tests.support.sftp import FileServer

sftp = SftpConnector()
BYTES = bytes(range(256)) * 10_000


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files" / "in").mkdir(parents=True)
    return tmp_path / "files"


@pytest.fixture
def server(folder, settings):
    made = FileServer(folder)
    settings.AUTOMATE_EGRESS_ALLOW = [f"127.0.0.1:{made.port}"]
    made.connection = {
        "host": "127.0.0.1", "port": made.port, "username": "shop", "password": "right",
        "fingerprint": made.fingerprint,
    }  # fmt: skip
    yield made
    made.close()


@pytest.mark.extended
def test_files_come_and_go(server, folder, call):
    assert sftp.check_connection(real_context(server.connection)) == "Signed in to 127.0.0.1 as shop, in /."
    files = MemoryFiles({"given": BYTES})
    value = {"$file": "given", "name": "all bytes.bin", "type": "application/octet-stream", "size": len(BYTES)}
    sent = call(
        sftp, "upload", {"path": "out/2026/", "file": value, "make_folders": True}, server.connection, files=files
    )
    assert sent == {"path": "out/2026/all bytes.bin", "size": len(BYTES)}
    assert [path.name for path in (folder / "out" / "2026").iterdir()] == ["all bytes.bin"], "nothing temporary stays"
    assert (folder / "out" / "2026" / "all bytes.bin").read_bytes() == BYTES
    found = call(sftp, "download", {"path": sent["path"]}, server.connection, files=files)
    assert found["file"]["name"] == "all bytes.bin" and files.contents[found["file"]["$file"]] == BYTES
    again = {"path": "/out/2026/ü.txt", "text": "short", "temporary_name": False}
    call(sftp, "upload", {**again, "text": "much longer"}, server.connection)
    call(sftp, "upload", again, server.connection)
    assert (folder / "out" / "2026" / "ü.txt").read_text() == "short"
    assert call(sftp, "move", {"path": "out/2026/ü.txt", "to": "in/"}, server.connection) == {"path": "in/ü.txt"}
    listed = call(sftp, "list_files", {"folder": "in", "pattern": "?.t*"}, server.connection)
    [entry] = listed["items"]
    assert (entry["path"], entry["kind"], entry["size"], listed["complete"]) == ("in/ü.txt", "file", 5, True)
    listed = call(sftp, "list_files", {"kind": "folder"}, server.connection)
    assert [each["path"] for each in listed["items"]] == ["in", "out"]
    for path, deleted in (("in/ü.txt", True), ("in/ü.txt", False), ("in", True)):
        assert call(sftp, "delete", {"path": path}, server.connection) == {"path": path, "deleted": deleted}
    for _ in range(2):
        call(sftp, "make_folder", {"path": "a/b"}, server.connection)
    assert (folder / "a" / "b").is_dir()


@pytest.mark.extended
def test_a_key_signs_in(server, call):
    connection = {**server.connection, "password": "", "private_key": server.private_key, "passphrase": "opens it"}
    assert call(sftp, "list_files", {}, connection)["items"] == []
    pasted = {**connection, "private_key": server.private_key.replace("\n", "")}
    assert call(sftp, "list_files", {}, pasted)["items"] == []
    for change in ({"passphrase": "wrong"}, {"passphrase": ""}, {"private_key": "nonsense"}):
        with pytest.raises(ConnectorError, match="OpenSSH or PEM") as caught:
            call(sftp, "list_files", {}, {**connection, **change})
        assert caught.value.code == "authentication_failed"


def test_nobody_signs_in_before_the_host_key_is_known(server, call):
    for name, code, said in (
        ("", "host_key_unknown", "Compare it"),
        (f"SHA256:{'A' * 43}", "untrusted_certificate", "attack"),
    ):
        connection = {**server.connection, "fingerprint": name}
        with pytest.raises(ConnectorError) as caught:
            call(sftp, "list_files", {}, connection)
        assert caught.value.code == code and said in caught.value.message
        assert f"{server.fingerprint} (ssh-ed25519)" in caught.value.message
    with pytest.raises(ConnectorError) as caught:
        sftp.check_connection(real_context({**server.connection, "fingerprint": ""}))
    assert caught.value.code == "needs_reconnect" and server.fingerprint in caught.value.message
    assert server.tried == []
    several = f"SHA256:{'A' * 43}\n{server.fingerprint}="
    assert call(sftp, "list_files", {}, {**server.connection, "fingerprint": several})["items"] == []


REFUSALS = [
    ({"password": "wrong"}, "list_files", {}, "authentication_failed", "rejected the credentials of shop"),
    ({"password": ""}, "list_files", {}, "authentication_failed", "neither"),
    ({"fingerprint": "MD5:aa:bb"}, "list_files", {}, "invalid_input", "SHA256"),
    ({"host": "169.254.169.254", "port": 22}, "list_files", {}, "egress_blocked", "no access to"),
    ({"host": "127.0.0.1", "port": 1}, "list_files", {}, "egress_blocked", "the port of 127.0.0.1:1"),
    ({}, "list_files", {"folder": "nope"}, "not_found", "refused"),
    ({}, "list_files", {"max_items": 0}, "invalid_input", "between"),
    ({}, "download", {"path": "nope"}, "not_found", "refused"),
    ({}, "download", {"path": "big"}, "response_too_large", "larger than 1,000,000 bytes"),
    ({}, "download", {"path": "a\nb"}, "invalid_input", "on one line"),
    ({}, "upload", {"path": "x"}, "invalid_input", "file or a text"),
    ({}, "upload", {"path": "x/", "text": "t"}, "invalid_input", "needs a file"),
    ({}, "upload", {"path": "no/x", "text": "t"}, "not_found", "refused"),
    ({}, "move", {"path": "big", "to": "in"}, "already_exists", "already exists"),
    ({}, "move", {"path": "nope", "to": "x"}, "not_found", "refused"),
]


def test_refusals_name_the_fault(server, folder, call):
    (folder / "big").write_bytes(BYTES)
    files = MemoryFiles()
    files.max_bytes = 1_000_000
    missed = []
    for change, action, params, code, said in REFUSALS:
        try:
            call(sftp, action, params, {**server.connection, **change}, files=files)
            missed.append((action, params))
        except ConnectorError as error:
            if error.code != code or said not in error.message or error.retryable:
                missed.append((action, params, error.code, error.message))
    assert missed == []
    with pytest.raises(ConnectorError) as caught:
        call(sftp, "list_files", {}, server.connection, bound_hosts=["sftp.example.com"])
    assert caught.value.code == "egress_blocked"


def test_a_server_that_is_silent_or_breaks_off_ends_the_call(settings, call):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        settings.AUTOMATE_EGRESS_ALLOW = [f"{host}:{port}"]
        connection = {"host": host, "port": port, "username": "u", "password": "p"}
        with pytest.raises(ConnectorError) as caught:
            call(sftp, "list_files", {}, connection, seconds=1)
        assert caught.value.code == EgressTimeoutError.code and caught.value.retryable
    with pytest.raises(ConnectorError) as caught:
        call(sftp, "list_files", {}, connection)
    assert caught.value.code == "connection_failed" and caught.value.retryable


class Files(PollSource):
    """A folder; files may come with any time."""

    params = {"folder": "in", "pattern": "*.csv"}
    is_guarded = False

    def __init__(self, server, folder):
        self.connection, self._folder = server.connection, folder / "in"
        shutil.rmtree(self._folder)
        self._folder.mkdir()

    def add(self, number, at):
        path = self._folder / f"{number % 7}-{number:04}.csv"
        path.write_text("x" * number)
        os.utime(path, (at.timestamp(), at.timestamp()))

    def context(self):
        return Context(real_context(dict(self.connection)))


class TestSftpPolls(PollContractTest):
    adapter_cls = SftpConnector

    @pytest.fixture
    def adapter(self, server, folder):
        self.poll_sources = {"new_file": lambda: Files(server, folder)}
        return sftp


@pytest.mark.extended
def test_a_poll_knows_all_files_of_a_large_folder(server, folder):
    for number in range(2_100):
        (folder / "in" / f"{number:04}").touch()
    params = {"folder": "in", "quiet_seconds": 0}

    def poll(cursor, **more):
        result = sftp.poll("new_file", {**params, **more}, cursor, real_context(server.connection))
        return result, [item.data["name"] for item in result.items]

    first, names = poll(None)
    assert len(names) == 500 and not first.more
    (folder / "in" / "0000-new").touch()
    for number in range(500):
        path = folder / "in" / f"old-{number:03}"
        path.touch()
        os.utime(path, (1_000_000, 1_000_000))
    second, names = poll(first.cursor)
    assert len(names) == 500 and {name[:4] for name in names} == {"old-"} and second.more
    third, names = poll(second.cursor)
    assert (names, third.more) == (["0000-new"], False)
    (folder / "in" / "changing").touch()
    (folder / "in" / "far-ahead").touch()
    os.utime(folder / "in" / "far-ahead", (4_000_000_000, 4_000_000_000))
    waiting, names = poll(third.cursor, quiet_seconds=3_600)
    assert names == ["far-ahead"], "a file in change waits, one with a wrong time does not"
    assert poll(waiting.cursor)[1] == ["changing"]
    for number in range(7_400):
        (folder / "in" / f"more-{number}").touch()
    with pytest.raises(ConnectorError, match="more than 10,000 items"):
        poll(third.cursor)


def test_without_the_library_pages_and_forms_say_what_to_install(monkeypatch):
    monkeypatch.setattr("automate_connectors.adapters.extras.find_spec", lambda name: None)
    said = "This connector needs the extra sftp: pip install 'django-automate[sftp]'."
    [row] = [each for each in list_plugins() if (each["kind"], each["code"]) == ("connector", "sftp")]
    assert row["disabled"] == said and "upload" in row["actions"] and row["triggers"] == ["new_file"]
    with pytest.raises(ConnectorError, match="needs the extra sftp"):
        sftp.validate_config({"host": "h", "username": "u", "password": "env:P"})
    monkeypatch.setitem(sys.modules, "automate_egress.sftp", None)
    with pytest.raises(ConnectorError) as caught:
        sftp.execute("list_files", {"folder": "."}, real_context({"host": "h", "username": "u", "password": "p"}))
    assert caught.value.code == "extra_missing" and "[sftp]" in caught.value.message


# --- OpenSSH ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def openssh(settings, tmp_path):
    """Debian's sshd on loopback, for the account that runs the tests and a key of its own."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("sshd is not installed")
    host_key, client_key = (asyncssh.generate_private_key("ssh-rsa") for _ in range(2))
    host_key.write_private_key(tmp_path / "host")
    (tmp_path / "host").chmod(0o600)
    (tmp_path / "keys").write_bytes(client_key.export_public_key())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/keys\nPidFile none\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
    )
    settings.AUTOMATE_EGRESS_ALLOW = [f"127.0.0.1:{port}"]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", tmp_path / "config"], stdout=log, stderr=log)
    try:
        for _ in range(300):
            if "listening" in (tmp_path / "log").read_text() or process.poll() is not None:
                break
            time.sleep(0.1)
        if process.poll() is not None:
            pytest.skip(f"sshd does not start here: {(tmp_path / 'log').read_text().strip()[-200:]}")
        yield {
            "host": "127.0.0.1", "port": port, "username": getpass.getuser(), "fingerprint": host_key.get_fingerprint(),
            "private_key": client_key.export_private_key("openssh").decode(),
        }  # fmt: skip
    finally:
        process.terminate()
        process.wait(30)


def test_openssh_takes_all_of_it(openssh, call, tmp_path):
    folder = tmp_path / "real"
    files = MemoryFiles({"given": BYTES})
    value = {"$file": "given", "name": "a.bin", "type": "application/octet-stream", "size": len(BYTES)}
    for _ in range(2):
        given = {"path": f"{folder}/in/", "file": value, "make_folders": True}
        call(sftp, "upload", given, openssh, files=files)
    assert (folder / "in" / "a.bin").read_bytes() == BYTES
    found = call(sftp, "download", {"path": f"{folder}/in/a.bin"}, openssh, files=files)
    assert files.contents[found["file"]["$file"]] == BYTES
    polled = sftp.poll("new_file", {"folder": f"{folder}/in", "quiet_seconds": 0}, None, real_context(openssh))
    assert [item.data["name"] for item in polled.items] == ["a.bin"]
    call(sftp, "upload", {"path": f"{folder}/b", "text": "b"}, openssh)
    with pytest.raises(ConnectorError, match="already exists"):
        call(sftp, "move", {"path": f"{folder}/in/a.bin", "to": f"{folder}/b"}, openssh)
    call(sftp, "move", {"path": f"{folder}/in/a.bin", "to": f"{folder}/b", "replace": True}, openssh)
    assert (folder / "b").read_bytes() == BYTES
    assert call(sftp, "delete", {"path": f"{folder}/in"}, openssh)["deleted"]
    with pytest.raises(ConnectorError) as caught:
        call(sftp, "download", {"path": f"{folder}/in/a.bin"}, openssh)
    assert caught.value.code == "not_found"
