"""The stage `sample-centroids`: what quantum nuclei add to the forces on their centroids, to learn from.

Te PIGS (path-integral coarse-grained simulations at an elevated temperature): Musil, Zaporozhets, Noé,
Clementi, Kapil 2022, doi:10.1063/5.0120386.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.io import write
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.ase import check_elements
from painn_spectra.dataset import labelled_atoms, labelled_geometries
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, content_hash, open_parts, output_lock, read_object, write_json
from painn_spectra.isotopes import isotopic_masses
from painn_spectra.kinds import BLOCK_REPLICAS
from painn_spectra.md.block import outermost
from painn_spectra.md.guards import FAR, MOST_STOPPED
from painn_spectra.md.integrators import evaluate
from painn_spectra.md.limits import LARGEST_TURN, fastest_turn
from painn_spectra.md.mechanics import RingPolymers
from painn_spectra.md.starts import find_starts
from painn_spectra.md.workers import Load, single_thread
from painn_spectra.model.checkpoint import load_model
from painn_spectra.model.fastest import fastest
from painn_spectra.plan import CORRECTION, STAGE_VERSION
from painn_spectra.sampling.parts import scatter
from painn_spectra.settings.dynamics import DynamicsSettings, TePigsSettings
from painn_spectra.settings.molecule import Isotopes
from painn_spectra.settings.training import DatasetSettings
from painn_spectra.split import split_frames, write_split
from painn_spectra.trained_range import bounds_of

Array = NDArray[np.float64]

TIMESTEP_FS = 0.5
FRICTION_PER_PS = 10.0


def sample_centroids(
    model: Path,
    dataset: Path,
    output: Path,
    split: Path,
    settings: TePigsSettings,
    isotopes: Isotopes | str | None = None,
    threads: int = 1,
    load: Load = load_model,
) -> None:
    """Write centroids of PIMD at the elevated temperature, labelled with differences, and their split.

    A replica counts until one of its beads, which reach farther than the dynamics that follow, is far outside
    of the range that the model was trained in; InputError where most replicas do not come to their end.
    A label is the mean over beads minus the value at the centroid, of forces, μ, α and energy (that of the
    energy is not the potential of mean force: training gives it no weight). Single labels are noisy; their
    conditional mean is what the model learns. `seed` of a frame is its replica. load: opens the model file.
    """
    turn = fastest_turn(TIMESTEP_FS, settings.n_beads, settings.temperature_K)
    if turn > LARGEST_TURN:
        raise InputError(
            f"tepigs.n_beads = {settings.n_beads}: their fastest mode at {settings.temperature_K:g} K turns "
            f"by {turn:.1f} rad in a step of {TIMESTEP_FS:g} fs, where it resonates; "
            f"use at most {max(2, int(settings.n_beads * LARGEST_TURN / turn))}, "
            "or lower tepigs.temperature_K"
        )
    numbers, frames = labelled_geometries(dataset)
    masses = isotopic_masses(numbers, frames[0], isotopes or {})
    parts = Path(f"{output}.parts")
    with output_lock(output):
        key = [STAGE_VERSION["sample-centroids"], content_hash(model), content_hash(dataset), masses.tolist()]
        open_parts(parts, [*key, settings.model_dump(exclude=CORRECTION)])
        starts_file = parts / "starts.json"
        if not starts_file.exists():
            with single_thread():
                potential = load(model, "cpu").double().eval()
                check_elements(potential, numbers)
                found = find_starts(
                    potential,
                    numbers,
                    masses,
                    frames,
                    settings.temperature_K,
                    settings.n_replicas,
                    settings.seed,
                )
            write_json(starts_file, found)
        starts = read_object(starts_file, "conformers", "replicas")
        minima = np.array([starts["conformers"][k]["positions"] for k in starts["replicas"]])
        size = max(1, BLOCK_REPLICAS // settings.n_beads)
        jobs = [
            (model, numbers, masses, minima[k : k + size], settings, k, load)
            for k in range(0, len(minima), size)
        ]
        rows = np.concatenate(scatter(centroids, jobs, parts, threads, "path integrals", here=True))
        n_trusted = [trusted(excess) for excess in rows[..., -1]]
        check_replicas(n_trusted, rows.shape[1], settings)
        written = []
        for replica, (block, n) in enumerate(zip(rows, n_trusted, strict=True)):
            for row in block[:n]:
                positions, labels = unpacked(row[:-1], len(numbers))
                written.append(labelled_atoms(numbers, positions, labels, {"seed": f"replica-{replica}"}))
        write_centroids(written, output, split)
        shutil.rmtree(parts)


def trusted(excess: Array) -> int:
    """Frames of a replica before the first that lies far outside of the trained range."""
    inside = np.append(excess <= FAR, False)  # false for NaN
    return int(inside.argmin())


def check_replicas(n_trusted: Sequence[int], n_frames: int, settings: TePigsSettings) -> None:
    """Tell of replicas that left the trained range; InputError when most did."""
    left = [replica for replica, n in enumerate(n_trusted) if n < n_frames]
    if not left:
        return
    told = (
        f"{len(left)} of {len(n_trusted)} path integrals at {settings.temperature_K:g} K left the range that "
        f"the model was trained in, first replica {left[0]} after {n_trusted[left[0]]} of {n_frames} frames"
    )
    if len(left) > MOST_STOPPED * len(n_trusted):
        raise InputError(f"{told}; label such geometries, train longer, or lower tepigs.temperature_K")
    print(f"warning: {told}; the frames from there on are left out")


def write_centroids(written: Sequence[Atoms], output: Path, split: Path) -> None:
    """Labelled centroids, whole replicas of them held out to test."""
    with atomic_path(output) as temporary:
        write(temporary, written, format="extxyz")
    groups = np.array([frame.info["seed"] for frame in written])
    write_split(split, output, split_frames(groups, DatasetSettings(test_fraction=0.1)), [])


@single_thread()
def centroids(
    model: Path,
    numbers: NDArray[np.int64],
    masses_amu: Array,
    minima: Array,
    settings: TePigsSettings,
    first_replica: int,
    load: Load,
) -> Array:
    """PIMD from `minima` (n, n_atoms, 3) | Å; rows of `packed` and how far the outermost
    bead is outside of the trained range, (n, n_frames, 6 n_atoms + 14).
    """
    loaded = load(model, "cpu")
    potential, bounds = fastest(loaded), bounds_of([loaded], numbers)
    md = DynamicsSettings(timestep_fs=TIMESTEP_FS, friction_per_ps=FRICTION_PER_PS, seed=settings.seed)
    motion = RingPolymers(md, settings.temperature_K, settings.n_beads, damping=0.0)
    masses = torch.as_tensor(masses_amu)[:, None]
    elements = torch.as_tensor(numbers)
    replicas = tuple(range(first_replica, first_replica + len(minima)))
    state = motion.initial_state(replicas, elements, masses, torch.as_tensor(minima))
    evaluate(state, potential)
    motion.set_thermal_velocities(state)
    for _ in range(round(settings.equilibration_ps * 1e3 / TIMESTEP_FS)):
        motion.equilibrate(state, potential)
    n_frames = -(-settings.n_frames // settings.n_replicas)
    here = elements.expand(len(minima), -1)
    rows = []
    for _ in range(n_frames):
        for _ in range(max(1, round(settings.interval_fs / TIMESTEP_FS))):
            motion.equilibrate(state, potential)
        centre = motion.seen(state).positions
        beads = evaluate(state, potential, keys.PROPERTIES)
        alone = potential(here, centre, keys.PROPERTIES)
        difference = {
            name: (motion.ring.mean(beads[name].double()) - alone[name].double()).numpy()
            for name in keys.PROPERTIES
        }
        excess = np.zeros((len(minima), 1))
        if bounds:
            excess, _ = outermost(bounds, len(minima), [state.positions])
        rows.append(np.concatenate([packed(centre.numpy(), difference), excess], axis=1))
    return np.stack(rows, axis=1)


def packed(positions: Array, labels: dict[str, Array]) -> Array:
    """(n, n_atoms, 3) and labels as rows of numbers."""
    return np.concatenate(
        [x.reshape(len(positions), -1) for x in (positions, *(labels[name] for name in keys.PROPERTIES))],
        axis=1,
    )


def unpacked(row: Array, n_atoms: int) -> tuple[Array, dict[str, Array]]:
    """The inverse of `packed` for one row."""
    shapes = {keys.ENERGY: (), keys.FORCES: (n_atoms, 3), keys.DIPOLE: (3,), keys.POLARIZABILITY: (3, 3)}
    ends = np.cumsum([3 * n_atoms] + [int(np.prod(shape)) for shape in shapes.values()])
    first, *rest = np.split(row, ends[:-1])
    labels = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), rest, strict=True)}
    return first.reshape(n_atoms, 3), labels
