"""The stage `torsions`: energy about rotatable bonds, of the model and of the method of its labels."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from ase.geometry import get_dihedrals, get_dihedrals_derivatives
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import nn

from painn_spectra import keys
from painn_spectra.ase import check_elements
from painn_spectra.dataset import labelled_geometries
from painn_spectra.errors import InputError
from painn_spectra.files import content_hash, open_parts, output_lock
from painn_spectra.md.minima import surface
from painn_spectra.md.starts import bonds
from painn_spectra.md.workers import single_thread
from painn_spectra.model.checkpoint import load_model
from painn_spectra.plotting import versions
from painn_spectra.reference.dft import labelling_environment
from painn_spectra.reference.label import check_method, compute_label, describe
from painn_spectra.relaxation import Surface, relax
from painn_spectra.rotatable import Dihedral, check_dihedral, moving_atoms, name_of, rotatable
from painn_spectra.sampling.parts import scatter
from painn_spectra.settings.molecule import Method
from painn_spectra.spectra.csv_files import write_table
from painn_spectra.torsion_profiles import draw_profiles, stationary_points, wrapped

Array = NDArray[np.float64]
Level = tuple[Method, int, int]  # method, charge, multiplicity

SPACING_DEG = 15.0
RESTRAINT_EV_RAD2 = 50.0  # holds a torsion to 0.2° against 150 meV/rad; tables give the angle itself
PROFILE_HEADING = ["dihedral", "angle_deg", "model_meV", "reference_meV"]
BARRIER_HEADING = [
    "dihedral", "kind", "model_angle_deg", "model_meV", "reference_angle_deg", "reference_meV",
    "difference_meV",
]  # fmt: skip


def torsions(
    model: Path,
    conformers: Path,
    profiles: Path,
    barriers: Path,
    figures: Path,
    level: Level,
    dihedrals: Sequence[Sequence[int]] | None = None,
    threads: int = 1,
    load: Callable[[Path, str], nn.Module] = load_model,
) -> None:
    """Write `profiles` and `barriers` (.csv) and the figure torsions.

    The first geometry of `conformers` is turned about each dihedral and relaxed on the model at fixed angle;
    the reference method gives energies of these geometries, unless it is another program. Labels are kept on
    disk, `threads` at a time: a killed run goes on.
    """
    numbers, geometries = labelled_geometries(conformers)
    with output_lock(profiles):
        potential = load(model, "cpu").double().eval()
        check_elements(potential, numbers)
        wanted = [check_dihedral(d, numbers) for d in dihedrals or rotatable(numbers, geometries[0])]
        if not wanted:
            raise InputError(f"{conformers}: no rotatable bond found; name a dihedral with --bond")
        with single_thread():
            paths = [relaxed_path(surface(potential, numbers), geometries[0], numbers, d) for d in wanted]
        parts = Path(f"{profiles}.parts")
        computable = level[0].program != "other"
        if computable:
            files = [content_hash(model), content_hash(conformers)]
            open_parts(parts, [*files, level[0].model_dump(), *level[1:], [list(d) for d in wanted]])
            references = reference_energies(numbers, [path for path, _, _ in paths], level, parts, threads)
        else:
            references = [np.full(len(angles), np.nan) for _, angles, _ in paths]
        scans = [
            (name_of(d, numbers), angles, energies, reference)
            for d, (_, angles, energies), reference in zip(wanted, paths, references, strict=True)
        ]
        notes = {
            "model": content_hash(model)[:12],
            "reference": describe(level[0], level[2]) if computable else "not computed",
            "energies": "meV, relaxed on the model at fixed angle, the reference's at the same geometries; "
            "zero: the reference's lowest minimum",
        }
        stationary = [stationary_points(*scan[1:]) for scan in scans]
        write_table(
            barriers, notes, BARRIER_HEADING,
            [[scan[0], *row] for scan, (rows, _) in zip(scans, stationary, strict=True) for row in rows],
        )  # fmt: skip
        for width_in, drawn in versions(figures / "torsions"):
            draw_profiles(scans, stationary, notes["reference"], drawn, width_in)
        write_table(
            profiles, notes, PROFILE_HEADING,
            [
                [name, float(angle), 1e3 * (energy - zeros[0]), 1e3 * (reference - zeros[1])]
                for (name, *columns), (_, zeros) in zip(scans, stationary, strict=True)
                for angle, energy, reference in zip(*columns, strict=True)
            ],
        )  # fmt: skip
        shutil.rmtree(parts, ignore_errors=True)


def relaxed_path(
    on: Surface, start: Array, numbers: NDArray[np.int64], dihedral: Dihedral
) -> tuple[Array, Array, Array]:
    """Geometries (n, n_atoms, 3) | Å relaxed at rising angles (n,) | deg, and their energies (n,) | eV."""
    _, j, k, _ = dihedral
    pairs = bonds(numbers, start)
    if (min(j, k), max(j, k)) not in pairs:
        raise InputError(
            f"--bond {' '.join(map(str, dihedral))}: atoms {j} and {k} are not bonded; name a bond"
        )
    moving = moving_atoms(pairs, j, k)
    if moving is None:
        raise InputError(f"--bond {' '.join(map(str, dihedral))}: the bond is part of a ring; name another")
    angles = np.arange(-180.0, 180.0, SPACING_DEG)
    axis = (start[k] - start[j]) / np.linalg.norm(start[k] - start[j])
    turned = np.tile(start, (len(angles), 1, 1))
    for r, angle in zip(turned, angles, strict=True):
        turn = Rotation.from_rotvec(np.radians(angle - _dihedral(start[None], dihedral)[0]) * axis)
        r[moving] = turn.apply(start[moving] - start[k]) + start[k]
    held = Restraint(on, dihedral, angles)
    positions, _, converged = relax(held, turned)
    if not converged.all():
        bad = ", ".join(f"{angle:g}" for angle in angles[~converged])
        raise InputError(
            f"torsion {name_of(dihedral, numbers)}: not relaxed at {bad} degrees; train the model longer"
        )
    found = angles + wrapped(_dihedral(positions, dihedral) - angles)
    return positions, found, on(positions)[0]


class Restraint:
    """A surface with ½K(φ − φ₀)² added, φ₀ another for every geometry.

    `relax` asks for fewer geometries as some converge: they are recognised by the nearest φ₀.
    """

    def __init__(self, on: Surface, dihedral: Dihedral, angles_deg: Array) -> None:
        self.on, self.dihedral, self.angles_deg = on, list(dihedral), angles_deg

    def __call__(self, positions: Array) -> tuple[Array, Array]:
        energies, forces = self.on(positions)
        angles = _dihedral(positions, self.dihedral)
        away = wrapped(angles[:, None] - self.angles_deg)
        off = np.radians(away[np.arange(len(away)), np.abs(away).argmin(1)])  # (n,) | rad
        a, b, c, d = (positions[:, atom] for atom in self.dihedral)
        slopes = np.radians(get_dihedrals_derivatives(b - a, c - b, d - c))  # (n, 4, 3) | 1/Å
        forces = forces.copy()
        forces[:, self.dihedral] -= RESTRAINT_EV_RAD2 * off[:, None, None] * slopes
        return energies + 0.5 * RESTRAINT_EV_RAD2 * off**2, forces


@labelling_environment()
def reference_energies(
    numbers: NDArray[np.int64], paths: Sequence[Array], level: Level, parts: Path, threads: int
) -> list[Array]:
    """Energies (n,) | eV of the reference method along every path."""
    check_method(level[0], numbers)
    jobs = [(numbers, r, level) for path in paths for r in path]
    energies = np.array(scatter(single_energy, jobs, parts, threads, "energies"))
    return np.split(energies, np.cumsum([len(path) for path in paths])[:-1])


def single_energy(numbers: NDArray[np.int64], positions: Array, level: Level) -> Array:
    """Energy () | eV of one geometry."""
    return compute_label(numbers, positions, *level, properties=(keys.ENERGY,))[keys.ENERGY]


def _dihedral(positions: Array, dihedral: Sequence[int]) -> Array:
    a, b, c, d = (positions[:, atom] for atom in dihedral)
    return np.asarray(get_dihedrals(b - a, c - b, d - c))  # (n,) | deg, 0 to 360
