"""Harmonic spectra: sticks of every conformer from its Cartesian derivatives, and the files of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path
from painn_spectra.normal_modes import normal_modes
from painn_spectra.populations import classical_weights, quantum_weights
from painn_spectra.spectra.csv_files import Metadata, read_table, write_table
from painn_spectra.spectra.npz_file import read_arrays
from painn_spectra.spectra.raman import depolarisation_ratio
from painn_spectra.units import AMU_E2_KM_MOL

Array = NDArray[np.float64]

FORMAT_VERSION = 1
HEADING = [
    "conformer", "mirror_images", "relative_energy_meV", "classical_weight", "quantum_weight", "mode",
    "wavenumber_cm-1", "ir_km_mol-1", "isotropic_A4_amu-1", "anisotropic_A4_amu-1", "activity_A4_amu-1",
    "depolarisation_ratio",
]  # fmt: skip
DARK = 1e-9  # Å⁴/amu: below, a depolarisation ratio is one of rounding errors


@dataclass(frozen=True)
class Conformers:
    """Minima of one molecule with all that their harmonic spectra need; no mass is in it.

    Mirror images are one conformer. Symmetry numbers are those of the elements: isotopes that break a
    symmetry make further conformers, which are not listed.
    """

    numbers: np.ndarray  # (n_atoms,) | atomic numbers
    positions: Array  # (n_conformers, n_atoms, 3) | Å
    energies_eV: Array  # (n_conformers,)
    hessians: Array  # (n_conformers, 3 n_atoms, 3 n_atoms) | eV/Å²
    dipole_derivatives: Array  # (n_conformers, 3, n_atoms, 3) | e, ∂μ_x/∂r_iy, about an origin at rest
    polarizability_derivatives: Array  # (n_conformers, 3, 3, n_atoms, 3) | Å², ∂α_xy/∂r_iz
    symmetry_numbers: np.ndarray  # (n_conformers,)
    mirror_images: np.ndarray  # (n_conformers,) | 2 where the mirror image is another geometry, else 1


@dataclass(frozen=True)
class Sticks:
    """Harmonic spectrum of one conformer, ascending wavenumbers."""

    wavenumber_cm: Array  # (n_modes,), negative where imaginary
    infrared: Array  # (n_modes,) | km/mol
    isotropic: Array  # (n_modes,) | 45β'², Å⁴/amu
    anisotropic: Array  # (n_modes,) | 7γ'², Å⁴/amu
    modes: Array  # (n_modes, n_atoms, 3), orthonormal, mass-weighted

    @property
    def activity(self) -> Array:
        return self.isotropic + self.anisotropic  # (n_modes,) | Å⁴/amu

    @property
    def depolarisation_ratio(self) -> Array:
        """ρ_p, (n_modes,); NaN where there is no Raman band."""
        bright = self.activity > DARK
        iso, aniso = (np.where(bright, part, np.nan) for part in (self.isotropic, self.anisotropic))
        return np.asarray(depolarisation_ratio(iso, aniso), dtype=np.float64)


def sticks(
    hessian: Array,
    dipole_derivative: Array,
    polarizability_derivative: Array,
    positions: Array,
    masses_amu: Array,
) -> Sticks:
    """Double-harmonic intensities of all normal modes of one geometry.

    A_k = N_A/(12 ε0 c²) |∂μ/∂q_k|²;  S_k = 45β'² + 7γ'², β' = Tr α'/3, γ'² = (3/2) Tr a'², a' = α' − β'·1;
    ∂/∂q_k = Σ_i L_ki/√m_i · ∂/∂r_i.

    | symbol | variable | unit |
    | H, r, m | hessian, positions, masses_amu | eV/Å², Å, amu |
    | ∂μ/∂r  | dipole_derivative, (3, n_atoms, 3) | e |
    | ∂α/∂r  | polarizability_derivative, (3, 3, n_atoms, 3) | Å² |

    Wilson, Decius, Cross 1955, Molecular Vibrations; Long, The Raman Effect, doi:10.1002/0470845767.
    """
    wavenumber_cm, modes = normal_modes(hessian, positions, masses_amu)
    moves = modes / np.sqrt(masses_amu)[:, None]  # (n_modes, n_atoms, 3) | amu^−½, ∂r/∂q
    dipole = np.einsum("xiy,kiy->kx", dipole_derivative, moves)  # (n_modes, 3) | e amu^−½
    alpha = np.einsum("xyiz,kiz->kxy", polarizability_derivative, moves)  # (n_modes, 3, 3) | Å² amu^−½
    alpha = (alpha + alpha.transpose(0, 2, 1)) / 2
    beta = np.trace(alpha, axis1=1, axis2=2) / 3
    traceless = alpha - beta[:, None, None] * np.eye(3)
    return Sticks(
        wavenumber_cm,
        AMU_E2_KM_MOL * (dipole**2).sum(1),
        45 * beta**2,
        7 * 1.5 * (traceless**2).sum((1, 2)),
        modes,
    )


def all_sticks(conformers: Conformers, masses_amu: Array) -> list[Sticks]:
    """Sticks of every conformer."""
    c = conformers
    rows = zip(c.hessians, c.dipole_derivatives, c.polarizability_derivatives, c.positions, strict=True)
    return [sticks(*row, masses_amu) for row in rows]


def write_harmonic(
    path: Path, conformers: Conformers, masses_amu: Array, temperature_K: float, notes: Mapping[str, object]
) -> list[Sticks]:
    """Write `path` (.csv), a row per conformer and mode, and the derivatives beside it (.npz)."""
    c, spectra = conformers, all_sticks(conformers, masses_amu)
    wavenumbers = [s.wavenumber_cm for s in spectra]
    symmetry = (c.symmetry_numbers / c.mirror_images).tolist()
    classical, quantum = (
        weigh(c.positions, c.energies_eV, wavenumbers, symmetry, masses_amu, temperature_K)
        for weigh in (classical_weights, quantum_weights)
    )
    above = 1e3 * (c.energies_eV - c.energies_eV.min())  # (n_conformers,) | meV
    rows = [
        [i, int(c.mirror_images[i]), above[i], classical[i], quantum[i], k + 1, *values]
        for i, s in enumerate(spectra)
        for k, values in enumerate(
            zip(
                s.wavenumber_cm, s.infrared, s.isotropic, s.anisotropic, s.activity, s.depolarisation_ratio,
                strict=True,
            )
        )
    ]  # fmt: skip
    metadata = {
        **notes,
        "masses_amu": " ".join(f"{mass:.9g}" for mass in masses_amu),
        "temperature_K": f"{temperature_K:g}",
        "weights": "rigid rotor, harmonic oscillators: classical ones, quantum ones with zero-point energy; "
        "mirror images counted",
        "units": "cm-1, never scaled, negative where imaginary; IR km/mol; Raman A^4/amu; double harmonic",
    }
    write_table(path, metadata, HEADING, rows)
    with atomic_path(derivatives_file(path)) as temporary:
        header: dict[str, Any] = {"format_version": FORMAT_VERSION, "notes": _joined(notes)}
        np.savez_compressed(temporary, allow_pickle=False, **header, **vars(conformers))
    return spectra


def derivatives_file(table: Path) -> Path:
    """The .npz file beside a harmonic .csv file."""
    return table.with_suffix(".npz")


def read_conformers(path: Path) -> tuple[Conformers, Metadata]:
    """Conformers with their derivatives, and the notes on their level of theory, from a .npz file."""
    data = read_arrays(path)
    try:
        version = int(data["format_version"])
        if version != FORMAT_VERSION:
            raise InputError(
                f"{path}: format version {version}, this program reads {FORMAT_VERSION}; compute it again"
            )
        fields = {name: data[name] for name in Conformers.__dataclass_fields__}
        notes = dict(line.split(": ", 1) for line in str(data["notes"]).splitlines())
    except (TypeError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: no file of harmonic derivatives ({error}); compute it again") from None
    return Conformers(**fields), notes


def read_sticks(path: Path) -> tuple[Metadata, list[dict[str, float]]]:
    """Notes and rows of numbers of a harmonic .csv file."""
    notes, rows = read_table(path)
    if not rows or set(HEADING) - set(rows[0]):
        raise InputError(f"{path}: not a table of harmonic modes; compute it again")
    try:
        return notes, [{key: float(row[key]) for key in HEADING} for row in rows]
    except ValueError as error:
        raise InputError(f"{path}: {error}; a table of modes holds numbers only, compute it again") from None


def masses_of(notes: Mapping[str, str], path: Path) -> Array:
    """The masses (n_atoms,) | amu that a harmonic .csv file was made with."""
    try:
        return np.array([float(word) for word in notes["masses_amu"].split()])
    except (KeyError, ValueError):
        raise InputError(f"{path}: no masses_amu in its notes; compute it again") from None


def _joined(notes: Mapping[str, object]) -> str:
    return "\n".join(f"{key}: {' '.join(str(value).split())}" for key, value in notes.items())
