"""`make release`: the server and its command line, each as sdist and the wheel made from it, and the SBOM, in dist/.

Everything is built twice, from two copies in two folders, and the results must be equal byte for byte. Times are those
of the last commit (SOURCE_DATE_EPOCH). Tools are pinned with hashes in requirements-release.txt.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
TOOLS = ROOT / "build" / "release"
PRICES = ROOT / "apps" / "automate_llm" / "prices.json"
PRICES_DAYS = 60  #: after which prices of language models are too old for a release
#: The folder that each distribution is built in.
FOLDERS = {"django_automate": ".", "django_automate_cli": "cli"}
#: What is in its wheel, among other files.
NEEDED = {
    "django_automate": (
        "automate_core/py.typed", "automate_core/migrations/0001_initial.py", "automate_studio/docs/index.md",
        "automate_studio/locale/de/LC_MESSAGES/django.mo", "automate_studio/templates/automate_studio/", "LICENSE",
        "automate_studio/static/automate_studio/",
    ),
    "django_automate_cli": ("automate_cli/main.py", "dist-info/entry_points.txt", "LICENSE"),
}  # fmt: skip
FORBIDDEN = re.compile(r"^(tests|bench|automate_site)/|(^|/)(\.env|\.data|__pycache__)(/|$)|\.pyc$")


class ReleaseError(Exception):
    """The release cannot be made; the message says why."""


def main() -> int:
    """Build, compare, check and list. Returns the exit code."""
    try:
        environment = {**os.environ, "SOURCE_DATE_EPOCH": commit_time(), "PYTHONHASHSEED": "0"}
        check_prices(int(environment["SOURCE_DATE_EPOCH"]))
        check_versions(*(tomllib.loads((ROOT / each / "pyproject.toml").read_text()) for each in FOLDERS.values()))
        python = install_tools()
        with tempfile.TemporaryDirectory(prefix="automate-release-") as folder:
            files, places = Path(folder) / "files", [Path(folder) / name for name in ("one", "another/further/down")]
            copy_files(files)
            builds = [build(files, place, python, environment) for place in places]
            compare(*builds)
            for wheel in builds[0].glob("*.whl"):
                check_wheel(wheel)
            shutil.rmtree(DIST, ignore_errors=True)
            shutil.copytree(builds[0], DIST)
    except ReleaseError as error:
        print(f"No release: {error}", file=sys.stderr)
        return 1
    sums = "".join(f"{sha256(each)}  {each.name}\n" for each in sorted(DIST.iterdir()))
    (DIST / "SHA256SUMS").write_text(sums)
    print(sums, end="")
    return 0


def commit_time() -> str:
    """SOURCE_DATE_EPOCH: given, or the time of the last commit, whose files must be those of the folder."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return given
    if run(["git", "status", "--porcelain"]):
        raise ReleaseError("files differ from the last commit. Commit them, or set SOURCE_DATE_EPOCH to try it out.")
    return run(["git", "log", "-1", "--format=%ct"])


def install_tools() -> Path:
    """An environment with the tools; its Python."""
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    python = TOOLS / "bin" / "python"
    if not python.exists():
        run([uv, "venv", "--quiet", "--python", sys.executable, str(TOOLS)])
    requirements = str(ROOT / "requirements-release.txt")
    run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), requirements])
    return python


def build(files: Path, folder: Path, python: Path, environment: dict[str, str]) -> Path:
    """Build in `folder`, from a copy of `files`: each sdist, then the wheel from what is in it, then the SBOM."""
    source, made = folder / "source", folder / "dist"
    made.mkdir(parents=True)
    shutil.copytree(files, source)
    hatch = [str(python), "-m", "hatchling", "build", "--directory", str(made)]
    for name, place in FOLDERS.items():
        run([*hatch, "--target", "sdist"], source / place, environment)
        [sdist] = made.glob(f"{name}-*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "sdist", filter="data")
        run([*hatch, "--target", "wheel"], folder / "sdist" / sdist.name.removesuffix(".tar.gz"), environment)
    [unpacked] = (folder / "sdist").glob("django_automate-*")
    bom = made / f"{unpacked.name}.cdx.json"
    cyclonedx = [str(python), "-m", "cyclonedx_py", "requirements", "requirements.txt", "--pyproject", "pyproject.toml"]
    flags = ["--mc-type", "application", "--output-reproducible", "--output-format", "JSON", "--validate"]
    run([*cyclonedx, *flags, "--output-file", str(bom)], unpacked, environment)
    return made


def copy_files(to: Path) -> None:
    """The files under version control, or all files of an unpacked sdist."""
    if not (ROOT / ".git").exists():
        ignore = shutil.ignore_patterns(".venv", ".uv", ".data", "build", "dist", "__pycache__", "*.mo")
        shutil.copytree(ROOT, to, ignore=ignore)
        return
    for name in run(["git", "ls-files", "-z", "--cached"]).split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)


def compare(one: Path, another: Path) -> None:
    """Raise ReleaseError unless both folders have the same files with the same bytes."""
    names = [sorted(each.name for each in folder.iterdir()) for folder in (one, another)]
    different = [name for name in names[0] if sha256(one / name) != sha256(another / name)]
    if names[0] != names[1] or different:
        raise ReleaseError(f"two builds differ: {', '.join(different) or names}")


def check_wheel(wheel: Path) -> None:
    """Raise ReleaseError for a wheel that lacks something, has too much, or belongs to no section of the changelog."""
    names = zipfile.ZipFile(wheel).namelist()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if missing := [
        needed for needed in NEEDED[wheel.name.partition("-")[0]] if not any(needed in name for name in names)
    ]:
        raise ReleaseError(f"the wheel lacks {', '.join(missing)}")
    if extra := [name for name in names if FORBIDDEN.search(name)]:
        raise ReleaseError(f"the wheel contains {extra[0]}")
    section = version.partition(".dev")[0]
    if not re.search(rf"^## {re.escape(section)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M):
        raise ReleaseError(f"CHANGELOG.md has no section {section}")


def check_versions(server: dict[str, Any], command_line: dict[str, Any]) -> None:
    """Raise ReleaseError unless the server's extra `cli` requires the command line as it is built beside it."""
    project, required = command_line["project"], server["project"]["optional-dependencies"]["cli"]
    if project["version"] != server["project"]["version"] or required != [f"{project['name']}=={project['version']}"]:
        raise ReleaseError("pyproject.toml, its extra `cli` and cli/pyproject.toml differ in the version.")


def check_prices(commit_time: int, document: Path = PRICES) -> None:
    """Raise ReleaseError where the prices of language models were old at the time of the commit."""
    as_of = dt.date.fromisoformat(json.loads(document.read_text())["as_of"])
    committed = dt.datetime.fromtimestamp(commit_time, dt.UTC).date()
    if committed - as_of > dt.timedelta(days=PRICES_DAYS):
        raise ReleaseError(
            f"the prices in {document.name} are of {as_of}, more than {PRICES_DAYS} days before the commit."
            " Compare them with the pages that it names, and set the date."
        )


def sha256(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(command: list[str], folder: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    """The output of a program. Raises ReleaseError with the end of what it wrote when it fails."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
