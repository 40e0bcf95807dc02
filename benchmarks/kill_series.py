"""kill -9 at random moments, the same command again: are the results those of a run left alone, bit for bit?

`python -m benchmarks.kill_series --kills 20 [STAGE ...]`: labelling, training and dynamics of water, tiny,
which go on where they were; and the stages of short_stages.py, which begin anew, or with what was finished.
Every attempt is a process of its own, forked from this one so that it does not spend its life importing; it
is killed after a random part of the time that a run left alone takes. After each kill all files without a
leading dot must be whole: stored labels, closed segments, outputs; those of a short stage must be equal, byte
for byte, to those of a run left alone. Prints a table; exits with 1 for a difference or a half-written file.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from benchmarks.short_stages import Contents, commands, files_of, short_stages
from benchmarks.soak import MODEL, N_FRAMES, TEMPERATURE_K, TRAINING, geometries, label, train
from painn_spectra.cli import main as painn_spectra
from painn_spectra.dataset import read_frames
from painn_spectra.md.run import run_dynamics  # noqa: F401  imported here, not in every child
from painn_spectra.md.segments import production_segments, read_samples
from painn_spectra.model.checkpoint import load_model
from painn_spectra.model.fastest import fastest

LATEST = 1.25  # kills are drawn from this many times a run's length: a stage that begins anew must end, too


@dataclass(frozen=True)
class Stage:
    """Command line of a stage in a folder, what it leaves, and a test of what a killed run leaves."""

    name: str
    command: Callable[[Path], list[str]]
    contents: Callable[[Path], Contents]
    half_written: Callable[[Path], list[str]]


def settings(value: object) -> str:
    return json.dumps(value)


def labels_of(folder: Path) -> Contents:
    frames = read_frames(folder / "labels.extxyz")
    return frames.labels | {"positions": frames.positions}


def weights_of(folder: Path) -> Contents:
    state = torch.load(folder / "model.pt", weights_only=True)["state"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    metrics = [[value for key, value in sorted(line.items()) if key != "seconds"] for line in lines]
    return {name: value.numpy() for name, value in state.items()} | {"metrics": np.array(metrics, float)}


def samples_of(folder: Path) -> Contents:
    with h5py.File(folder / "trajectory.h5") as file:
        return {name: file[name][:] for name in file}


def broken(files: list[Path], read: Callable[[Path], object]) -> list[str]:
    """Those that cannot be read."""
    found = []
    for file in files:
        try:
            read(file)
        except Exception as error:
            found.append(f"{file}: {error}")
    return found


def broken_labels(folder: Path) -> list[str]:
    return broken([*folder.glob("store/*/[!.]*.extxyz"), *folder.glob("labels.extxyz")], read_frames)


def broken_models(folder: Path) -> list[str]:
    def read(path: Path) -> object:
        return torch.load(path, weights_only=True)

    return broken([*folder.glob("model.pt"), *folder.glob("model.pt.parts/[!.]*")], read)


def broken_segments(folder: Path) -> list[str]:
    blocks = [path for path in folder.glob("trajectory.h5.parts/*") if path.is_dir()]
    segments = [segment for block in blocks for segment in production_segments(block)]
    return broken(segments, read_samples) + broken(
        [*folder.glob("trajectory.h5")], lambda path: samples_of(folder)
    )


def unequal_files(folder: Path) -> list[str]:
    """Outputs of a short stage that differ from those of the run left alone beside the folder."""
    whole, found = files_of(folder.with_name("alone")), files_of(folder)
    return [name for name, content in found.items() if not np.array_equal(content, whole.get(name))]


def prepare(folder: Path) -> None:
    """Geometries to label, a data set and a model, which `stages` expects in `folder`."""
    geometries(folder / "geometries.extxyz", 1, 4 * N_FRAMES)
    label(folder / "first", 0)
    train(folder / "first")


def stages(folder: Path) -> list[Stage]:
    """The three long stages on water, and the short ones, whose inputs lie in `folder`/short."""
    many, model, dataset = (
        folder / name for name in ("geometries.extxyz", "first/model.pt", "first/dataset.extxyz")
    )
    training = {"train": TRAINING.model_dump() | {"epochs": 120, "checkpoint_interval_s": 0.05}}
    training["model"] = MODEL.model_dump()
    md = {"n_replicas": 16, "equilibration_ps": 0.1, "production_ps": 0.3, "checkpoint_interval_ps": 0.02}
    dynamics = {"md": md, "temperature_K": TEMPERATURE_K, "molecule": "water"}
    labelling = {"method": {"program": "gfn2-xtb"}, "chunk_frames": 4 * N_FRAMES}

    def paths(root: Path, *names: str) -> list[str]:
        return [str(root / name) for name in names]

    split = str(dataset.with_name("split.json"))
    return [
        Stage(
            "labelling",
            lambda f: ["label", "--settings", settings(labelling), "--store", str(f / "store"), str(many),
                       *paths(f, "labels.extxyz", "labels.json")],
            labels_of, broken_labels,
        ),
        Stage(
            "training",
            lambda f: ["train", "--settings", settings(training), str(dataset), split,
                       *paths(f, "model.pt", "metrics.jsonl")],
            weights_of, broken_models,
        ),
        Stage(
            "dynamics",
            lambda f: ["md", "--settings", settings(dynamics), str(model), str(dataset),
                       *paths(f, "trajectory.h5", "dynamics.json")],
            samples_of, broken_segments,
        ),
        *(
            Stage(name, command, files_of, unequal_files)
            for name, command in short_stages(folder / "short").items()
        ),
    ]  # fmt: skip


def start(command: list[str]) -> int:
    """Process number of a fork that runs the command."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(painn_spectra(command))
    return child


def attempt(command: list[str], kill_after_s: float) -> bool:
    """Whether the command ended before it was killed."""
    child, limit = start(command), time.monotonic() + kill_after_s
    while time.monotonic() < limit:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0, f"{command[0]} failed with {status}"
            return True
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    time.sleep(0.5)  # its workers see that it is gone
    return False


def series(stage: Stage, scratch: Path, n_kills: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Kills, finished runs, and losses: half-written files and results that differ."""
    alone = scratch / "alone"
    alone.mkdir(parents=True)
    began = time.monotonic()
    assert attempt(stage.command(alone), 1e9)
    duration, expected = time.monotonic() - began, stage.contents(alone)
    kills = runs = losses = 0
    while kills < n_kills:
        folder = scratch / f"{runs:03d}"
        folder.mkdir()
        n_before, began, patience = kills, time.monotonic(), 1.0
        while not attempt(stage.command(folder), rng.uniform(0, LATEST * duration * patience)):
            kills, patience = kills + 1, patience * 1.1  # a busier machine needs longer to end at all
            found = stage.half_written(folder)
            losses += len(found)
            print(*found, sep="\n", end="", file=sys.stderr)
        if kills == n_before:  # the first may have met a busier machine: later kills would come too late
            duration = min(duration, time.monotonic() - began)
        runs += 1
        result = stage.contents(folder)
        differ = [name for name, value in expected.items() if not np.array_equal(result.get(name), value)]
        left = [path for path in folder.rglob(".[0-9]*")]
        losses += len(differ) + len(left)
        for name in (*differ, *left):
            print(f"{stage.name}, run {runs}: {name} differs or is left over", file=sys.stderr)
    print(f"| {stage.name} | {kills} | {runs} | {duration:.1f} | {losses} |", flush=True)
    return kills, runs, losses


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="default: all")
    parser.add_argument("--kills", type=int, default=20, help="per stage, at least")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, losses = np.random.default_rng(arguments.seed), 0
    with tempfile.TemporaryDirectory() as scratch:
        child = os.fork()  # torch's backward passes and later forks do not go together
        if not child:
            prepare(Path(scratch))
            os._exit(0)
        os.waitpid(child, 0)
        fastest(load_model(Path(scratch) / "first/model.pt").double().eval())  # compiles once, for all
        wanted = [s for s in stages(Path(scratch)) if s.name in arguments.stages or not arguments.stages]
        inputs = iter(commands(Path(scratch) / "short"))
        print("| stage | kill -9 | runs | seconds left alone | losses |\n|---|---|---|---|---|")
        for stage in wanted:
            if stage.contents is files_of:  # inputs: what comes before it in the workflow, and itself
                for command in inputs:
                    assert attempt(command, 1e9)
                    if command[0] == stage.name:
                        break
            losses += series(stage, Path(scratch) / stage.name, arguments.kills, rng)[2]
    return int(losses > 0)


if __name__ == "__main__":
    sys.exit(main())
