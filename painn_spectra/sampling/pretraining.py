"""Cheap labels to learn first: short GFN2-xTB dynamics around known training geometries."""

import math
import shutil
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.io import write
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet

from painn_spectra.dataset import Frames, labelled_atoms, read_atoms, read_frames
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, content_hash, open_parts, output_lock
from painn_spectra.processes import finished_jobs
from painn_spectra.progress import Progress
from painn_spectra.reference import xtb
from painn_spectra.sampling.screening import intact
from painn_spectra.settings.training import PretrainSettings
from painn_spectra.split import read_split

TIMESTEP_FS = 1.0
FRAME_INTERVAL_FS = 20  # a quarter period of the slowest bends: neighbours differ, bursts stay short
FRAMES_PER_BURST = 5
SPARE = 1.1  # frames made for each one wanted: bursts from strained geometries end early


def label_pretraining(
    dataset: Path,
    split: Path,
    output: Path,
    settings: PretrainSettings,
    charge: int = 0,
    multiplicity: int = 1,
    threads: int = 1,
) -> None:
    """Stage: GFN2-xTB labelled frames from bursts of dynamics started at training geometries.

    Only training frames are starts, so that no held-out geometry is seen. `threads` bursts run at a time; the
    result does not depend on it. A killed run goes on with the bursts that are missing.
    """
    if not xtb.available():
        raise InputError(
            "train.pretrain needs tblite, which has no wheel here; set train.pretrain.n_frames: 0"
        )
    frames = read_frames(dataset, required=())
    train = frames.take(read_split(split, dataset, len(frames))["train"])
    n_bursts = math.ceil(SPARE * settings.n_frames / FRAMES_PER_BURST)
    starts = np.resize(np.random.default_rng(0).permutation(len(train)), n_bursts)  # more frames extend
    parts = Path(f"{output}.parts")
    progress = Progress("GFN2-xTB labels", n_bursts)
    with output_lock(output):
        open_parts(
            parts, [content_hash(dataset), content_hash(split), settings.temperature_K, charge, multiplicity]
        )
        files = [parts / f"{seed:06d}.extxyz" for seed in range(n_bursts)]
        missing = [seed for seed, file in enumerate(files) if not file.exists()]
        progress.resume_at(n_bursts - len(missing))
        arguments = {
            seed: (train.take([starts[seed]]), settings.temperature_K, charge, multiplicity, seed)
            for seed in missing
        }
        for seed, job in finished_jobs(_burst, arguments, threads, "GFN2-xTB labels"):
            with atomic_path(files[seed]) as temporary:
                temporary.touch()
                write(temporary, job.result(), format="extxyz")
            progress.advance()
        labelled = [atoms for file in files if file.stat().st_size for atoms in read_atoms(file)]
        wanted = labelled[: settings.n_frames]
        if len(wanted) < 0.95 * settings.n_frames:
            raise InputError(
                f"gfn2-xtb labelled only {len(wanted)} of {settings.n_frames} frames, others did not "
                "converge or flew apart; check charge and multiplicity, or lower train.pretrain.temperature_K"
            )
        with atomic_path(output) as temporary:
            write(temporary, wanted, format="extxyz")
        shutil.rmtree(parts)


def _burst(start: Frames, temperature_K: float, charge: int, multiplicity: int, seed: int) -> list[Atoms]:
    """Frames of one burst; one that fails to converge or breaks a bond of the start's ends it early."""
    from tblite.ase import TBLite

    real = start.numbers[0] > 0
    atoms = Atoms(start.numbers[0][real], start.positions[0][real])
    atoms.calc = TBLite(method="GFN2-xTB", charge=charge, multiplicity=multiplicity, verbosity=0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature_K, rng=np.random.default_rng(seed))
    Stationary(atoms)
    dynamics = VelocityVerlet(atoms, TIMESTEP_FS * units.fs)
    frames: list[Atoms] = []
    for _ in range(FRAMES_PER_BURST):
        try:
            dynamics.run(int(FRAME_INTERVAL_FS / TIMESTEP_FS))
            if not intact(atoms.numbers, start.positions[0][real], atoms.positions[None]).all():
                break  # fragments that fly apart say nothing about the molecule
            labels = xtb.label(atoms.numbers, atoms.positions, charge, multiplicity)
        except Exception:  # ASE wraps the solver's failure in exceptions of its own
            break
        info = {"seed": seed, "REF_method": "GFN2-xTB, tblite"}
        frames.append(labelled_atoms(atoms.numbers, atoms.positions, labels, info))
    return frames
