"""The training loop: shuffled batches, Muon or AdamW, averaged weights, checkpoints and exact resume."""

import copy
import io
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from painn_spectra.errors import InputError
from painn_spectra.files import write_bytes
from painn_spectra.loss import Batch, Loss, faster, validation_errors
from painn_spectra.model.checkpoint import read_archive
from painn_spectra.model.potential import Potential
from painn_spectra.muon import MuonAdamW, is_hidden
from painn_spectra.progress import Progress
from painn_spectra.settings.training import TrainSettings
from painn_spectra.slopes import Slopes

WARMUP_STEPS = 100
N_VALIDATIONS = 100  # at most this many in a training with the cosine schedule


@dataclass(frozen=True)
class Task:
    """What is learnt, and how."""

    label: str  # for progress lines
    data: Batch
    train: np.ndarray  # (n_train,) | indices into data
    validation: np.ndarray  # (n_validation,) | indices into data
    loss: Loss
    settings: TrainSettings
    member: int
    slopes: Slopes | None = None


Model = TypeVar("Model", bound=nn.Module)


class Trainer(Generic[Model]):
    """All that changes during training; `state_dict` holds it for an exact resume."""

    PLAIN = ("step", "rate", "best", "epochs_since_best", "seconds", "metrics", "best_weights", "losses")

    def __init__(self, potential: Model, settings: TrainSettings) -> None:
        self.potential, self.averaged = potential, copy.deepcopy(potential)
        muon = settings.optimizer == "muon"
        shapes = [(hidden, one.shape) for hidden, one in ordered(potential, muon)]
        self.flat, self.flat_averaged = (flatten(one, muon) for one in (potential, self.averaged))
        self.optimizer = MuonAdamW(self.flat, shapes, settings.learning_rate, settings.weight_decay)
        self.ema_decay, self.gradient_clip = settings.ema_decay, settings.gradient_clip
        self.step = 0
        self.rate = settings.learning_rate  # of the plateau schedule
        self.best = math.inf
        self.epochs_since_best = 0
        self.best_weights: dict[str, Tensor] | None = None
        self.seconds = 0.0
        self.metrics = ""  # JSON lines so far
        self.losses: list[float] = []  # of the steps since the last of them
        self.told: dict[str, Any] = {}  # what a model file says of its training, JSON-able

    def learn(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`."""
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([self.flat], self.gradient_clip)
        self.optimizer.step()
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step))  # brief trainings leave their start
        with torch.no_grad():
            self.flat_averaged.lerp_(self.flat, 1 - decay)
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.PLAIN} | {
            "potential": self.potential.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in self.PLAIN:
            setattr(self, name, state[name])
        self.potential.load_state_dict(state["potential"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])

    def save(self, checkpoint: Path, key: str) -> None:
        """Write the state; `key` tells which training it belongs to."""
        buffer = io.BytesIO()
        torch.save({"key": key, "told": json.dumps(self.told), "trainer": self.state_dict()}, buffer)
        write_bytes(checkpoint, buffer.getbuffer())

    def resume(self, checkpoint: Path, key: str) -> None:
        """Go on from the checkpoint if there is one of the same training; else say so and begin anew."""
        if not checkpoint.exists():
            return
        try:
            saved = read_archive(checkpoint)
            if not isinstance(saved, dict) or saved.get("key") != key:
                raise InputError(f"{checkpoint}: of other settings or data")
        except InputError as error:
            print(f"training begins anew: {error}")
        else:
            self.load_state_dict(saved["trainer"])
            print(f"resuming at step {self.step}")

    @property
    def weights(self) -> dict[str, Tensor]:
        """The result: averaged weights, of the best epoch where a schedule keeps one."""
        return self.best_weights or self.averaged.state_dict()


def ordered(potential: nn.Module, muon: bool) -> list[tuple[bool, nn.Parameter]]:
    """All parameters and whether Muon moves them: these last, equal shapes together."""
    named = [(muon and is_hidden(name, one), one) for name, one in potential.named_parameters()]
    return sorted(named, key=lambda pair: (pair[0], pair[1].shape if pair[0] else ()))


def flatten(potential: nn.Module, muon: bool) -> nn.Parameter:
    """All parameters as one, of which they and their gradients become views: a step takes few calls."""
    parameters = [one for _, one in ordered(potential, muon)]
    flat = nn.Parameter(torch.cat([one.detach().flatten() for one in parameters]))
    flat.grad = torch.zeros_like(flat)
    sizes = [one.numel() for one in parameters]
    parts = zip(parameters, flat.detach().split(sizes), flat.grad.split(sizes), strict=True)
    for one, values, gradient in parts:
        one.data, one.grad = values.view(one.shape), gradient.view(one.shape)
    return flat


def fit(trainer: Trainer[Potential], task: Task, checkpoint: Path, key: str) -> None:
    """Train to the end of the settings' epochs or until the plateau schedule stops.

    Every random choice is a function of (seed, member, epoch): a resumed run makes the same ones.
    Raises InputError when the loss is no longer a number.
    """
    settings = task.settings
    batch_size = min(settings.batch_size, len(task.train))
    per_epoch = len(task.train) // batch_size  # full batches only; each epoch leaves out other frames
    n_steps = settings.epochs * per_epoch
    validate_every = per_epoch * epochs_between_validations(settings)
    trainer.potential.train()
    n_displaced = min(len(task.slopes), max(1, batch_size // 2)) if task.slopes else 0

    def batch_of(chosen: np.ndarray) -> Batch:
        batch = {name: value[chosen] for name, value in task.data.items()}
        if task.slopes:
            rng = np.random.default_rng((settings.seed, task.member, trainer.step, 1))
            batch |= task.slopes.draw(n_displaced, rng)
        return batch

    example = batch_of(task.train[:batch_size])
    loss_of = faster(task.loss, trainer.potential, example, n_steps)
    progress = Progress(task.label, n_steps)
    progress.resume_at(trainer.step)
    seconds_before, note = trainer.seconds, ""
    start = saved = time.monotonic()
    order = np.empty(0)
    while trainer.step < n_steps:
        epoch, batch_index = divmod(trainer.step, per_epoch)
        if batch_index == 0 or len(order) == 0:
            order = np.random.default_rng((settings.seed, task.member, epoch)).permutation(task.train)
        chosen = order[batch_index * batch_size : (batch_index + 1) * batch_size]
        rate = learning_rate(trainer, settings, n_steps)
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(batch_of(chosen))
        trainer.learn(loss)
        trainer.losses.append(loss.item())
        trainer.seconds = seconds_before + time.monotonic() - start
        if trainer.step % validate_every == 0 or trainer.step == n_steps:
            errors = validation_errors(trainer.averaged, task.data, task.validation, task.loss)
            if not math.isfinite(errors["loss"]):
                raise InputError(
                    f"{task.label}: loss became {errors['loss']}; "
                    "lower train.learning_rate or check the labels"
                )
            counts = {"epoch": epoch + 1, "step": trainer.step, "seconds": round(trainer.seconds, 1)}
            line = counts | {"learning_rate": rate, "train_loss": float(np.mean(trainer.losses))} | errors
            trainer.metrics += json.dumps(line) + "\n"
            shown = "forces_mae_meV_A" if "forces_mae_meV_A" in errors else "loss"
            note, trainer.losses = f"{shown} {errors[shown]:.4g}", []
            if stalled(trainer, errors["loss"], settings):
                break
        if time.monotonic() - saved > settings.checkpoint_interval_s:
            trainer.save(checkpoint, key)
            saved = time.monotonic()
        progress.advance(note=note)


def learning_rate(trainer: Trainer, settings: TrainSettings, n_steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero or the plateau schedule's rate."""
    warm = min(1.0, (trainer.step + 1) / WARMUP_STEPS)
    if settings.schedule == "plateau":
        return warm * trainer.rate
    return warm * settings.learning_rate * 0.5 * (1 + math.cos(math.pi * trainer.step / n_steps))


def epochs_between_validations(settings: TrainSettings) -> int:
    """The plateau schedule needs every epoch's loss."""
    return max(1, settings.epochs // N_VALIDATIONS) if settings.schedule == "cosine" else 1


def stalled(trainer: Trainer[Any], loss: float, settings: TrainSettings) -> bool:
    """Plateau schedule: keep the best weights, halve the rate when the loss stalls; True to stop training."""
    if settings.schedule != "plateau":
        return False
    if loss < trainer.best:
        trainer.best, trainer.epochs_since_best = loss, 0
        averaged = trainer.averaged.state_dict()
        trainer.best_weights = {name: value.clone() for name, value in averaged.items()}
        return False
    trainer.epochs_since_best += 1
    if trainer.epochs_since_best % settings.plateau_patience_epochs == 0:
        trainer.rate *= 0.5
    return trainer.epochs_since_best >= settings.early_stopping_epochs
