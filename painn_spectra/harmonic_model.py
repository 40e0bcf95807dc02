"""The stage `harmonic-model`: minima, Hessian, ∂μ/∂r and ∂α/∂r of a trained model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from ase.io import write
from torch import nn

from painn_spectra import keys
from painn_spectra.ase import check_elements
from painn_spectra.dataset import labelled_geometries
from painn_spectra.derivatives import STEP_A, about_rest, derivatives, displaced
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, content_hash, output_lock
from painn_spectra.harmonic_reference import conformers_of, report
from painn_spectra.isotopes import isotopic_masses
from painn_spectra.md.alignment import unique_up_to_mirror_images
from painn_spectra.md.minima import predict, surface
from painn_spectra.md.starts import find_starts
from painn_spectra.md.workers import single_thread
from painn_spectra.model.checkpoint import check_learnt, load_model
from painn_spectra.relaxation import relax
from painn_spectra.settings.molecule import Isotopes
from painn_spectra.spectra.harmonic import Conformers, write_harmonic

CONVERGED_EV_A = 1e-5  # float64 has no noise to stop at


def harmonic_model(
    model: Path,
    dataset: Path,
    output: Path,
    geometries: Path,
    isotopes: Isotopes | str | None = None,
    temperature_K: float = 300.0,
    load: Callable[[Path, str], nn.Module] = load_model,
) -> None:
    """Write `output` (.csv) and its derivatives (.npz) for every minimum of the model's surface.

    dataset: labelled frames whose relaxation finds the minima. geometries: the minima as extxyz, lowest
    first, from which the reference method may start. load: opens the model file.
    """
    if not model.is_file():
        raise InputError(f"{model}: no such model file; train one with 'snakemake train' or correct the path")
    numbers, frames = labelled_geometries(dataset)
    with output_lock(output), single_thread():
        potential = load(model, "cpu").double().eval()  # differences need float64
        check_elements(potential, numbers)
        check_learnt(potential, keys.PROPERTIES, model)
        found = model_conformers(potential, numbers, frames, temperature_K)
        masses = isotopic_masses(numbers, frames[0], isotopes or {})
        notes = {"level_of_theory": f"PaiNN, model {content_hash(model)[:12]}", "step_A": f"{STEP_A:g}"}
        with atomic_path(geometries) as temporary:
            minima = zip(found.positions, found.energies_eV, strict=True)
            images = [Atoms(numbers, r, info={"model_energy": float(energy)}) for r, energy in minima]
            write(temporary, images, format="extxyz")
        report(write_harmonic(output, found, masses, temperature_K, notes), found)


def model_conformers(
    potential: nn.Module, numbers: np.ndarray, frames: np.ndarray, temperature_K: float
) -> Conformers:
    """Minima of the model, mirror images as one, with their derivatives by central differences in float64."""
    starts = find_starts(potential, numbers, atomic_masses[numbers], frames, temperature_K, 1, seed=0)
    rough = np.array([conformer["positions"] for conformer in starts["conformers"]])
    positions, energies, converged = relax(surface(potential, numbers), rough, converged_eV_A=CONVERGED_EV_A)
    if not converged.any():
        raise InputError(f"no minimum of the model converges to {CONVERGED_EV_A:g} eV/Å; train it longer")
    positions, energies = positions[converged], energies[converged]
    kept, symmetry, images = unique_up_to_mirror_images(positions, energies, numbers)
    wanted = (keys.FORCES, keys.DIPOLE, keys.POLARIZABILITY)
    labels = [predict(potential, numbers, displaced(positions[i]), wanted) for i in kept]
    charge = float(getattr(potential, "charge", 0))
    found = [about_rest(derivatives(one), numbers, charge) for one in labels]
    return conformers_of(numbers, positions[kept], energies[kept], found, symmetry, images)
