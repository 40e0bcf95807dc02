"""What every result was made from: a record beside it, and `painn-spectra verify`, which goes through them.

A stage's record names program, versions, commit, settings and machine, and the SHA-256 of each file that it
read and wrote. It stands in `.provenance` in the folder of the first file written.
"""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from painn_spectra import __version__, files
from painn_spectra.errors import InputError

FOLDER = ".provenance"
PROGRAMS = ("torch", "numpy", "scipy", "h5py", "numba", "ase", "pyscf", "tblite", "rdkit", "snakemake")
TABLES = (".csv", ".json", ".jsonl")
UNREAD = ("logs", "benchmarks", "rounds.csv")  # in a molecule's folder, by its report
PARTIAL = (".parts", ".labels")  # what may come and go while a stage runs


@contextmanager
def recorded(stage: str, settings: str, paths: Iterable[Path]) -> Iterator[None]:
    """Write the record of what happens inside; nothing where it fails or writes no file.

    paths: files, and folders of tables, that the stage may read; those that it writes are known from
    `files.atomic_path`.
    """
    before = {path: files.content_hash(path) for path in _files(paths)}
    written: list[Path] = []
    files.listeners.append(written)
    try:
        yield
    finally:
        files.listeners.remove(written)
    outputs = [path for path in dict.fromkeys(written) if not _partial(path) and path.is_file()]
    if not outputs:
        return
    folder = outputs[0].parent
    record = {
        "stage": stage,
        "settings": json.loads(settings),
        "inputs": {str(path): digest for path, digest in before.items() if path not in outputs},
        "outputs": {str(path): files.content_hash(path) for path in outputs},
        "program": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PROGRAMS},
        "machine": f"{platform.system()} {platform.machine()}",
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    files.write_json(folder / FOLDER / f"{stage}-{outputs[0].name}.json", record)


def commit() -> str | None:
    """Commit of the source tree that runs, with a + where it is edited; None outside of git."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+" if changed else head


def verify(results: Path) -> str:
    """Text on every recorded file of a results folder.

    Raises InputError, after printing what is wrong, where a file was touched after it was made, is gone, or
    was made from another version of a file that is there.
    """
    records = sorted(results.rglob(f"{FOLDER}/*.json"))
    if not records:
        raise InputError(
            f"{results}: holds no records of results; run the workflow first: snakemake --cores 2"
        )
    known: dict[Path, str | None] = {}
    faults, n_outputs, programs = [], 0, set()
    for path in records:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            outputs, inputs = dict(record["outputs"]), dict(record["inputs"])
            programs.add(f"{record['program']} {str(record['commit'] or '')[:12]}".strip())
        except (ValueError, KeyError, TypeError, OSError):
            faults.append(f"{path}: is no record of this program, or damaged")
            continue
        n_outputs += len(outputs)
        base = _base(path, next(iter(outputs), ""))
        for name, digest in outputs.items():
            now = _hash(base / name, known)
            if now is None:
                faults.append(f"{name}: gone")
            elif now != digest:
                faults.append(f"{name}: touched, it is not what {record['stage']} wrote")
        for name, digest in inputs.items():
            if (now := _hash(base / name, known)) not in (None, digest):
                faults += [f"{output}: stale, made from another {name}" for output in outputs]
    if faults:
        print(*dict.fromkeys(faults), sep="\n", file=sys.stderr)
        raise InputError(
            f"{results}: {len(dict.fromkeys(faults))} faults among {n_outputs} recorded files; run snakemake "
            "again for stale ones, and remove touched ones first"
        )
    return (
        f"{results}: {n_outputs} files of {len(records)} jobs are as they were written, from the inputs that "
        f"are there; by painn-spectra {', '.join(sorted(programs))}"
    )


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files themselves, and the tables in folders; not what belongs to no result."""
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir() and not _partial(path):
            for file in sorted(path.rglob("*")):
                inner = file.relative_to(path).parts
                hidden = any(part.startswith(".") or part in UNREAD or _partial(Path(part)) for part in inner)
                if file.suffix in TABLES and not hidden and file.is_file():
                    yield file


def _base(record: Path, output: str) -> Path:
    """The folder that the run's names count from: .provenance stands beside the first output."""
    base = record.resolve().parent.parent
    for part in reversed(Path(output).parent.parts):
        if base.name != part:  # an absolute name, or a folder that has another name now
            return Path()
        base = base.parent
    return base


def _hash(path: Path, known: dict[Path, str | None]) -> str | None:
    """SHA-256 of a file, None where it is not there; each is read once."""
    if path not in known:
        known[path] = files.content_hash(path) if path.is_file() else None
    return known[path]


def _partial(path: Path) -> bool:
    return any(part.endswith(PARTIAL) for part in path.parts)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
