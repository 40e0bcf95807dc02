"""The stage `harmonic-reference`: minima, Hessian, ∂μ/∂r and ∂α/∂r of the method that made the labels."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.dataset import labelled_geometries
from painn_spectra.derivatives import (
    STEP_A,
    Derivatives,
    about_rest,
    derivatives,
    displaced,
    hessian_of,
    polarizability_derivative,
)
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, content_hash, open_parts, output_lock
from painn_spectra.isotopes import isotopic_masses
from painn_spectra.md.alignment import unique_up_to_mirror_images
from painn_spectra.normal_modes import normal_modes
from painn_spectra.reference import xtb
from painn_spectra.reference.dft import labelling_environment
from painn_spectra.reference.label import check_method, compute_label, describe
from painn_spectra.relaxation import FIRST_CURVATURE, relax
from painn_spectra.sampling.parts import scatter
from painn_spectra.sampling.surfaces import xtb_surface
from painn_spectra.settings.molecule import Isotopes, Method
from painn_spectra.spectra.harmonic import Conformers, Sticks, read_conformers, write_harmonic
from painn_spectra.units import ACCELERATION_A_FS2, LIGHT_CM_FS

Array = NDArray[np.float64]
Level = tuple[Method, int, int]  # method, charge, multiplicity

# forces left at a reference minimum: gauche ethanol's torsion is then within 0.01 Å, and a quadrature that
# turns with the molecule leaves up to 1e-3 (at 5e-4 the search wandered for 33 steps)
CONVERGED_EV_A = 2e-3
MAX_STEPS = 100
DISPLACED = (keys.FORCES, keys.DIPOLE, keys.POLARIZABILITY)


def harmonic_reference(
    conformers: Path,
    output: Path,
    method: Method,
    charge: int = 0,
    multiplicity: int = 1,
    isotopes: Isotopes | str | None = None,
    temperature_K: float = 300.0,
    threads: int = 1,
    polarizability_anew: bool = False,
) -> None:
    """Write `output` (.csv) and its derivatives (.npz) for every distinct minimum reached from `conformers`.

    conformers: geometries to start from (extxyz), or the .npz file of an earlier run, whose derivatives are
    then taken over: only masses and temperature enter anew. `threads` labels are computed at a time, each
    kept on disk: a killed run goes on with those that are missing. polarizability_anew: compute ∂α/∂r at the
    geometries of the .npz file with `method`, and nothing else: another basis for α costs a third.
    """
    parts = Path(f"{output}.parts")
    with output_lock(output):
        if conformers.suffix == ".npz":
            found, notes = read_conformers(conformers)
            if polarizability_anew:
                found = with_polarizability(found, parts, (method, charge, multiplicity), threads)
                notes["polarizability"] = describe(method, multiplicity)
        else:
            found = compute_conformers(conformers, parts, (method, charge, multiplicity), threads)
            notes = {"level_of_theory": describe(method, multiplicity), "step_A": f"{STEP_A:g}"}
        masses = isotopic_masses(found.numbers, found.positions[0], isotopes or {})
        report(write_harmonic(output, found, masses, temperature_K, notes), found)
        shutil.rmtree(parts, ignore_errors=True)


def report(spectra: list[Sticks], conformers: Conformers) -> None:
    """Print what was found, and a warning for saddle points."""
    above = 1e3 * (conformers.energies_eV - conformers.energies_eV.min())  # (n_conformers,) | meV
    for i, (s, energy) in enumerate(zip(spectra, above, strict=True)):
        lowest, highest = s.wavenumber_cm[0], s.wavenumber_cm[-1]
        kind = "" if lowest > 0 else "; a saddle point, not a minimum"
        print(f"conformer {i}: {energy:.2f} meV, {lowest:.1f} to {highest:.1f} cm-1{kind}")


@labelling_environment()
def compute_conformers(starts: Path, parts: Path, level: Level, threads: int) -> Conformers:
    """Minima reached from the geometries of `starts`, and their derivatives by central differences."""
    numbers, geometries = labelled_geometries(starts)
    check_method(level[0], numbers)
    open_parts(parts, [content_hash(starts), level[0].model_dump(), *level[1:], STEP_A, CONVERGED_EV_A])
    n_atoms = len(numbers)
    starting = [(numbers, r, level, parts / f"path-{i:03d}", i) for i, r in enumerate(geometries)]
    minima = np.array(scatter(minimum, starting, parts / "minima", threads, "minima"))
    energies, positions = minima[:, 0], minima[:, 1:].reshape(-1, n_atoms, 3)
    kept, symmetry, images = unique_up_to_mirror_images(positions, energies, numbers)
    positions, energies = positions[kept], energies[kept]
    moved = np.concatenate([displaced(r) for r in positions])  # (n_conformers 6 n_atoms, n_atoms, 3) | Å
    labelling = [(numbers, r, level) for r in moved]
    labels = np.array(scatter(displaced_label, labelling, parts / "displaced", threads, "labels"))
    labels = labels.reshape(len(kept), 6 * n_atoms, -1)  # last axis: 3 n_atoms + 3 + 9
    found = [about_rest(derivatives(unpacked(of_one, n_atoms)), numbers, level[1]) for of_one in labels]
    return conformers_of(numbers, positions, energies, found, symmetry, images)


@labelling_environment()
def with_polarizability(found: Conformers, parts: Path, level: Level, threads: int) -> Conformers:
    """The same conformers with ∂α/∂r of another method or basis."""
    check_method(level[0], found.numbers)
    open_parts(parts, [found.positions.tolist(), level[0].model_dump(), *level[1:], STEP_A])
    moved = np.concatenate([displaced(r) for r in found.positions])
    jobs = [(found.numbers, r, level) for r in moved]
    alpha = np.array(scatter(polarizability_label, jobs, parts / "polarizabilities", threads, "labels"))
    alpha = alpha.reshape(len(found.positions), -1, 3, 3)  # (n_conformers, 6 n_atoms, 3, 3) | Å³
    return replace(found, polarizability_derivatives=np.array([polarizability_derivative(a) for a in alpha]))


def conformers_of(
    numbers: np.ndarray,
    positions: Array,
    energies_eV: Array,
    found: list[Derivatives],
    symmetry: list[int],
    images: list[int],
) -> Conformers:
    """Everything about the minima in one record."""
    return Conformers(
        numbers,
        positions,
        energies_eV,
        np.array([d.hessian for d in found]),
        np.array([d.dipole for d in found]),
        np.array([d.polarizability for d in found]),
        np.array(symmetry),
        np.array(images),
    )


def minimum(numbers: np.ndarray, start: Array, level: Level, folder: Path, number: int) -> Array:
    """Energy (eV) and positions (Å) of the minimum reached from `start`, (1 + 3 n_atoms,).

    Every evaluation is kept in `folder`. The optimiser is deterministic: begun again, it asks for the same
    geometries and finds their labels.
    """
    count = 0

    def surface(positions: Array) -> tuple[Array, Array]:
        nonlocal count
        file = folder / f"{count:03d}.npy"
        kept = np.load(file) if file.exists() else None  # positions | Å, forces | eV/Å, energy | eV
        if kept is None or not np.array_equal(kept[: positions.size], positions.ravel()):
            labels = compute_label(numbers, positions[0], *level, properties=(keys.ENERGY, keys.FORCES))
            kept = np.concatenate([positions.ravel(), labels[keys.FORCES].ravel(), [labels[keys.ENERGY]]])
            with atomic_path(file) as temporary:
                np.save(temporary, kept)
        forces = kept[positions.size : -1].reshape(positions.shape)
        largest = np.linalg.norm(forces, axis=2).max()
        print(f"conformer {number}, step {count}: largest force {largest:.5f} eV/Å", file=sys.stderr)
        count += 1
        return kept[-1:], forces

    hessians = first_hessian(numbers, start, *level[1:])
    positions, energies, converged = relax(surface, start[None], MAX_STEPS, CONVERGED_EV_A, hessians)
    if not converged[0]:
        raise InputError(
            f"conformer {number}: no minimum within {MAX_STEPS} steps; start from a geometry nearer to one"
        )
    return np.concatenate([energies, positions.ravel()])


def first_hessian(numbers: np.ndarray, start: Array, charge: int, multiplicity: int) -> Array | None:
    """GFN2-xTB's Hessian at `start`, stiff for rigid motions, (1, 3n, 3n) | eV/Å²; None without tblite.

    Soft torsions and stiff stretches from the first step on; quadrature noise moves no rigid motion.
    """
    if not xtb.available():
        return None
    _, forces = xtb_surface(numbers, charge, multiplicity)(displaced(start))
    if not np.isfinite(forces).all():
        return None
    wavenumbers_cm, modes = normal_modes(hessian_of(forces), start, np.ones(len(numbers)))
    shapes = modes.reshape(len(modes), -1)
    curvatures = (2 * np.pi * LIGHT_CM_FS * wavenumbers_cm) ** 2 / ACCELERATION_A_FS2  # eV/Å², unit masses
    rigid = np.eye(shapes.shape[1]) - shapes.T @ shapes
    return ((shapes.T * curvatures) @ shapes + FIRST_CURVATURE * rigid)[None]


def displaced_label(numbers: np.ndarray, positions: Array, level: Level) -> Array:
    """Forces, dipole and polarizability of one displaced geometry in a row, (3 n_atoms + 3 + 9,)."""
    labels = compute_label(numbers, positions, *level, properties=DISPLACED)
    return np.concatenate([labels[name].ravel() for name in DISPLACED])


def polarizability_label(numbers: np.ndarray, positions: Array, level: Level) -> Array:
    """Polarizability (3, 3) | Å³ of one displaced geometry."""
    return compute_label(numbers, positions, *level, properties=(keys.POLARIZABILITY,))[keys.POLARIZABILITY]


def unpacked(rows: Array, n_atoms: int) -> dict[str, Array]:
    """What `displaced_label` packed, by name, with a leading axis."""
    parts = np.split(rows, [3 * n_atoms, 3 * n_atoms + 3], axis=1)
    shapes = ((n_atoms, 3), (3,), (3, 3))
    return {
        name: part.reshape(-1, *shape) for name, part, shape in zip(DISPLACED, parts, shapes, strict=True)
    }
