"""Run the mutations of subjects; exit code 1 when one survived that nothing explains.

`python -m tests.mutations` lists the subjects; names of subjects run those, and parts of names of files after a colon
narrow them (`egress:policy`). Files are mutated in a copy below build/mutations, never in the working copy.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from automate_site.embedded_postgres import temporary_cluster
from tests.mutations.report import Figures, report

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "mutations"
TOOLS = BUILD / "venv" / "bin"

# Comparisons become their opposite or move their edge; sums become differences. The other operators of cosmic-ray make
# mutants that say the same again (`==` as `is`), or change annotations only (`X | None`).
COMPARISONS = (
    "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is In_NotIn NotIn_In"
)
KEPT = "|".join(
    [
        f"ReplaceComparisonOperator_({COMPARISONS.replace(' ', '|')})$",
        "ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Add|FloorDiv_Mul|Div_Mul|Mod_Add|BitAnd_BitOr)$",
        "ReplaceUnaryOperator_Delete_Not$|AddNot|NumberReplacer|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceTrueWithFalse",
        "ReplaceFalseWithTrue|ReplaceBreakWithContinue|ReplaceContinueWithBreak|ZeroIterationForLoop|ExceptionReplacer",
    ]
)


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends, too
    subjects = tomllib.loads((HERE / "subjects.toml").read_text())
    if not arguments:
        for name, modules in subjects.items():
            print(f"{name}: {', '.join(Path(module).stem for module in modules)}")
        return 0
    if unknown := [name for name in arguments if name.partition(":")[0] not in subjects]:
        print(f"No such subject: {', '.join(unknown)}. There are {', '.join(subjects)}.", file=sys.stderr)
        return 2
    install_tools()
    figures = []
    for argument in arguments:
        subject, _, part = argument.partition(":")
        modules = {module: tests for module, tests in subjects[subject].items() if part in module}
        figures.append(run_subject(argument, modules))
    print("\n" + "\n".join(map(str, figures)))
    return int(any(each.survived for each in figures))


def install_tools() -> None:
    """cosmic-ray, in an environment of its own."""
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not (TOOLS / "python").exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(TOOLS.parent)], check=True)
    requirements = str(ROOT / "requirements-mutations.txt")
    command = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(TOOLS / "python"), requirements]
    subprocess.run(command, check=True)


def run_subject(name: str, modules: dict[str, list[str]]) -> Figures:
    """Mutate each module, and print what survived."""
    folder = BUILD / name.replace(":", "-")
    shutil.rmtree(folder, ignore_errors=True)
    tree = folder / "tree"
    copy_files(tree)
    figures = Figures(name)
    with warm_process(tree, list(dict.fromkeys(file for tests in modules.values() for file in tests))) as ask:
        for number, (module, tests) in enumerate(modules.items()):
            session = mutate(tree, folder / f"{number}-{Path(module).stem}", module, [*ask, "{}", *tests])
            report(module, dump(session), figures)
    return figures


def copy_files(tree: Path) -> None:
    """The working copy as it is, with its compiled catalogues and its environment."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    catalogues = [
        str(path.relative_to(ROOT)) for app in ("apps", "automate_site") for path in (ROOT / app).rglob("*.mo")
    ]
    for name in filter(None, [*listed, *catalogues]):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    (tree / ".venv").symlink_to(ROOT / ".venv")


@contextlib.contextmanager
def warm_process(tree: Path, tests: list[str]) -> Iterator[list[str]]:
    """PostgreSQL and `warm.py` for the copy; gives the command that has tests run."""
    cluster = temporary_cluster()
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        path = Path(folder) / "socket"
        environment = {
            **os.environ,
            "PYTHONPATH": f"{tree / 'apps'}:{tree}",
            "DATABASE_URL": cluster.url,
            "PYTHONPYCACHEPREFIX": str(tree.parent / "bytecode"),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            cluster.start()
            command = [sys.executable, "-m", "tests.mutations.warm", str(path), *tests]
            log = tree.parent / "tests.log"
            with log.open("w") as output:
                process = subprocess.Popen(command, cwd=tree, env=environment, stdout=output, stderr=output)
            try:
                while not path.exists():
                    if process.poll() is not None:
                        sys.exit(f"The tests fail before anything is mutated: see {log}")
                    time.sleep(0.1)
                yield [sys.executable, "-S", str(HERE / "ask.py"), str(path)]
            finally:
                process.terminate()
                process.wait()
        finally:
            cluster.destroy()


def mutate(tree: Path, stem: Path, module: str, command: list[str]) -> Path:
    """One session of cosmic-ray about one module; its file."""
    started = time.monotonic()
    subprocess.run([part.replace("{}", "900") for part in command], check=True)
    deadline = 20 + 4 * (time.monotonic() - started)
    config, session = stem.with_suffix(".toml"), stem.with_suffix(".sqlite")
    test_command = shlex.join(part.replace("{}", str(deadline)) for part in command)
    config.write_text(
        "[cosmic-ray]\n"
        f"module-path = {json.dumps(module)}\n"
        f"test-command = {json.dumps(test_command)}\n"
        f"timeout = {deadline + 60}\n"
        'excluded-modules = []\n[cosmic-ray.distributor]\nname = "local"\n'
        f"[cosmic-ray.filters.operators-filter]\nexclude-operators = [{json.dumps(f'core/(?!{KEPT})')}]\n"
    )
    for tool in (
        ["cosmic-ray", "init", str(config), str(session)],
        ["cr-filter-operators", str(session), str(config)],
        ["cosmic-ray", "exec", str(config), str(session)],
    ):
        subprocess.run([str(TOOLS / tool[0]), *tool[1:]], cwd=tree, check=True)
    return session


def dump(session: Path) -> str:
    """What cosmic-ray knows of a session, one JSON line for a mutant."""
    return subprocess.run(
        [str(TOOLS / "cosmic-ray"), "dump", str(session)], capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
