"""The stage `sample`: a first set of geometries to label, from GFN2-xTB dynamics and normal modes."""

import math
import shutil
from pathlib import Path

import numpy as np
from ase.data import atomic_masses

from painn_spectra.derivatives import displaced, hessian_of
from painn_spectra.errors import InputError
from painn_spectra.files import content_hash, open_parts, output_lock
from painn_spectra.plan import STAGE_VERSION
from painn_spectra.reference import xtb
from painn_spectra.sampling.conformers import read_conformers
from painn_spectra.sampling.displacements import thermal_displacements
from painn_spectra.sampling.output import Group, write_selection
from painn_spectra.sampling.parts import scatter
from painn_spectra.sampling.surfaces import xtb_surface
from painn_spectra.sampling.trajectories import xtb_trajectory
from painn_spectra.settings.training import SamplingSettings

CURE = "check structure, charge and multiplicity"
SPARE = 1.1  # frames made for each one wanted: some are dropped


def sample_geometries(
    conformers: Path, geometries: Path, settings: SamplingSettings, threads: int = 1
) -> None:
    """Stage: write up to `settings.n_frames` different, intact geometries.

    Trajectory k (`seed` "xtb-<k>", from 1) starts at conformer k modulo their number; there are at least as
    many as conformers. Frames "modes-<conformer>" are displaced along that conformer's normal modes. The
    result does not depend on `threads`; a killed run goes on with the trajectories that are missing.
    """
    if not xtb.available():
        raise InputError("sample needs tblite, which is not installed; pip install tblite, or bring labels")
    frames = read_conformers(conformers)
    numbers = frames[0].numbers.astype(np.int64)
    charge, multiplicity = int(frames[0].info["charge"]), int(frames[0].info["multiplicity"])
    minima = np.array([frame.positions for frame in frames])  # (n_conformers, n_atoms, 3) | Å
    n_modes = round(settings.modes_fraction * settings.n_frames)
    n_trajectories = max(settings.n_trajectories, len(minima)) if n_modes < settings.n_frames else 0
    parts = Path(f"{geometries}.parts")
    with output_lock(geometries):
        open_parts(parts, [STAGE_VERSION["sample"], content_hash(conformers), settings.model_dump()])
        per_trajectory = math.ceil(SPARE * (settings.n_frames - n_modes) / max(1, n_trajectories))
        arguments = [
            (numbers, minima[k % len(minima)], charge, multiplicity, settings.temperature_K,
             settings.interval_fs, per_trajectory, (settings.seed, k))
            for k in range(n_trajectories)
        ]  # fmt: skip
        trajectories = scatter(xtb_trajectory, arguments, parts, threads, "GFN2-xTB dynamics")
        groups = [
            Group(f"xtb-{k + 1}", settings.temperature_K, minima[k % len(minima)], positions)
            for k, positions in enumerate(trajectories)
        ]
        on = xtb_surface(numbers, charge, multiplicity)
        per_conformer = math.ceil(SPARE * n_modes / len(minima))
        for number, minimum in enumerate(minima if n_modes else []):
            rng = np.random.default_rng((settings.seed, 1_000_000 + number))  # trajectories have other seeds
            hessian = hessian_of(on(displaced(minimum))[1])
            positions = thermal_displacements(
                hessian, minimum, atomic_masses[numbers], settings.temperature_K, per_conformer, rng
            )
            groups.append(Group(f"modes-{number}", settings.temperature_K, minimum, positions))
        write_selection(geometries, numbers, groups, settings.n_frames, "temperature_K", CURE)
        shutil.rmtree(parts)
