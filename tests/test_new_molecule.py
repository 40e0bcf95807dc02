"""`painn-spectra new`: a config that loads, numbers that add up, one line for what cannot be computed."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.build import molecule
from ase.io import write

from painn_spectra import estimates, keys
from painn_spectra.cli import main
from painn_spectra.config import load_config
from painn_spectra.estimates import core_hours, disk_bytes
from painn_spectra.molecules import read_structure
from painn_spectra.new_molecule import read_state, tell_shipped
from painn_spectra.reference import xtb

needs_tblite = pytest.mark.skipif(not xtb.available(), reason="tblite has no wheel for this platform")


@needs_tblite
def test_a_ready_config(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimates, "N_TIMED", 1)
    command = ["new", "[OH3+]", "--name", "hydronium", "--program", "gfn2-xtb", "--n-frames", "40"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "hydronium: [OH3+] (SMILES, H3O), 4 atoms, 10 electrons, charge +1, multiplicity 1" in out
    assert "290 labels" in out and "core-hours expected" in out and "disk: about" in out
    text = (tmp_path / "config/hydronium.yaml").read_text()
    assert "snakemake --cores 2 --configfile config/hydronium.yaml" in text
    config = load_config(yaml.safe_load(text))
    entry = config.molecules[0]
    assert (entry.structure, entry.charge, entry.method.program) == ("[OH3+]", 1, "gfn2-xtb")
    assert config.sampling.n_frames == 40
    assert main(command) == 2  # nothing is overwritten
    assert "config/hydronium.yaml: exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("structure", "options", "words"),
    [
        ("C.C", [], "has 2 molecules"),
        ("CC[Xx]", [], "no SMILES that parses"),
        ("O=[U]", [], "an element beyond H to Rn"),
        ("[CH3]", [], "unpaired electrons in its ground state: 1, no closed shell; say --multiplicity 2"),
        ("[CH2]", [], "say --multiplicity 3"),
        ("O=O", [], "say --multiplicity 3"),  # which no SMILES draws
        ("S2", [], "say --multiplicity 3"),
        ("CH3O", [], "say --multiplicity 2"),
        ("[CH3]", ["--multiplicity", "1"], "multiplicity = 1 wants 0 unpaired electrons"),
        ("CCO", ["--charge", "1"], "the SMILES has charge +0, but charge = 1"),
        ("CCO", ["--basis", "def3"], "method.basis = 'def3': PySCF has no such basis"),
        ("CCO", ["--functional", "PBE00"], "method.functional = 'PBE00'"),
        ("CCO", ["--program", "abacus"], "program"),
        ("CCO", ["--name", "a b"], "name"),
        ("[He]", [], "a single atom has no vibrations"),
    ],
)
def test_what_cannot_be_computed(structure, options, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", structure, *options]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_labels_of_that_name_are_told(tmp_path, monkeypatch, capsys):
    labels = tmp_path / "config/molecules/x/labels.extxyz"
    labels.parent.mkdir(parents=True)
    labels.write_text('3\nProperties=species:S:1:pos:R:3 REF_method="PBE0/X"\nO 0 0 0\nH 0 0 1\nH 0 1 0\n')
    monkeypatch.chdir(tmp_path)
    assert main(["new", "C", "--name", "x"]) == 2
    assert "labels of another molecule are there; choose another --name" in capsys.readouterr().err
    tell_shipped(Path("config/molecules/x/labels.extxyz"), read_structure("O"))
    assert "is there, by PBE0/X: it will be taken, no label is computed" in capsys.readouterr().out


def test_charge_and_spin_are_those_of_the_smiles(tmp_path):
    assert read_state("[NH4+]", None, None)[1:] == (1, 1)
    assert read_state("[O][O]", None, 3)[1:] == (0, 3)
    assert read_state("[CH2]", None, 1)[1:] == (0, 1)  # a singlet, if one says so
    write(tmp_path / "a.xyz", molecule("H2O"))
    assert read_state(str(tmp_path / "a.xyz"), None, None)[1:] == (0, 1)
    assert read_state("CH3CH2OH", None, None)[1:] == (0, 1)
    assert read_state("O=O", None, 1)[1:] == (0, 1)
    assert read_state("CH3O", 1, None)[1:] == (1, 1)


def test_core_hours_count_every_step(monkeypatch):
    """With a second for each step of anything the hours are counts."""
    monkeypatch.setattr(estimates, "timed", lambda step: 1.0)
    raw = {
        "molecules": [{"name": "water", "structure": "O"}],
        "sampling": {"n_frames": 100, "rounds": 1, "frames_per_round": 50, "model_temperatures_K": [300.0],
                     "members": 3, "max_labels": 140},
        "train": {"epochs": 10, "batch_size": 8, "members": 2, "pretrain": {"n_frames": 80, "epochs": 3}},
        "md": {"n_replicas": 20, "timestep_fs": 0.5, "record_interval_steps": 2, "equilibration_ps": 1,
               "production_ps": 4},
    }  # fmt: skip
    water = molecule("H2O")
    labels = {keys.ENERGY: np.array(-2080.0), keys.FORCES: np.zeros((3, 3)), keys.DIPOLE: np.zeros(3),
              keys.POLARIZABILITY: np.eye(3)}  # fmt: skip
    hours = core_hours(load_config(raw), water.numbers, water.positions[None], labels, 7.0)
    counts = {stage: value * 3600 for stage, value in hours.items()}
    assert counts["140 labels"] == pytest.approx(140 * 7)
    if xtb.available():
        assert counts["GFN2-xTB sampling"] == pytest.approx(8 * 1000 + 1.1 * 100 * 100)
        assert counts["GFN2-xTB labels to learn first"] == pytest.approx(80 * 21)
    # pre-training of both members, three models between the rounds, the final two
    assert counts["training"] == pytest.approx(2 * 3 * 10 + 3 * 10 * 10 + 2 * 10 * 14)
    # of two members; both steps of an interval are timed at once
    assert counts["dynamics"] == pytest.approx(2 * 3 * 10_000 / 2)


def test_disk_is_that_of_the_arrays():
    """Two replicas of 1000 samples of water with motion: dipole, α, three energies, r and v; kept twice."""
    raw = {
        "molecules": [{"name": "water", "structure": "O"}],
        "md": {"n_replicas": 2, "production_ps": 1, "timestep_fs": 0.5},
        "spectra": {"fwhm_cm": 100.0, "max_wavenumber_cm": 4000.0},
        "sampling": {"n_frames": 1, "rounds": 0},
        "train": {"pretrain": {"n_frames": 0}},
    }
    expected = 2 * 2 * 1000 * (3 * 8 + 3 * 4 + 9 * 4 + 2 * 9 * 4)
    assert disk_bytes(load_config(raw), 3) == pytest.approx(expected, rel=0.02)
