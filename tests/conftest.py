"""Shared data: the shipped ethanol labels, and small labelled water sets made with GFN2-xTB."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: small tensors, two cores shared with snakemake

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import write
from toy_potentials import write_inputs

from painn_spectra import keys

ROOT = Path(__file__).parents[1]
LONG = (  # files whose tests take minutes: one that begins last keeps one core busy and leaves the other idle
    "test_chain", "test_rotating_morse", "test_engine", "test_workflow", "test_training_engine", "test_train",
    "test_md_faults", "test_exporting",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; the order within a file stays."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture(scope="session")
def ethanol_labels() -> Path:
    return ROOT / "config/molecules/ethanol/labels.extxyz"


@pytest.fixture(scope="session")
def water_labels(tmp_path_factory) -> Path:
    """48 displaced water molecules in four trajectories, labelled with GFN2-xTB."""
    xtb = pytest.importorskip("painn_spectra.reference.xtb")
    if not xtb.available():
        pytest.skip("tblite has no wheel for this platform")
    rng, frames = np.random.default_rng(0), []
    for k in range(48):
        water = molecule("H2O")
        water.positions += rng.normal(scale=0.05, size=(3, 3))
        labels = xtb.label(water.numbers, water.positions)
        frame = Atoms(water.numbers, water.positions)
        frame.arrays["REF_forces"] = labels[keys.FORCES]
        frame.info = {
            "REF_energy": float(labels[keys.ENERGY]),
            "REF_dipole": labels[keys.DIPOLE],
            "REF_polarizability": labels[keys.POLARIZABILITY].ravel(),
            "seed": k // 12,
        }
        frames.append(frame)
    path = tmp_path_factory.mktemp("water") / "labels.extxyz"
    write(path, frames, format="extxyz")
    return path


@pytest.fixture
def peroxide(tmp_path: Path) -> tuple[Path, Path]:
    return write_inputs(tmp_path, "peroxide")
