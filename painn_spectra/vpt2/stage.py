"""The stage `vpt2`: anharmonic sticks of every conformer on the model's surface."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from painn_spectra import keys
from painn_spectra.derivatives import Derivatives, about_rest, derivatives, displaced
from painn_spectra.errors import InputError
from painn_spectra.files import content_hash, output_lock
from painn_spectra.md.minima import predict
from painn_spectra.md.workers import single_thread
from painn_spectra.model.checkpoint import load_model
from painn_spectra.normal_modes import is_linear
from painn_spectra.progress import Progress
from painn_spectra.spectra.csv_files import write_table
from painn_spectra.spectra.harmonic import (
    HEADING,
    derivatives_file,
    masses_of,
    read_conformers,
    read_sticks,
)
from painn_spectra.units import AMU_E2_KM_MOL, LIGHT_CM_FS
from painn_spectra.vpt2.force_field import HBAR_AMU, Derive, ForceField, force_field
from painn_spectra.vpt2.large_amplitude import large_amplitude
from painn_spectra.vpt2.perturbation import levels, numerical_error
from painn_spectra.vpt2.transitions import moments

Array = NDArray[np.float64]

STEP_A = 0.01  # of the Hessians, whose error of second order is taken out by another set at twice the step
ROUGH_CM = 40.0  # numerical error that makes a level unreliable
KINK_A = 0.05  # nearer to the cutoff than this, displacements cross it, where the second derivative jumps
COLUMNS = [
    *HEADING[:5], "state", "kind", "harmonic_cm-1", "deperturbed_cm-1", "wavenumber_cm-1",
    "numerical_error_cm-1", "share",
    *HEADING[7:11], "note",
]  # fmt: skip
KINDS = {1: "fundamental", 2: "overtone", 3: "combination"}


def run_vpt2(model: Path, harmonic: Path, output: Path, load: Callable[..., nn.Module] = load_model) -> None:
    """Write `output`, a row per conformer and transition from its ground state.

    harmonic: table of the stage harmonic-model, its minima and masses are taken. load: opens the model file.
    Raises InputError for a linear molecule of more than three atoms, and where pairs of atoms stand at the
    model's cutoff.
    """
    conformers, _ = read_conformers(derivatives_file(harmonic))
    notes, sticks = read_sticks(harmonic)
    masses, numbers = masses_of(notes, harmonic), conformers.numbers
    with output_lock(output), single_thread():
        potential = load(model, "cpu").double().eval()
        progress = Progress("vpt2", len(conformers.positions))
        rows: list[list[Any]] = []
        for number, positions in enumerate(conformers.positions):
            if len(numbers) > 3 and is_linear(positions, masses):
                raise InputError(
                    f"{harmonic}: linear with {len(numbers)} atoms; its bends couple through quartic "
                    "constants of four different modes, which vpt2 does not compute: leave it out"
                )
            check_cutoff(potential, positions)
            try:
                field, modes = force_field(derive(potential, numbers), positions, masses)
            except ValueError:
                raise InputError(
                    f"{harmonic}: conformer {number} has imaginary modes, no perturbation theory starts "
                    f"there; train the model longer"
                ) from None
            loose = large_amplitude(modes, positions, numbers, masses)
            about = next(row for row in sticks if row["conformer"] == number)
            rows += [[number, *(about[key] for key in HEADING[1:5]), *row] for row in table(field, loose)]
            progress.advance()
        metadata = {
            "level_of_theory": f"PaiNN, model {content_hash(model)[:12]}",
            "method": "second-order vibrational perturbation theory (GVPT2): Fermi resonances by Martin's "
            "test and Darling-Dennison couplings through a matrix; torsions left out, their harmonic "
            "wavenumbers stand; no temperature",
            "masses_amu": notes["masses_amu"],
            "temperature_K": notes["temperature_K"],
            "units": "cm-1, never scaled; IR km/mol; Raman A^4/amu",
        }
        write_table(output, metadata, COLUMNS, rows)


def derive(potential: nn.Module, numbers: NDArray[np.int64]) -> Derive:
    """Derivatives and forces of the model at a geometry, by differences and means of what surrounds it."""
    wanted = (keys.FORCES, keys.DIPOLE, keys.POLARIZABILITY)

    def at(positions: Array) -> tuple[Derivatives, Array]:
        labels = [predict(potential, numbers, displaced(positions, k * STEP_A), wanted) for k in (1, 2)]
        near, far = (derivatives(one, k * STEP_A) for k, one in zip((1, 2), labels, strict=True))
        hessian = (4 * near.hessian - far.hessian) / 3
        forces = (4 * labels[0][keys.FORCES].mean(0) - labels[1][keys.FORCES].mean(0)) / 3
        found = Derivatives(hessian, near.dipole, near.polarizability)
        return about_rest(found, numbers, float(getattr(potential, "charge", 0))), forces

    return at


def check_cutoff(potential: nn.Module, positions: Array) -> None:
    """Raise InputError where a pair is so near to the cutoff that displacements cross its kink."""
    cutoff_A = getattr(potential, "architecture", {}).get("cutoff_A", np.inf)
    i, j = np.triu_indices(len(positions), 1)
    distances = np.linalg.norm(positions[i] - positions[j], axis=1)
    at = int(np.abs(distances - cutoff_A).argmin())
    if abs(distances[at] - cutoff_A) < KINK_A:
        raise InputError(
            f"atoms {i[at]} and {j[at]} are {distances[at]:.2f} Å apart, at model.cutoff_A = {cutoff_A:g}, "
            f"where the curvature jumps; train with a cutoff {2 * KINK_A:g} Å away"
        )


def table(field: ForceField, loose: NDArray[np.bool_]) -> list[list[Any]]:
    """Rows of one conformer from `state` on: what vibrates by perturbation theory, then the torsions."""
    stiff = field.without(loose)
    names = np.flatnonzero(~loose) + 1  # as modes are numbered in harmonic/model.csv
    found = levels(stiff)
    dipole, alpha = (
        found.vectors.T @ moments(stiff, found.basis, found.resonances, *slopes)
        for slopes in (stiff.dipole, stiff.polarizability)
    )
    beside: dict[Any, dict[str, list[str]]] = {}
    fermi = [(pair, (k,)) for pair, k in found.resonances]
    for kind, pairs in (("Fermi", fermi), ("Darling-Dennison", found.darling_dennison)):
        for one, other in pairs:
            for state, partner in ((one, other), (other, one)):
                beside.setdefault(state, {}).setdefault(kind, []).append(label(partner, names))
    rows = []
    for level, state in enumerate(found.states):
        kind = KINDS[len(state) + (len(state) == 2 and state[0] != state[1])]
        resonances = beside.get(state, {}).items()
        note = "; ".join(" ".join([f"{name} resonance with", *partners]) for name, partners in resonances)
        share = float(found.vectors[found.basis.index(state), level] ** 2)
        nu, harmonic_cm = found.wavenumber_cm[level], stiff.wavenumbers_cm[list(state)].sum()
        error = numerical_error(stiff, state)
        if nu <= 0 or error > ROUGH_CM:
            note = f"the surface is too rough for it; {note}".removesuffix("; ")
        rows.append(
            [label(state, names), kind, harmonic_cm, found.deperturbed_cm[level], nu, error, share,
             *intensities(max(nu, 0.0), dipole[level], alpha[level]), note]
        )  # fmt: skip
    for k in np.flatnonzero(loose).tolist():
        nu = field.wavenumbers_cm[k]
        bright = (slopes[0][k] / np.sqrt(2) for slopes in (field.dipole, field.polarizability))
        rows.append(
            [label((0,), [k + 1]), KINDS[1], nu, nu, nu, np.nan, 1.0, *intensities(nu, *bright),
             "large amplitude: harmonic and unreliable"]
        )  # fmt: skip
    return rows


def label(state: tuple[int, ...], names: Any) -> str:
    """ν3, 2ν3 or ν3+ν5."""
    if len(state) == 2 and state[0] == state[1]:
        return f"2ν{names[state[0]]}"
    return "+".join(f"ν{names[mode]}" for mode in state)


def intensities(wavenumber_cm: float, dipole: Array, alpha: Array) -> tuple[float, float, float, float]:
    """IR | km/mol, 45β'², 7γ'² and their sum | Å⁴/amu of ⟨0|μ|n⟩ | e·Å and ⟨0|α|n⟩ (9,) | Å³.

    In the harmonic limit ⟨0|P|1⟩ = ∂P/∂Q √(ħ/2ω): the moments times √(2ω_n/ħ) stand for ∂P/∂Q.
    """
    scale = 2 * 2 * np.pi * LIGHT_CM_FS * wavenumber_cm / HBAR_AMU  # 1/(amu Å²)
    tensor = alpha.reshape(3, 3)
    beta = np.trace(tensor) / 3
    traceless = (tensor + tensor.T) / 2 - beta * np.eye(3)
    isotropic, anisotropic = 45 * scale * beta**2, 7 * 1.5 * scale * (traceless**2).sum()
    return AMU_E2_KM_MOL * scale * float(dipole @ dipole), isotropic, anisotropic, isotropic + anisotropic
