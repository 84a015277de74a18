"""Performs the steps of deploy/Containerfile in a plain folder, for machines without a builder of images.

python scripts/image_in_folder.py FOLDER

Each stage gets a folder in FOLDER that stands for its root: absolute paths of ours (/opt/automate, /var/lib/automate)
lie in it, everything else is this machine's. Prints the last stage's environment, working directory, command and
health check as JSON. USER, EXPOSE and VOLUME are for real containers alone.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
_OURS = re.compile(r"/(?=opt/automate|var/lib/automate)")


class Stage:
    """A stage of the file: its folder and the state that its steps change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workdir = folder
        self.environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.metadata: dict[str, Any] = {}

    def inside(self, text: str) -> str:
        """A text whose absolute paths of ours are in this stage's folder."""
        return _OURS.sub(f"{self.folder}/", text)

    def run(self, command: str) -> None:
        """A RUN step. Raises subprocess.CalledProcessError."""
        subprocess.run(["/bin/sh", "-c", self.inside(command)], cwd=self.workdir, env=self.environment, check=True)

    def copy(self, sources: list[Path], target: str) -> None:
        """A COPY step: files into a folder, or the content of one folder into another."""
        to = self.workdir / self.inside(target)
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, to, dirs_exist_ok=True, symlinks=True, ignore=_ignored)
            else:
                is_folder = target.endswith("/") or len(sources) > 1
                (to if is_folder else to.parent).mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, to / source.name if is_folder else to)


def build(folder: Path) -> Stage:
    """Perform all steps below `folder`, which must be empty, and return the last stage."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, rest in _steps():
        if name == "FROM":
            alias = rest.partition(" AS ")[2] or "final"
            stage = stages[alias] = Stage(folder / alias)
            stage.folder.mkdir(parents=True)
            _provide_python(stage)
            continue
        if stage is None:
            raise SystemExit(f"{CONTAINERFILE}: {name} before FROM")
        match name:
            case "WORKDIR":
                stage.workdir = Path(stage.inside(rest))
                stage.workdir.mkdir(parents=True, exist_ok=True)
            case "ENV":
                variable, _, value = rest.partition("=")
                value = value.replace("$PATH", stage.environment.get("PATH", ""))
                stage.environment[variable] = stage.inside(value)
            case "RUN":
                stage.run(rest)
            case "COPY" if rest.startswith("--from="):
                alias, source, target = rest.removeprefix("--from=").split()
                _move(stages[alias], Path(stages[alias].inside(source)), stage, target)
            case "COPY":
                *sources, target = rest.split()
                stage.copy([file for source in sources for file in _from_context(source)], target)
            case "CMD":
                stage.metadata["command"] = json.loads(rest)
            case "HEALTHCHECK":
                stage.metadata["healthcheck"] = json.loads(rest.partition(" CMD ")[2])
            case "USER" | "EXPOSE" | "VOLUME" | "STOPSIGNAL":
                stage.metadata[name.lower()] = rest
            case _:
                raise SystemExit(f"{CONTAINERFILE}: this script does not know {name}")
    if stage is None:
        raise SystemExit(f"{CONTAINERFILE} has no FROM")
    return stage


def _steps() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", CONTAINERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def _provide_python(stage: Stage) -> None:
    """The base image has `python`: here it is the one that runs this script."""
    programs = stage.folder / "usr" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
    stage.environment["PATH"] = f"{programs}:{stage.environment['PATH']}"


def _from_context(pattern: str) -> list[Path]:
    """Files of the context that a COPY names; what the ignore file leaves out is not there for it."""
    given = [line for line in CONTAINERFILE.with_suffix(".dockerignore").read_text().splitlines() if line]
    kept = [line[1:] for line in given if line.startswith("!")]
    if not any(fnmatch.fnmatch(pattern, each) or pattern == each for each in kept):
        raise SystemExit(f"{pattern} is not in the context: see {CONTAINERFILE.with_suffix('.dockerignore')}")
    found = sorted(ROOT.glob(pattern))
    if not found:
        raise SystemExit(f"COPY {pattern}: there is no such file")
    return found


def _ignored(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__" or name.endswith((".pyc", ".mo"))}


def _move(source: Stage, folder: Path, target: Stage, to: str) -> None:
    """COPY --from: an environment of Python knows its own path, so here the old path leads to the new place."""
    place = Path(target.inside(to))
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, place)
    folder.symlink_to(place)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    built = build(Path(sys.argv[1]).resolve())
    print(json.dumps({"workdir": str(built.workdir), "environment": built.environment, **built.metadata}))
