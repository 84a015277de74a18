"""Images by buildah: the base image, the build of deploy/Containerfile, and commands in a container of it.

buildah needs no daemon. With its isolation `chroot`, it works wherever root may mount: no network, no cgroup and no
user namespace is made. So what runs in the container shares this machine's network, and may write to its root.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

CONTAINERFILE = ROOT / "deploy" / "Containerfile"
IMAGE = "localhost/django-automate:of-tests"
SUITE = "trixie"  #: of Debian, which the base image stands on
PACKAGES = "ca-certificates,libpython3-stdlib,netbase,python3,python3-venv,tzdata"


class BuilderError(Exception):
    """The image cannot be built here; the message says why."""


class Builder:
    """buildah with a store of its own in `folder`, whose base image is kept for the next build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._command = [
            "buildah", "--storage-driver", "vfs", "--root", str(folder / "store"), "--runroot", str(folder / "run"),
        ]  # fmt: skip

    def __call__(self, *arguments: str, seconds: float = 1_500) -> str:
        """The output of a command of buildah. Raises BuilderError with the end of its errors."""
        done = subprocess.run(
            [*self._command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds
        )
        if done.returncode:
            raise BuilderError(f"buildah {arguments[0]}: {done.stderr.strip()[-3_000:]}")
        return done.stdout.strip()

    def provide_base(self) -> None:
        """The image that the last FROM names: as it is in the store, or one made of Debian's packages."""
        [name] = set(re.findall(r"^FROM (\S+)", CONTAINERFILE.read_text(), re.M))
        if self("images", "--quiet", "--filter", f"reference={name}"):
            return
        if shutil.which("debootstrap") is None:
            raise BuilderError(f"{name} is not there, and debootstrap is not installed")
        root = self.folder / "base"
        shutil.rmtree(root, ignore_errors=True)
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BuilderError(f"debootstrap: {(done.stdout + done.stderr)[-1_000:]}")
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        shutil.rmtree(root / "var/cache/apt/archives")
        shutil.rmtree(root / "var/lib/apt/lists")
        container = self("from", "scratch")
        self("add", container, str(root), "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", container)
        self("commit", "--rm", container, name)
        shutil.rmtree(root)

    def build(self) -> BuiltImage:
        """As docs/deployment.md says, with this machine's certificates, which its package registry may need."""
        certificates = "/etc/ssl/certs"
        self(
            "build", "--pull=never", "--isolation=chroot", "--format=docker", f"--file={CONTAINERFILE}",
            f"--volume={certificates}:{certificates}:ro", *_limits(), f"--tag={IMAGE}", ".",
        )  # fmt: skip
        container = self("from", "--pull=never", *_limits(), IMAGE)
        found = json.loads(self("inspect", "--type=image", IMAGE))["Docker"]["config"]
        return BuiltImage(
            self, container, files=Path(self("mount", container)) / "opt/automate", command=found["Cmd"],
            healthcheck=found["Healthcheck"]["Test"][1:], user=found["User"],
        )  # fmt: skip

    def start(
        self, container: str, command: list[str], variables: dict[str, str], folder: Path
    ) -> subprocess.Popen[str]:
        """Start a command in a container, which finds `folder` at its own path."""
        given = [f"--env={name}={value}" for name, value in variables.items()]
        return subprocess.Popen(
            [*self._command, "run", "--isolation=chroot", f"--volume={folder}:{folder}", *given, container, *command],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


@dataclass(frozen=True)
class BuiltImage:
    """A container of the built image, its root folder, and what the image says of itself."""

    builder: Builder
    container: str
    files: Path
    command: list[str]
    healthcheck: list[str]
    user: str

    def start(self, command: list[str], variables: dict[str, str], folder: Path) -> subprocess.Popen[str]:
        """As `docker run` with the image's user, its environment and `folder` as a volume."""
        return self.builder.start(self.container, command, variables, folder)

    def terminate(self, process: subprocess.Popen[str]) -> None:
        """Send SIGTERM to the command, as `docker stop` does. buildah itself would pass on no signal."""
        found = [process.pid]
        while found and Path(f"/proc/{found[0]}/cmdline").read_bytes().startswith(b"buildah"):
            children = Path(f"/proc/{found[0]}/task").glob("*/children")
            found = [*found[1:], *(int(pid) for each in children for pid in each.read_text().split())]
        os.kill(found[0], signal.SIGTERM)

    def remove(self) -> None:
        """Remove the container; the image stays for the next build."""
        self.builder("rm", self.container)


def _limits() -> list[str]:
    """The limits of this process; buildah would raise them, which not every root may."""
    wanted = {"nproc": resource.RLIMIT_NPROC, "nofile": resource.RLIMIT_NOFILE}
    return [f"--ulimit={name}={most}:{most}" for name, kind in wanted.items() for most in resource.getrlimit(kind)[1:]]
