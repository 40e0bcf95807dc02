"""Label files: what is read, what is refused and how the split is made."""

import json
import re
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from painn_spectra import keys
from painn_spectra.dataset import read_atoms, read_frames
from painn_spectra.errors import InputError
from painn_spectra.gathering import gather_labels, tell_copies
from painn_spectra.levels import theory
from painn_spectra.settings.training import DatasetSettings
from painn_spectra.split import read_split, split_frames


def test_shipped_labels_are_read_as_written(ethanol_labels):
    frames = read_frames(ethanol_labels)
    text = ethanol_labels.read_text().splitlines()
    assert len(frames) == sum(line.startswith("Properties") for line in text)
    assert frames.labels[keys.ENERGY][0] == float(re.search(r"REF_energy=(\S+)", text[1])[1])
    tensor = np.array(re.search(r'REF_polarizability="([^"]+)"', text[1])[1].split(), dtype=float)
    assert (frames.labels[keys.POLARIZABILITY][0].ravel() == tensor).all()
    assert frames.labels[keys.FORCES][0, 0, 0] == float(text[2].split()[4])
    assert frames.elements == [1, 6, 8]


def edit(labels, tmp_path, pattern, replacement):
    """A copy of the labels with the first match of a pattern replaced."""
    path = tmp_path / "bad.extxyz"
    path.write_text(re.sub(pattern, replacement, labels.read_text(), count=1))
    return path


@pytest.mark.parametrize(
    ("pattern", "replacement", "reason"),
    [
        (r'REF_dipole="[^"]+" ', "", "frame 0: label REF_dipole is missing"),
        (r"REF_energy=", "energy=", "frame 0: label REF_energy is missing"),
        (r":REF_forces:", ":forces:", "frame 0: label REF_forces is missing"),
        (r'REF_dipole="\S+ ', 'REF_dipole="', "REF_dipole has shape"),
        (r'REF_polarizability="\S+ \S+ \S+ ', 'REF_polarizability="', "needs 9 numbers"),
        (r"REF_energy=\S+", "REF_energy=nan", "REF_energy holds NaN"),
        (r'REF_polarizability="(\S+) \S+', r'REF_polarizability="\1 9.0', "not symmetric"),
        (r"\nO  ", "\nXx  ", "cannot be read|H to Pu"),
        (r'pbc="F F F"', 'pbc="T T T" Lattice="9 0 0 0 9 0 0 0 9"', "is periodic"),
        (r"REF_energy=\S+", "REF_energy=T", "REF_energy = .*True.* is not numeric"),
        (r"REF_energy=\S+", "REF_energy=1e308", "REF_energy holds NaN, infinity or more than 1e"),
        (r"(\nH +\S+ +\S+ +\S+)( .*)\nH +\S+ +\S+ +\S+", r"\1\2\1", "frame 0: two atoms are 0 Å apart"),
        (r"^3\n", "\ufeff3\n", "begins with a byte-order mark"),
    ],
)
def test_bad_labels_are_refused_in_one_line(water_labels, tmp_path, pattern, replacement, reason):
    path = edit(water_labels, tmp_path, pattern, replacement)
    with pytest.raises(InputError, match=reason) as caught:
        gather_labels([path], tmp_path / "dataset.extxyz", tmp_path / "split.json", DatasetSettings())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "dataset.extxyz").exists() and not (tmp_path / "split.json").exists()


@pytest.mark.parametrize("lost", [10000, 300, 9, 3, 2])
def test_truncated_file_is_refused(water_labels, tmp_path, lost):
    path = tmp_path / "cut.extxyz"
    path.write_text(water_labels.read_text()[:-lost])
    with pytest.raises(InputError, match=r"truncated|missing|shape"):
        read_frames(path)


def test_missing_final_newline_is_no_fault(water_labels, tmp_path):
    path = tmp_path / "labels.extxyz"
    path.write_text(water_labels.read_text().rstrip())
    assert len(read_frames(path)) == len(read_frames(water_labels))


@pytest.mark.parametrize("content", ["", "\n", "hello\n"])
def test_not_an_extxyz_file(tmp_path, content):
    path = tmp_path / "labels.extxyz"
    path.write_text(content)
    with pytest.raises(InputError, match=str(path)):
        read_frames(path)
    with pytest.raises(InputError, match="no such file"):
        read_frames(tmp_path / "absent.extxyz")


@pytest.mark.parametrize("split_seed", range(5))
def test_no_trajectory_is_in_two_parts(ethanol_labels, split_seed):
    groups = read_frames(ethanol_labels).groups
    parts = split_frames(groups, DatasetSettings(split_seed=split_seed))
    assert sorted(chain(*parts.values())) == list(range(len(groups)))
    held = set(groups[parts["test"]])
    assert held and not held & set(groups[parts["train"] + parts["validation"]])
    for name in set(groups) - held:  # validation: the end of each training trajectory, or all of short ones
        trained = [k for k in parts["train"] if groups[k] == name]
        validating = [k for k in parts["validation"] if groups[k] == name]
        assert not trained or not validating or max(trained) < min(validating)
        assert trained or validating


@pytest.mark.parametrize(
    ("lengths", "n_test", "n_validation"),
    [([1] * 1000, 200, 40), ([2] * 100, 40, 8), ([950, 50], 50, 48), ([300, 20], 20, 15)],
)
@pytest.mark.parametrize("split_seed", range(4))
def test_fractions_are_near_the_wanted_ones(lengths, n_test, n_validation, split_seed):
    """Many short trajectories, or very unequal ones: never most of the frames held out."""
    groups = np.repeat([f"t{k}" for k in range(len(lengths))], lengths)
    parts = split_frames(groups, DatasetSettings(split_seed=split_seed))
    assert len(parts["test"]) == n_test and len(parts["validation"]) == n_validation
    assert not set(groups[parts["test"]]) & set(groups[parts["train"]])


def test_single_trajectory_is_cut_in_time():
    parts = split_frames(np.array(["all"] * 50), DatasetSettings(test_fraction=0.2))
    assert parts["test"] == list(range(40, 50))
    with pytest.raises(InputError, match="label more frames"):
        split_frames(np.array(["all"] * 2), DatasetSettings())


def test_split_belongs_to_its_dataset(water_labels, tmp_path):
    dataset, split = tmp_path / "dataset.extxyz", tmp_path / "split.json"
    gather_labels([water_labels], dataset, split, DatasetSettings())
    assert set(read_split(split, dataset)) == {"train", "validation", "test"}
    dataset.write_text(dataset.read_text() + "\n")
    with pytest.raises(InputError, match="another"):
        read_split(split, dataset)


@pytest.mark.parametrize(("change", "words"), [
    ([], "not a split file"), ({"train": None}, "NoneType"), ({"train": {"x": 1}}, "'x' is the index of no"),
    ({"train": [0, -5]}, "-5 is the index of no frame"), ({"train": [0, 48]}, "48 is the index of no frame"),
    ({"train": [0.0]}, "0.0 is the index of no frame"), ({"train": ["a"]}, "'a' is the index of no frame"),
    ({"train": [True]}, "True is the index"), ({"train": list(range(48))}, r"\d+ frames are named twice"),
    ({"test": []}, "no frames for test"), ({"train": [], "validation": []}, "no frames for train and valid"),
])  # fmt: skip
def test_edited_splits_are_refused(water_labels, tmp_path, change, words):
    dataset, split = tmp_path / "dataset.extxyz", tmp_path / "split.json"
    gather_labels([water_labels], dataset, split, DatasetSettings())
    content = json.loads(split.read_text())
    split.write_text(json.dumps(content | change if change else change))
    with pytest.raises(InputError, match=rf"split.json: not a split file \(.*{words}" if change else words):
        read_split(split, dataset, 48)


def test_labels_are_of_one_molecule(water_labels, ethanol_labels, tmp_path):
    outputs = tmp_path / "dataset.extxyz", tmp_path / "split.json"
    with pytest.raises(InputError, match=r"frame 0 is C2H6O, the first one H2O"):
        gather_labels([water_labels, ethanol_labels], *outputs, DatasetSettings())
    assert not any(path.exists() for path in outputs)
    earlier = tmp_path / "first.extxyz", tmp_path / "first.json"
    gather_labels([water_labels], *earlier, DatasetSettings())
    with pytest.raises(InputError, match=r"labels.extxyz: frame 0 is C2H6O, the first one H2O"):
        gather_labels([ethanol_labels], *outputs, DatasetSettings(), previous=earlier)


def test_labels_are_of_one_level_of_theory(tmp_path):
    """Zeros of energy differ by eV: in one file, and in what a round adds; programs and grids may differ."""
    outputs = tmp_path / "dataset.extxyz", tmp_path / "split.json"
    shipped = Path(__file__).parents[1] / "config/molecules/water/labels.extxyz"
    level, text = "RKS PBE0/def2-TZVP", shipped.read_text()
    mixed = tmp_path / "mixed.extxyz"
    half = text.index(level, len(text) // 2)
    mixed.write_text(text[:half] + text[half:].replace(level, "RKS B3LYP/def2-TZVP"))
    with pytest.raises(
        InputError, match=r"mixed.extxyz: REF_method = 'RKS B3LYP/def2-TZVP RI.* has 'RKS PBE0"
    ):
        gather_labels([mixed], *outputs, DatasetSettings())
    assert not any(path.exists() for path in outputs)
    gather_labels([shipped], *outputs, DatasetSettings())
    mixed.write_text(text.replace(level, "GFN2-xTB"))
    added = tmp_path / "all.extxyz", tmp_path / "all.json"
    with pytest.raises(InputError, match=r"REF_method = 'GFN2-xTB"):
        gather_labels([mixed], *added, DatasetSettings(), previous=outputs)
    mixed.write_text(text.replace(level, "pbe0/def2-tzvp").replace("PySCF", "PySCF 9."))
    gather_labels([mixed], *added, DatasetSettings(), previous=outputs)


@pytest.mark.parametrize(("level", "other", "same"), [
    ("RKS PBE0/def2-TZVP RI grid3 (response grid1), PySCF 2.14.0", "PBE0/def2-TZVP, ORCA 6", True),
    ("PBE0/def2-TZVP", "PBE0/def2-TZVPD", False),
    ("B3LYP/def2-SVP", "CAM-B3LYP/def2-SVP", False),
    ("B3LYP/6-31G(d,p)", "B3LYP/6-31G(d)", False),
    ("RKS B3LYP-D3(BJ)/def2-SVP RI", "b3lyp-d3(bj)/def2-svp", True),
    ("GFN2-xTB, tblite 0.4", "GFN2-xTB, tblite 0.5", True),
    ("CCSD(T)", "MP2", False),
])  # fmt: skip
def test_texts_of_one_level(level, other, same):
    assert (theory(level) == theory(other)) is same


def test_single_atoms_are_refused(tmp_path):
    energies = 'Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-1.0 pbc="F F F"'
    (tmp_path / "a.extxyz").write_text(f"1\n{energies}\nO 0.0 0.0 0.0 0.0 0.0 0.0\n" * 9)
    outputs = tmp_path / "d.extxyz", tmp_path / "s.json"
    with pytest.raises(InputError, match=r"a.extxyz: a single atom has no vibrations"):
        gather_labels([tmp_path / "a.extxyz"], *outputs, DatasetSettings(), properties=("energy", "forces"))


def test_a_comment_may_be_a_number(tmp_path):
    """Programs write the step there; it is no count of atoms."""
    path = tmp_path / "steps.xyz"
    path.write_text("1\n500000\nH 0 0 0\n1\n500001\nH 0 0 1\n", encoding="utf-8")
    assert len(read_atoms(path)) == 2


def test_no_frame_is_lost_to_an_empty_line(water_labels, tmp_path, capsys):
    """ASE's reader ends at one."""
    text = water_labels.read_text()
    path, split = tmp_path / "joined.extxyz", tmp_path / "split.json"
    path.write_text(text + "\n" + text)
    n_lines = len(text.splitlines())
    with pytest.raises(
        InputError, match=rf"line {n_lines + 1} is empty, and what follows from line {n_lines + 2}"
    ):
        read_atoms(path)
    path.write_text(text + "\n\n")  # at the end they lose nothing, also where frames are added
    gather_labels([path], tmp_path / "first.extxyz", split, DatasetSettings())
    previous = tmp_path / "first.extxyz", split
    outputs = tmp_path / "all.extxyz", tmp_path / "all.json"
    gather_labels([water_labels], *outputs, DatasetSettings(), previous=previous)
    assert len(read_frames(outputs[0])) == 2 * len(read_frames(water_labels))
    frames = read_frames(water_labels)
    n = len(frames)
    tell_copies([frames, frames], {"train": [0, 1], "validation": [2, n], "test": [5, n + 2]})
    told = capsys.readouterr().out
    for name, first in (("test", n + 2), ("validation", n)):
        assert f"1 of 2 {name} frames, first frame {first}, are learnt from too" in told
