"""Model files: round trips, an old format, damaged and edited ones."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from small_model import write_model

from painn_spectra.errors import InputError
from painn_spectra.model.checkpoint import load_model, save_model

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_bad_model_file(tmp_path, content):
    path = tmp_path / "model.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=str(path)):
        load_model(path)


@pytest.mark.parametrize("name", ["painn.filters.weight", "masses_amu"])
def test_a_flipped_bit_in_a_model_file(tmp_path, name):
    """Which torch itself would read as another weight."""
    path = write_model(tmp_path / "model.pt")
    content = path.read_bytes()
    place = content.index(torch.load(path, weights_only=True)["state"][name].numpy().tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    with pytest.raises(InputError, match=r"model.pt: not a painn-spectra model or checkpoint, or a damaged"):
        load_model(path)


def test_a_model_file_that_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = write_model(tmp_path / "model.pt")

    def refuse(self):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"model.pt: cannot be read \(Permission denied\)"):
        load_model(path)


@pytest.mark.parametrize(("part", "change"), [
    ("metadata", {"properties": 3}), ("metadata", {"properties": None}), ("metadata", {"properties": ["no"]}),
    ("metadata", {"elements": None}), ("architecture", {"cutoff_A": "5"}), ("architecture", {"cutoff_A": 0}),
    ("architecture", {"cutoff_A": None}), ("architecture", {"charge": "1"}),
    ("architecture", {"charge": None}),
])  # fmt: skip
def test_edited_headers_are_refused(tmp_path, part, change):
    path = write_model(tmp_path / "model.pt")
    content = torch.load(path, weights_only=True)
    header = json.loads(content["header"])
    header[part] |= change
    torch.save(content | {"header": json.dumps(header)}, path)
    with pytest.raises(InputError, match=rf"model.pt: .*({next(iter(change))}|header)"):
        load_model(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    path = write_model(tmp_path / "model.pt")
    content = torch.load(path, weights_only=True)
    next(iter(content["state"].values())).fill_(value)
    torch.save(content, path)
    with pytest.raises(InputError, match=r"model.pt: weights .*NaN, infinity"):
        load_model(path)


def test_model_file_round_trip(tmp_path):
    potential = load_model(write_model(tmp_path / "model.pt"))
    save_model(tmp_path / "copy.pt", potential, potential.metadata)
    pairs = zip(
        potential.state_dict().values(), load_model(tmp_path / "copy.pt").state_dict().values(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)
    content = torch.load(tmp_path / "copy.pt", weights_only=True)
    header = json.loads(content["header"]) | {"format_version": 99}
    torch.save({"header": json.dumps(header), "state": content["state"]}, tmp_path / "new.pt")
    with pytest.raises(InputError, match="model format 99"):
        load_model(tmp_path / "new.pt")


def test_an_old_model_file_predicts_what_it_did():
    """Format 1, with the numbers that the program of its time gave: kept for ever."""
    potential = load_model(DATA / "model_v1.pt", dtype=torch.float64)
    told = json.loads((DATA / "model_v1.json").read_text(encoding="utf-8"))
    z, r = torch.tensor([told["numbers"]]), torch.tensor([told["positions"]], dtype=torch.float64)
    for name, value in potential(z, r).items():
        assert value[0].numpy() == pytest.approx(np.array(told[name]), rel=1e-9, abs=1e-9), name
    assert potential.metadata["elements"] == [1, 6, 8]
