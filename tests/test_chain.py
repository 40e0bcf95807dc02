"""The whole chain on water: from labels that are brought along, and from nothing but a structure."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from clones import BIN, TINY, Clone

from painn_spectra.dataset import read_frames
from painn_spectra.split import read_split
from painn_spectra.tables import read_csv

pytestmark = pytest.mark.workflow

# nothing is brought along: a first set and one batch from the model's own dynamics, labelled by PySCF
FROM_STRUCTURE = {
    **TINY,
    "train": TINY["train"] | {"members": 1, "epochs": 400},  # fewer leave water a straight minimum
    "molecules": [
        {
            "name": "water",
            "structure": "O",
            "temperature_K": 100,
            "method": {"functional": "PBE", "basis": "def2-SVP", "grid_level": 1},
        }
    ],
    "sampling": {
        "n_embeddings": 3, "n_frames": 28, "n_trajectories": 2, "interval_fs": 25, "modes_fraction": 0.3,
        "rounds": 1, "frames_per_round": 8, "model_temperatures_K": [100.0],
    },
}  # fmt: skip


def write_water_labels(path: Path) -> None:
    """Forty displaced waters in four groups, labelled with GFN2-xTB."""
    pytest.importorskip("tblite")
    from ase import Atoms
    from ase.io import write

    from painn_spectra.reference.xtb import label

    rng = np.random.default_rng(0)
    equilibrium = np.array([[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]])  # (3, 3) | Å
    frames = []
    for i in range(40):
        water = Atoms("OH2", equilibrium + rng.normal(scale=0.04, size=(3, 3)))
        labels = label(water.numbers, water.positions)
        water.arrays["REF_forces"] = labels.pop("forces")
        water.info |= {f"REF_{name}": value for name, value in labels.items()} | {"seed": i // 10}
        frames.append(water)
    write(path, frames, format="extxyz")


@pytest.mark.parametrize("config", [TINY, FROM_STRUCTURE], ids=["labels brought along", "from a structure"])
def test_water_to_spectra(tmp_path, config):
    clone = Clone(tmp_path, config)
    if config is TINY:
        write_water_labels(clone.labels("water"))
    clone.run()
    results = tmp_path / "results/water"
    if config is FROM_STRUCTURE:
        frames = read_frames(results / "dataset.extxyz")
        assert {name.partition("-")[0] for name in frames.groups} == {"xtb", "modes", "model1"}
        first = read_split(results / "rounds/0/split.json", results / "rounds/0/dataset.extxyz")
        last = read_split(results / "split.json", results / "dataset.extxyz")
        assert all(set(first[part]) <= set(last[part]) for part in first)
    for spectrum in ("ir", "raman"):
        rows = read_csv(results / f"classical/{spectrum}.csv")
        values = np.array([[float(cell) for cell in row.values()] for row in rows])
        assert len(values) > 100
        assert np.isfinite(values).all()
        assert (values[:, 1] >= 0).all()
        assert values[:, 1].max() > 0
        for kind in ("svg", "png"):
            assert (results / f"figures/classical/{spectrum}.{kind}").stat().st_size > 1000
    members = config["train"]["members"]
    assert ("model_standard_deviation" in read_csv(results / "classical/ir.csv")[0]) == (members > 1)
    assert (results / "classical/1/trajectory.h5").is_file() == (members > 1)
    page = (results / "report.html").read_text(encoding="utf-8")
    assert ("± of models" in page) == (members > 1)
    errors = {row["property"]: row for row in read_csv(results / "evaluation/errors.csv")}
    assert set(errors) == {"energy", "forces", "dipole", "polarizability"}
    assert 'id="raman"' in (tmp_path / "results/report.html").read_text(encoding="utf-8")
    assert clone.jobs() == set()
    summary = subprocess.run(
        [BIN / "painn-spectra", "summary", tmp_path / "results"], capture_output=True, text=True
    )
    assert summary.returncode == 0, summary.stderr
    assert "Not there yet" not in summary.stdout
