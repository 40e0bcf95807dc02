"""Wrong units are refused by name, right labels of any kind pass."""

import dataclasses
import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.data import atomic_masses

from painn_spectra import keys
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.errors import InputError
from painn_spectra.gathering import gather_labels
from painn_spectra.label_checks import check_units
from painn_spectra.settings.training import DatasetSettings

E, F, MU, ALPHA = keys.ENERGY, keys.FORCES, keys.DIPOLE, keys.POLARIZABILITY
# published conversion factors, written out: how many of the other unit are one of ours
KCAL, KJ, HARTREE, BOHR, DEBYE = 23.0605, 96.4853, 1 / 27.21139, 1 / 0.529177, 1 / 0.2081943
WRONG = [  # what the numbers are multiplied by, what the message says
    ({E: KCAL}, ["REF_energy looks like kcal/mol, not eV", "REF_energy by 0.04336"]),
    ({E: KJ}, ["REF_energy looks like kJ/mol", "REF_energy by 0.01036"]),
    ({E: HARTREE}, ["REF_energy looks like Hartree", "REF_energy by 27.2113"]),
    ({F: KCAL}, ["REF_forces looks like kcal/mol/Å, not eV/Å", "REF_forces by 0.04336"]),
    ({F: KJ}, ["REF_forces looks like kJ/mol/Å", "REF_forces by 0.01036"]),
    ({F: HARTREE / BOHR}, ["REF_forces looks like Hartree/bohr", "REF_forces by 51.4220"]),
    ({E: HARTREE, F: HARTREE / BOHR}, ["Hartree, not eV", "Hartree/bohr", "by 27.211", "by 51.422"]),
    ({E: KCAL, F: KCAL}, ["kcal/mol, not eV", "kcal/mol/Å", "by 0.04336"]),
    ({E: KJ, F: KJ}, ["kJ/mol, not eV", "kJ/mol/Å", "by 0.01036"]),
    ({E: HARTREE, F: HARTREE}, ["Hartree, not eV", "Hartree/Å", "by 27.211"]),
    ({F: -1.0}, ["gradients in eV/Å", "REF_forces by -1"]),
    ({E: HARTREE, F: -HARTREE / BOHR}, ["Hartree, not eV", "gradients in Hartree/bohr", "by -51.422"]),
    ({E: KCAL, F: -KCAL}, ["kcal/mol, not eV", "gradients in kcal/mol/Å", "by -0.04336"]),
    ({keys.POSITIONS: BOHR}, ["positions look like bohr, not Å", "by 0.52917"]),
    ({keys.POSITIONS: BOHR, E: HARTREE, F: HARTREE / BOHR}, ["positions look like bohr", "by 0.52917"]),
    ({keys.POSITIONS: 0.1}, ["positions look like nm", "by 10"]),
    ({MU: DEBYE}, ["REF_dipole", "looks like D, not e·Å", "by 0.20819"]),
    ({ALPHA: BOHR**3}, ["REF_polarizability", "looks like a0³, not Å³", "by 0.14818"]),
]


def name_of(value):
    return (
        ",".join(f"{name}*{factor:.3g}" for name, factor in value.items()) if isinstance(value, dict) else ""
    )


def scaled(frames: Frames, factors: dict[str, float]) -> Frames:
    labels = {name: value * factors.get(name, 1.0) for name, value in frames.labels.items()}
    return dataclasses.replace(
        frames, positions=frames.positions * factors.get(keys.POSITIONS, 1.0), labels=labels
    )


def drawn(frames: Frames, n: int, seed: int = 0) -> Frames:
    return frames.take(np.random.default_rng(seed).permutation(len(frames))[:n])


def refuse(frames: Frames, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        check_units(frames, "a.extxyz")
    message = str(caught.value)
    assert "\n" not in message and message.startswith("a.extxyz: ")
    assert all(word in message for word in words), message


def accept(frames: Frames, capsys) -> None:
    check_units(frames, "a.extxyz")
    assert capsys.readouterr().out == ""


@pytest.fixture(scope="module")
def ethanol(ethanol_labels):
    """Of several sources, which order like atoms in two ways."""
    return read_frames(ethanol_labels)


@pytest.fixture(scope="module")
def water(water_labels):
    return read_frames(water_labels)


@pytest.mark.parametrize("n", [1000, 100, 20])
@pytest.mark.parametrize(("factors", "words"), WRONG, ids=name_of)
def test_wrong_units_of_ethanol_are_named(ethanol, factors, words, n):
    refuse(scaled(drawn(ethanol, n), factors), words)


@pytest.mark.parametrize(("factors", "words"), WRONG[:-1], ids=name_of)  # a minimal basis hides a0³
def test_wrong_units_of_water_are_named(water, factors, words):
    refuse(scaled(water, factors), words)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12, 20, 50, 100, 1000])
def test_right_labels_pass(ethanol, water, n, capsys):
    for seed in range(5):
        accept(drawn(ethanol, n, seed), capsys)
        accept(drawn(water, n, seed), capsys)


def test_the_zero_of_energy_is_free(ethanol, capsys):
    for zero in (0.0, -154.9, -97000.0, 1e4):
        labels = ethanol.labels | {E: ethanol.labels[E] - ethanol.labels[E].mean() + zero}
        accept(dataclasses.replace(ethanol, labels=labels), capsys)


def test_nothing_is_written_for_wrong_units(water_labels, tmp_path):
    path = tmp_path / "labels.extxyz"
    text = water_labels.read_text()
    path.write_text(re.sub(r"(?<=REF_energy=)\S+", lambda m: str(KCAL * float(m[0])), text))
    with pytest.raises(InputError, match=r"labels.extxyz: .*REF_energy looks like kcal/mol, not eV"):
        gather_labels([path], tmp_path / "dataset.extxyz", tmp_path / "split.json", DatasetSettings())
    assert list(tmp_path.iterdir()) == [path]


def changed(frames: Frames, name: str, change) -> Frames:
    """A copy with some labels of the property `name` multiplied by what `change` makes of the indices."""
    values = frames.labels[name]
    factor = change(np.arange(len(frames))).reshape(-1, *[1] * (values.ndim - 1))
    return dataclasses.replace(frames, labels=frames.labels | {name: values * factor})


@pytest.mark.parametrize(("name", "change", "words"), [
    (F, lambda k: 0.0 * k, ["REF_forces is zero in all 48 frames", "train.loss.forces: 0"]),
    (E, lambda k: 0.0 * k, ["in all 48 frames of a molecule", "train.loss.energy: 0"]),
    (ALPHA, lambda k: 0.0 * k, ["frame 0: REF_polarizability has a mean of 0 Å³"]),
    (ALPHA, lambda k: np.where(k == 7, -1.0, 1.0), ["frame 7: REF_polarizability has a mean of -"]),
    (E, lambda k: np.where(k % 2, HARTREE, 1.0), ["nothing lies between", "give all in eV"]),
    (E, lambda k: np.where(k == 30, HARTREE, 1.0), ["and -5.0", "in frame 30", "nothing lies between"]),
    (E, lambda k: np.where(k < 24, KJ, KCAL), ["frame 23", "nothing lies between"]),
])  # fmt: skip
def test_placeholders_and_mixed_energies_are_refused(water, name, change, words):
    refuse(changed(water, name, change), words)


def test_what_symmetry_allows_passes(water, capsys):
    """Dipoles of zero, as of CO2; few frames at a minimum, of one energy."""
    accept(changed(water, MU, lambda k: 0.0 * k), capsys)
    few = changed(water.take([0] * 5), F, lambda k: 0.0 * k)
    accept(few, capsys)
    accept(changed(water.take([3]), E, lambda k: 0.0 * k), capsys)


def labelled(atoms: Atoms, moves: np.ndarray, charge: int = 0, multiplicity: int = 1) -> Frames:
    """GFN2-xTB labels but the polarizability; moves: (n, n_atoms, 3) | Å."""
    xtb = pytest.importorskip("painn_spectra.reference.xtb")
    if not xtb.available():
        pytest.skip("tblite has no wheel for this platform")
    positions, wanted = atoms.positions + moves, (E, F, MU)
    every = [xtb.label(atoms.numbers, r, charge, multiplicity, wanted) for r in positions]
    labels = {name: np.array([one[name] for one in every]) for name in wanted}
    return Frames(np.tile(atoms.numbers, (len(moves), 1)), positions, labels, np.full(len(moves), "a"))


ZUNDEL = [[-1.2, 0, 0], [0, 0, 0], [1.2, 0, 0]]  # O, H, O, then four H
ZUNDEL += [[-1.6, 0.8, 0.3], [-1.6, -0.8, 0.3], [1.6, 0.3, 0.8], [1.6, 0.3, -0.8]]
ODD = {  # atoms, charge, multiplicity, Å of displacement
    "LiF": (Atoms("LiF", [[0, 0, 0], [0, 0, 1.56]]), 0, 1, 0.05),
    "NaH": (Atoms("NaH", [[0, 0, 0], [0, 0, 1.89]]), 0, 1, 0.05),
    "Cl2": (Atoms("Cl2", [[0, 0, 0], [0, 0, 1.99]]), 0, 1, 0.04),
    "Ar2": (Atoms("Ar2", [[0, 0, 0], [0, 0, 3.76]]), 0, 1, 0.1),
    "OH-": (Atoms("OH", [[0, 0, 0], [0, 0, 0.97]]), -1, 1, 0.04),
    "H2+": (Atoms("H2", [[0, 0, 0], [0, 0, 1.06]]), 1, 2, 0.04),
    "H5O2+ with a shared proton": (Atoms("OHOH4", ZUNDEL), 1, 1, 0.05),
    "SO2": (molecule("SO2"), 0, 1, 0.05),
    "CH3NO2": (molecule("CH3NO2"), 0, 1, 0.04),
    "water near its minimum": (molecule("H2O"), 0, 1, 0.002),
    "very hot water": (molecule("H2O"), 0, 1, 0.12),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_but_right_labels_pass(name, capsys):
    atoms, charge, multiplicity, scale = ODD[name]
    moves = np.random.default_rng(0).normal(scale=scale, size=(16, len(atoms), 3))
    accept(labelled(atoms, moves, charge, multiplicity), capsys)


def test_displacements_along_a_torsion_pass(capsys):
    """Bonds hardly stretch there, and their apparent stiffness is that of the torsion."""
    atoms = molecule("H2O2")  # O, O, H, H
    axis = atoms.positions[1] - atoms.positions[0]
    direction = np.cross(axis, atoms.positions - atoms.positions[[0, 1, 0, 1]])  # zero for both O
    moves = np.linspace(-0.6, 0.6, 16)[:, None, None] * direction
    accept(labelled(atoms, moves), capsys)


def test_a_dissociation_passes(capsys):
    moves = np.zeros((24, 2, 3))
    moves[:, 1, 2] = np.linspace(-0.25, 2.0, 24)
    accept(labelled(Atoms("HCl", [[0, 0, 0], [0, 0, 1.27]]), moves), capsys)


def test_different_molecules_pass(capsys):
    """A frame each, padded, as in a set of relaxed structures."""
    names = ["H2O", "CH4", "NH3", "CO2", "CH3OH", "HCN", "C2H4", "H2CO", "C2H2", "CH3Cl"]
    rng, size = np.random.default_rng(0), 6
    frames = [labelled(a, rng.normal(scale=0.01, size=(1, len(a), 3))) for a in map(molecule, names)]

    def stacked(arrays):
        return np.concatenate(
            [np.pad(x, [(0, 0), (0, size - x.shape[1])] + [(0, 0)] * (x.ndim - 2)) for x in arrays]
        )

    labels = {name: np.concatenate([frame.labels[name] for frame in frames]) for name in (E, MU)}
    labels[F] = stacked(frame.labels[F] for frame in frames)
    numbers, positions = stacked(f.numbers for f in frames), stacked(f.positions for f in frames)
    accept(Frames(numbers, positions, labels, np.full(len(names), "a")), capsys)


def with_polarizability(symbols: str, length_A: float, alpha_A3: float) -> Frames:
    atoms = Atoms(symbols, [[0, 0, 0], [0, 0, length_A]])
    labels = {ALPHA: alpha_A3 * np.eye(3)[None]}
    return Frames(atoms.numbers[None], atoms.positions[None], labels, np.full(1, "a"))


@pytest.mark.parametrize(
    ("symbols", "length_A", "alpha_A3"), [("Cl2", 1.99, 27.3), ("Ar2", 3.76, 15.1), ("OH", 0.97, 6.0)]
)
def test_polarizabilities_in_doubt_only_warn(symbols, length_A, alpha_A3, capsys):
    """GFN2-xTB's for Cl2 and Ar2; the extra electron of OH− is diffuse."""
    check_units(with_polarizability(symbols, length_A, alpha_A3), "a.extxyz")
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and "warning: a.extxyz: REF_polarizability is" in out


def test_polarizability_of_nitrogen(capsys):
    """Measured: 1.74 Å³."""
    accept(with_polarizability("N2", 1.1, 1.74), capsys)
    refuse(with_polarizability("N2", 1.1, 1.74 * BOHR**3), ["a0³"])


def test_a_factor_that_is_no_unit_only_warns(ethanol, capsys):
    check_units(scaled(ethanol, {E: 6.0}), "a.extxyz")
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and "warning: a.extxyz: energies change" in out


@pytest.mark.parametrize("n", [1000, 100])
@pytest.mark.parametrize(
    ("factor", "words"),
    [(1 / BOHR, ["REF_forces say, so these are not −∂E/∂r", "eV/bohr", "by 1.8897"]), (1.8, ["one method"])],
)
def test_forces_off_by_less_than_two_are_told_by_finite_differences(ethanol, factor, words, n):
    refuse(scaled(drawn(ethanol, n), {F: factor}), words)


@pytest.mark.parametrize("charge", [1, -1, 2])
def test_dipoles_of_ions_from_the_origin_are_told(ethanol, charge):
    """Frames that lie anywhere: μ of an ion moves by q times its centre, that of a neutral molecule stays."""
    frames = drawn(ethanol, 40)
    moves = np.random.default_rng(1).normal(scale=3.0, size=(len(frames), 1, 3))
    moved = dataclasses.replace(frames, positions=frames.positions + moves)
    check_units(moved, "neutral.extxyz")
    masses = atomic_masses[frames.numbers]
    centres = (masses[..., None] * moved.positions).sum(1) / masses.sum(1, keepdims=True)
    labels = frames.labels | {MU: frames.labels[MU] + charge * centres}
    refuse(
        dataclasses.replace(moved, labels=labels),
        [f"follows the centre of mass by {charge}.0 e", "subtract"],
    )
