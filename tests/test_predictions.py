"""`painn-spectra predict`: the calculator's numbers for a mix of molecules, and what it refuses."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write
from small_model import two_molecules, write_model

from painn_spectra import keys
from painn_spectra.ase import PaiNNCalculator
from painn_spectra.cli import main


@pytest.fixture
def frames(tmp_path):
    structures = two_molecules()
    structures[1].info |= {"REF_energy": -5.0, "tensor": np.arange(9.0)}
    write(tmp_path / "frames.extxyz", structures, format="extxyz")
    return tmp_path / "frames.extxyz"


def test_predictions_of_a_mix_are_those_of_each_molecule(frames, tmp_path):
    models = [write_model(tmp_path / f"{seed}.pt", seed) for seed in (0, 1)]
    assert main(["predict", *map(str, models), str(frames), str(tmp_path / "out.extxyz")]) == 0
    written = read(tmp_path / "out.extxyz", index=":")
    assert [str(atoms.symbols) for atoms in written] == [str(a.symbols) for a in read(frames, index=":")]
    assert written[1].info["REF_energy"] == -5.0
    assert 'tensor="0.0 1.0 2.0' in (tmp_path / "out.extxyz").read_text()
    for atoms in written:
        single = []
        for model in models:
            calculator = PaiNNCalculator(model)
            calculator.calculate(atoms, list(keys.PROPERTIES))
            single.append(calculator.results)
        for name in keys.PROPERTIES:
            mean = np.mean([results[name] for results in single], axis=0)
            found = atoms.arrays["model_forces"] if name == keys.FORCES else atoms.info[f"model_{name}"]
            scale = max(1.0, np.abs(mean).max())  # float32 against float64
            assert np.ravel(found) == pytest.approx(np.ravel(mean), abs=1e-5 * scale), name


@pytest.mark.parametrize(
    ("structure", "line"),
    [
        (Atoms("HF", np.eye(2, 3)), "F: unknown to"),
        (Atoms("H2", np.eye(2, 3), cell=[5, 5, 5], pbc=True), "frame 0: is periodic"),
    ],
)
def test_what_the_model_cannot_know_is_one_line_and_no_file(structure, line, tmp_path, capsys):
    write(tmp_path / "in.extxyz", structure, format="extxyz")
    paths = [write_model(tmp_path / "model.pt"), tmp_path / "in.extxyz", tmp_path / "out.extxyz"]
    assert main(["predict", *map(str, paths)]) == 2
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1
    assert not paths[-1].exists()
