"""Evaluation: errors by hand, files of every member."""

import shutil

import numpy as np
import pytest
from small_model import write_model

from painn_spectra import keys
from painn_spectra.dataset import Frames
from painn_spectra.errors import InputError
from painn_spectra.evaluate import error_rows, evaluate_stage
from painn_spectra.gathering import gather_labels
from painn_spectra.settings.training import DatasetSettings
from painn_spectra.split import read_split


@pytest.fixture(scope="module")
def water(water_labels, tmp_path_factory):
    """Folder with dataset, split and an untrained model."""
    folder = tmp_path_factory.mktemp("untrained")
    gather_labels([water_labels], folder / "dataset.extxyz", folder / "split.json", DatasetSettings())
    write_model(folder / "model.pt")
    return folder


def test_a_file_of_errors_per_model(water, tmp_path):
    paths = [water / "dataset.extxyz", water / "split.json", tmp_path / "errors.csv"]
    with pytest.raises(InputError, match=r"2 models, 1 files of members; name one per model"):
        evaluate_stage([water / "model.pt"] * 2, *paths, [tmp_path / "0.csv"], tmp_path / "figures")
    assert not list(tmp_path.iterdir())


def test_evaluation_stage(water, tmp_path):
    models = [water / "model.pt", tmp_path / "copy.pt"]
    shutil.copy(*models)
    members = [tmp_path / "0.csv", tmp_path / "1.csv"]
    evaluate_stage(
        models,
        water / "dataset.extxyz",
        water / "split.json",
        tmp_path / "errors.csv",
        members,
        tmp_path / "figures",
    )
    assert (tmp_path / "errors.csv").read_text() == members[0].read_text()  # mean of two equal members
    header, *rows = (tmp_path / "errors.csv").read_text().splitlines()
    assert header == "property,unit,mae,rmse,baseline_mae,baseline_rmse,n" and len(rows) == 4
    n_test = len(read_split(water / "split.json", water / "dataset.extxyz")["test"])
    assert [int(row.split(",")[-1]) for row in rows] == [n_test * k for k in (1, 9, 3, 9)]
    assert (tmp_path / "figures/parity.svg").stat().st_size > 0


def test_error_rows_by_hand():
    """Two frames, errors known: MAE, RMSE and baseline as defined."""
    frames = _frames([[1.0], [3.0]])
    predicted = {name: value.copy() for name, value in frames.labels.items()}
    predicted[keys.ENERGY] = np.array([1.001, 2.997])
    row = error_rows(predicted, frames, frames)[0]
    assert row["mae"] == pytest.approx(2.0) and row["rmse"] == pytest.approx(np.sqrt(5.0))
    assert row["baseline_mae"] == pytest.approx(1000.0)


def _frames(energies):
    n = len(energies)
    labels = {keys.ENERGY: np.ravel(energies), keys.FORCES: np.ones((n, 1, 3)), keys.DIPOLE: np.ones((n, 3)),
              keys.POLARIZABILITY: np.ones((n, 3, 3))}  # fmt: skip
    return Frames(np.ones((n, 1), int), np.zeros((n, 1, 3)), labels, np.array(["a"] * n))
