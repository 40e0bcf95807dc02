"""The exported file: the model's numbers, forces included, for any number of frames and atoms."""

import json

import pytest
import torch
from small_model import write_model

from painn_spectra import keys
from painn_spectra.cli import main
from painn_spectra.model.checkpoint import load_model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    model = write_model(folder / "model.pt", n_layers=1)  # tracing takes seconds per layer
    assert main(["export", str(model), str(folder / "model.pt2")]) == 0
    told = {"metadata.json": ""}
    program = torch.export.load(folder / "model.pt2", extra_files=told)
    return load_model(model).double(), program.module(), json.loads(told["metadata.json"])


@pytest.mark.parametrize("shape", [(1, 3), (2, 9), (5, 4)])
def test_numbers_are_the_models(exported, shape):
    potential, program, told = exported
    generator = torch.Generator().manual_seed(0)
    numbers = torch.tensor(told["elements"])[torch.randint(3, shape, generator=generator)]
    numbers[0, -1] = 0  # padding
    positions = 3 * torch.rand((*shape, 3), generator=generator, dtype=torch.float64)
    want, got = potential(numbers, positions), program(numbers, positions)
    for name in keys.PROPERTIES:
        assert torch.allclose(got[name], want[name], rtol=1e-10, atol=1e-10), name


def test_the_model_itself_stays(tmp_path, capsys):
    model = str(write_model(tmp_path / "model.pt2"))
    assert main(["export", model, model]) == 2
    assert "is the model itself; give the export another name" in capsys.readouterr().err
    load_model(model)


def test_another_ending_is_one_line(tmp_path, capsys):
    assert main(["export", str(write_model(tmp_path / "model.pt")), str(tmp_path / "model.onnx")]) == 2
    assert "end in .pt2; name it model.pt2" in capsys.readouterr().err
