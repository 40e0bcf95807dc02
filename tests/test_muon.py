"""Training's optimizer against PyTorch's own Muon and AdamW."""

import pytest
import torch
from torch import nn

from painn_spectra.fitting import Trainer
from painn_spectra.muon import orthogonal
from painn_spectra.settings.training import TrainSettings

RATE, DECAY, STEPS = 1e-2, 0.1, 5


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 8)
        self.wide, self.tall, self.square = nn.Linear(8, 6), nn.Linear(6, 12), nn.Linear(12, 12)
        self.twin, self.last = nn.Linear(12, 12, bias=False), nn.Linear(12, 1)

    def forward(self, which):
        x = self.tall(torch.tanh(self.wide(self.embedding(which))))
        return self.last(torch.tanh(self.twin(torch.tanh(self.square(x)))))


HIDDEN = ("wide.weight", "tall.weight", "square.weight", "twin.weight")


def after_steps(model, step):
    target = torch.tensor([[1.0], [-1.0], [0.5]])
    for _ in range(STEPS):
        step((model(torch.tensor([0, 1, 3])) - target).square().sum())
    return {name: one.detach().clone() for name, one in model.named_parameters()}


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch has its own Muon from 2.9 on")
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_steps_are_those_of_pytorch(optimizer, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)  # in which PyTorch's iteration runs
    torch.manual_seed(0)
    ours, theirs = Layers(), Layers()
    theirs.load_state_dict(ours.state_dict())
    before = {name: one.detach().clone() for name, one in ours.named_parameters()}
    settings = TrainSettings(
        optimizer=optimizer, learning_rate=RATE, weight_decay=DECAY, gradient_clip=1e9, ema_decay=0.0
    )
    trainer = Trainer(ours, settings)
    named = dict(theirs.named_parameters())
    hidden = [named.pop(name) for name in HIDDEN] if optimizer == "muon" else []
    parts = [torch.optim.AdamW(named.values(), lr=RATE, weight_decay=DECAY)]
    if hidden:
        parts.append(torch.optim.Muon(hidden, lr=RATE, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"))

    def step(loss):
        for part in parts:
            part.zero_grad()
        loss.backward()
        for part in parts:
            part.step()

    found, expected = after_steps(ours, trainer.learn), after_steps(theirs, step)
    for name, value in expected.items():
        assert (found[name] - value).abs().max() < 1e-3 * (value - before[name]).abs().max(), name


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 24), (2, 24, 8)])
@pytest.mark.parametrize("size", [1e-9, 1.0])
def test_momenta_become_orthogonal(shape, size):
    """U S Vᵀ becomes about U Vᵀ, whatever its size; a layer without gradient stays where it is."""
    u, s, vt = torch.linalg.svd(torch.randn(shape, generator=torch.Generator().manual_seed(0)), False)
    s = s / s[:, :1] * 0.9 + 0.1  # condition number below 10
    mapped = u.mT @ orthogonal(size * (u * s.unsqueeze(1)) @ vt) @ vt.mT
    singular = mapped.diagonal(dim1=1, dim2=2)
    assert (mapped - torch.diag_embed(singular)).abs().max() < 1e-4
    assert singular.min() > 0.6 and singular.max() < 1.25
    assert orthogonal(torch.zeros(shape)).abs().max() == 0
