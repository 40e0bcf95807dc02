"""Linear molecules, symmetric tops, ions and open shells through the whole chain, with GFN2-xTB."""

from typing import NamedTuple

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from painn_spectra import keys
from painn_spectra.dataset import read_frames
from painn_spectra.evaluate import predict
from painn_spectra.gathering import gather_labels
from painn_spectra.harmonic_reference import harmonic_reference
from painn_spectra.labelling import label_chunk
from painn_spectra.md.run import run_dynamics
from painn_spectra.model.checkpoint import load_model
from painn_spectra.new_molecule import read_state
from painn_spectra.reference import xtb
from painn_spectra.sampling.conformers import find_conformers
from painn_spectra.sampling.first_set import sample_geometries
from painn_spectra.settings.dynamics import DynamicsSettings, SpectraSettings
from painn_spectra.settings.molecule import Method
from painn_spectra.settings.training import DatasetSettings, ModelSettings, SamplingSettings, TrainSettings
from painn_spectra.spectra.csv_files import read_spectrum
from painn_spectra.spectra.harmonic import read_conformers, read_sticks
from painn_spectra.spectra.spectrum import compute_spectra
from painn_spectra.stages import LabelStage
from painn_spectra.train import train_model

pytestmark = [
    pytest.mark.physics,
    pytest.mark.skipif(not xtb.available(), reason="tblite has no wheel for this platform"),
]
XTB = Method(program="gfn2-xtb")
SETTINGS = SamplingSettings(n_embeddings=3, n_frames=12, modes_fraction=1.0)  # displacements alone


class Shape(NamedTuple):
    """What group theory says: linear or not, pairs of degenerate modes, rotations onto itself."""

    smiles: str
    multiplicity: int
    linear: bool
    n_pairs: int
    symmetry_number: int


SHAPES = {
    "carbon dioxide": Shape("O=C=O", 1, True, 1, 2),
    "ammonia": Shape("N", 1, False, 2, 3),
    "hydronium": Shape("[OH3+]", 1, False, 2, 3),
    "methyl": Shape("[CH3]", 2, False, 2, 6),
    "hydroxide": Shape("[OH-]", 1, True, 0, 1),
    "nitric oxide": Shape("[N]=O", 2, True, 0, 1),
}


class Reference(nn.Module):
    """The labels' method with the interface of the trained model."""

    def __init__(self, charge, multiplicity):
        super().__init__()
        self.charge, self.multiplicity = float(charge), multiplicity

    def forward(self, numbers, positions, properties=keys.PROPERTIES):
        state = (int(self.charge), self.multiplicity)
        rows = zip(numbers.numpy(), positions.double().numpy(), strict=True)
        found = [xtb.label(z, r, *state, properties) for z, r in rows]
        return {name: torch.as_tensor(np.stack([one[name] for one in found])) for name in properties}


@pytest.fixture(scope="module", params=SHAPES)
def chain(request, tmp_path_factory):
    """Conformers, geometries, labels and data set of one molecule."""
    folder, shape = tmp_path_factory.mktemp("chain"), SHAPES[request.param]
    multiplicity = None if shape.multiplicity == 1 else shape.multiplicity
    _, charge, multiplicity = read_state(shape.smiles, None, multiplicity)
    find_conformers(folder / "conformers.extxyz", shape.smiles, charge, multiplicity, SETTINGS)
    sample_geometries(folder / "conformers.extxyz", folder / "geometries.extxyz", SETTINGS)
    stage = LabelStage(method=XTB, charge=charge, multiplicity=multiplicity)
    files = [folder / name for name in ("labels.extxyz", "labels.json")]
    label_chunk(folder / "geometries.extxyz", *files, stage, folder / "store")
    dataset = (folder / "dataset.extxyz", folder / "split.json")
    gather_labels(files[:1], *dataset, DatasetSettings(), failures=files[1:])
    return folder, shape, charge, multiplicity


def test_labels_know_charge_and_spin(chain):
    folder, _, charge, multiplicity = chain
    frames = read_frames(folder / "dataset.extxyz")
    assert len(frames) >= 8
    direct = xtb.label(frames.numbers[0], frames.positions[0], charge, multiplicity)
    assert frames.labels[keys.ENERGY][0] == pytest.approx(float(direct[keys.ENERGY]), abs=1e-5)
    np.testing.assert_allclose(frames.labels[keys.DIPOLE][0], direct[keys.DIPOLE], atol=1e-5)
    other = xtb.label(frames.numbers[0], frames.positions[0], charge + 2, multiplicity)
    assert abs(other[keys.ENERGY] - direct[keys.ENERGY]) > 1  # another charge is another molecule


def test_modes_are_those_of_the_point_group(chain):
    """3N − 5 or 3N − 6 modes, degenerate ones in pairs to 1 cm⁻¹; IR or Raman where there is a centre."""
    folder, shape, charge, multiplicity = chain
    harmonic_reference(folder / "conformers.extxyz", folder / "h.csv", XTB, charge, multiplicity, threads=1)
    found, _ = read_conformers(folder / "h.npz")
    rows = [row for row in read_sticks(folder / "h.csv")[1] if row["conformer"] == 0]
    nu = np.sort([row["wavenumber_cm-1"] for row in rows])
    n_atoms = len(found.numbers)
    assert len(nu) == 3 * n_atoms - (5 if shape.linear else 6) and nu[0] > 0
    assert int((np.diff(nu) < 1.0).sum()) == shape.n_pairs
    assert found.symmetry_numbers[0] == shape.symmetry_number and found.mirror_images[0] == 1
    if shape.smiles == "O=C=O":
        bright = [np.array([row[key] for row in rows]) for key in ("ir_km_mol-1", "activity_A4_amu-1")]
        shares = [heights / heights.max() for heights in bright]
        assert max(np.minimum(*shares)) < 1e-3


def test_a_model_learns_it(chain):
    """A small network trains and answers; of an ion its dipole moves with the charge's centre."""
    folder, _, charge, _ = chain
    settings = TrainSettings(epochs=2, batch_size=4, pretrain={"n_frames": 0})
    model = folder / "model.pt"
    train_model(
        folder / "dataset.extxyz", folder / "split.json", model, folder / "m.jsonl", settings,
        ModelSettings(n_features=8, n_layers=1, n_radial=8), charge=charge,
    )  # fmt: skip
    frames = read_frames(folder / "dataset.extxyz")
    potential = load_model(model)
    out = predict(potential, frames)
    assert all(np.isfinite(values).all() for values in out.values())
    assert float(potential.charge) == charge


def test_dynamics_and_spectra(chain):
    folder, shape, charge, multiplicity = chain
    settings = DynamicsSettings(
        n_replicas=2, equilibration_ps=0.01, production_ps=0.14, checkpoint_interval_ps=0.07,
        rotation="removed",
    )  # fmt: skip
    (folder / "any.pt").touch()
    trajectory = folder / "trajectory.h5"
    run_dynamics(
        folder / "any.pt", folder / "dataset.extxyz", trajectory, folder / "md.json", settings, "toy",
        "classical", 300.0, {}, 1, lambda path, device: Reference(charge, multiplicity),
    )  # fmt: skip
    with h5py.File(trajectory) as file:
        n_atoms = len(file.attrs["numbers"])
        assert file.attrs["degrees_of_freedom"] == 3 * n_atoms - (5 if shape.linear else 6)
        total = file["potential_energy"][:] + file["kinetic_energy"][:]
        kinetic = file["kinetic_energy"][:]
    assert total.std(axis=1).max() < 0.1 * kinetic.std(axis=1).max()  # energy goes to and fro and stays
    files = [folder / f"spectra/{name}" for name in ("ir.csv", "raman.csv", "bands.csv", "replicas.npz")]
    compute_spectra(trajectory, *files, SpectraSettings(fwhm_cm=350.0, control_variates=False))
    for path, column in zip(files, ("ir_km_mol-1_per_cm-1", "activity_A4_amu-1_per_cm-1"), strict=False):
        _, columns = read_spectrum(path)
        assert np.isfinite(columns[column]).all() and columns[column].max() > 0
