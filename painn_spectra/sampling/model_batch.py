"""The stage `sample-model`: geometries to label from a trained model's own dynamics."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_masses
from numpy.typing import NDArray

from painn_spectra.ase import check_elements
from painn_spectra.dataset import labelled_geometries, read_frames
from painn_spectra.evaluate import error_rows, mean_over
from painn_spectra.evaluate import predict as evaluate_frames
from painn_spectra.files import content_hash, open_parts, output_lock, write_json, write_text
from painn_spectra.kinds import BLOCK_REPLICAS
from painn_spectra.md.integrators import evaluate
from painn_spectra.md.mechanics import mechanics
from painn_spectra.md.minima import predict
from painn_spectra.md.starts import find_starts
from painn_spectra.md.state import centred
from painn_spectra.md.workers import Load, single_thread
from painn_spectra.model.checkpoint import learnt, load_members, load_model
from painn_spectra.plan import STAGE_VERSION
from painn_spectra.sampling.output import Group, write_selection
from painn_spectra.sampling.parts import scatter
from painn_spectra.sampling.picking import disagreements, pick
from painn_spectra.sampling.rounds import reason_to_stop, spectrum_changes
from painn_spectra.sampling.screening import fingerprints
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.settings.training import SamplingSettings
from painn_spectra.split import read_split

Array = NDArray[np.float64]

CURE = "train longer, or raise sampling.n_frames: the model does not hold the molecule together"
TIMESTEP_FS = 1.0  # geometries are wanted, no spectra
FRICTION_PER_PS = 10.0
EQUILIBRATION_PS = 1.0
N_BEADS = 16  # of ring polymers: at 300 K an O–H bond is 7 % narrower than in the limit of many
SPARE = 1.1  # frames made for each one wanted: some are dropped
POOL = 4  # frames made for each one wanted where members choose among them


def sample_model(
    model: Path,
    dataset: Path,
    geometries: Path,
    settings: SamplingSettings,
    round_number: int = 1,
    threads: int = 1,
    load: Load = load_model,
    others: Sequence[Path] = (),
    spectra: Sequence[Path] = (),
    split: Path | None = None,
    record: Path | None = None,
    quantum: bool = False,
) -> None:
    """Stage: write up to `settings.frames_per_round` geometries that `dataset` does not hold yet.

    A block of replicas at each temperature, an equal share of the frames from each, started in the model's
    conformers with their Boltzmann weights; `seed` is "model<round>-<temperature>-<replica>". load: opens the
    model file. The result does not depend on `threads`, and a killed run goes on with the missing blocks.

    others: further ensemble members; then POOL times as many frames are made and those picked that the
    members disagree on and that are new. spectra: harmonic tables of the models so far, whose change may end
    the rounds: the file is then empty. record: what is known of the model by its held-out frames, as JSON.
    quantum: frames are beads of ring polymers, which stretch bonds as far as quantum dynamics will.
    """
    numbers, frames = labelled_geometries(dataset)
    masses = atomic_masses[numbers]
    temperatures = settings.model_temperatures_K
    members = [model, *others]
    changes = spectrum_changes(*spectra[-2:]) if len(spectra) > 1 else None
    stop = reason_to_stop(len(frames), settings.max_labels, changes, settings.until_spectrum_change)
    n_wanted = settings.frames_per_round
    if settings.max_labels is not None:
        n_wanted = min(n_wanted, settings.max_labels - len(frames))
    report = {
        "round": round_number,
        "labels": len(frames),
        "errors": held_out_errors(members, dataset, split),
    }
    if stop:
        print(f"no more frames: {stop}")
        write_text(geometries, "")
        if record:
            write_json(record, report | {"frames_added": 0, "note": stop})
        return
    parts = Path(f"{geometries}.parts")
    with output_lock(geometries):
        hashes = [content_hash(path) for path in (*members, dataset)]
        used = settings.model_dump(exclude={"until_spectrum_change"})
        open_parts(parts, [STAGE_VERSION["sample-model"], *hashes, used, round_number, quantum])
        with single_thread():
            potential = load(model, "cpu").double().eval()  # Hessians by differences need float64
            check_elements(potential, numbers)
            starts = find_starts(
                potential, numbers, masses, frames, temperatures[0], BLOCK_REPLICAS, settings.seed
            )
        minima = np.array([conformer["positions"] for conformer in starts["conformers"]])
        minima = minima[starts["replicas"]]  # (n_replicas, n_atoms, 3) | Å
        n_made = (POOL if others else SPARE) * n_wanted
        n_frames = math.ceil(n_made / len(temperatures) / len(minima))
        seed = settings.seed + 1000 * round_number  # another round, other noise
        arguments = [
            (model, numbers, minima, T, settings.interval_fs, n_frames, seed, k * len(minima), load, quantum)
            for k, T in enumerate(temperatures)
        ]
        blocks = scatter(replicas, arguments, parts, threads, "model's dynamics", here=True)
        groups = [
            Group(f"model{round_number}-{T:g}-{replica}", T, minima[replica], positions)
            for T, block in zip(temperatures, blocks, strict=True)
            for replica, positions in enumerate(block)
        ]
        spreads: dict[str, Array] = {}

        def most_telling(n: int, positions: Array, prints: Array) -> list[int]:
            loaded = [load(path, "cpu").eval() for path in members]
            predictions = [predict(one, numbers, positions, learnt(loaded[0])) for one in loaded]
            spreads.update(disagreements(predictions))
            return pick(n, prints, fingerprints(numbers, frames), spreads)

        added = write_selection(
            geometries, numbers, groups, n_wanted, "model_temperatures_K", CURE, frames,
            most_telling if others else None,
        )  # fmt: skip
        if record:
            medians = {name: float(np.median(spread)) for name, spread in spreads.items()}
            report |= {"frames_added": added, "note": "", "median_disagreement": medians}
            write_json(record, report)
        shutil.rmtree(parts)


def held_out_errors(members: Sequence[Path], dataset: Path, split: Path | None) -> dict[str, float]:
    """Mean absolute errors of the ensemble's mean on the test frames, in shown units."""
    if split is None:
        return {}
    potentials = load_members(members)
    frames = read_frames(dataset, learnt(potentials[0]))
    test = frames.take(read_split(split, dataset, len(frames))["test"])
    predicted = mean_over(
        [evaluate_frames(one, test, path) for one, path in zip(potentials, members, strict=True)]
    )
    return {row["property"]: row["mae"] for row in error_rows(predicted, test, test)}


@single_thread()
def replicas(
    model: Path,
    numbers: NDArray[np.int64],
    minima: Array,
    temperature_K: float,
    interval_fs: float,
    n_frames: int,
    seed: int,
    first_replica: int,
    load: Load,
    quantum: bool = False,
) -> Array:
    """Langevin dynamics of a block of replicas from `minima` (n_replicas, n_atoms, 3) | Å.

    Returns positions (n_replicas, n_frames, n_atoms, 3) | Å every `interval_fs` after equilibration; of ring
    polymers those of one bead, another one each time.
    """
    potential = load(model, "cpu")
    md = DynamicsSettings(timestep_fs=TIMESTEP_FS, friction_per_ps=FRICTION_PER_PS, seed=seed)
    motion = mechanics(f"rpmd{N_BEADS}" if quantum else "classical", md, temperature_K)
    masses = torch.as_tensor(atomic_masses[numbers], dtype=torch.float64)[:, None]
    names = tuple(range(first_replica, first_replica + len(minima)))
    positions = torch.as_tensor(minima, dtype=torch.float64)
    state = motion.initial_state(names, torch.as_tensor(numbers), masses, positions)
    evaluate(state, potential)
    motion.set_thermal_velocities(state)
    for _ in range(round(EQUILIBRATION_PS * 1e3 / TIMESTEP_FS)):
        motion.equilibrate(state, potential)
    recorded = np.empty((len(minima), n_frames, len(numbers), 3))
    for k in range(n_frames):
        for _ in range(max(1, round(interval_fs / TIMESTEP_FS))):
            motion.equilibrate(state, potential)
        one = state.positions.reshape(len(minima), motion.n_beads, len(numbers), 3)[:, k % motion.n_beads]
        recorded[:, k] = centred(one, masses).numpy()
    return recorded
