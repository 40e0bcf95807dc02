"""Training: a plain loop over shuffled batches, with EMA weights, checkpoints and resume."""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_masses
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from painn_spectra import keys
from painn_spectra.config import ModelSettings, TrainSettings
from painn_spectra.dataset import Frames, read_frames, read_split
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, content_hash, output_lock, write_text
from painn_spectra.model.checkpoint import load_model, save_model
from painn_spectra.model.normalise import label_spreads, set_offsets
from painn_spectra.model.potential import Potential
from painn_spectra.progress import Progress

WARMUP_STEPS = 100
N_VALIDATIONS = 100  # at most this many lines in metrics.jsonl of a cosine run
VALIDATION_BATCH = 64


def pick_device(name: str) -> str:
    """'auto' takes CUDA when there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device = 'cuda': no CUDA device here; use device: auto or cpu")
    return name


def pretrain_model(
    labels: Path,
    model: Path,
    metrics: Path,
    settings: TrainSettings,
    model_settings: ModelSettings,
    member: int = 0,
    charge: int = 0,
) -> None:
    """Stage: learn the cheap labels; the last 5 % of the frames validate."""
    frames = read_frames(labels)
    n_validation = max(1, len(frames) // 20)
    train, validation = (
        np.arange(len(frames) - n_validation),
        np.arange(len(frames) - n_validation, len(frames)),
    )
    settings = settings.model_copy(
        update={"epochs": settings.pretrain.epochs, "learning_rate": settings.pretrain.learning_rate,
                "schedule": "cosine"}
    )  # fmt: skip
    potential = new_potential(model_settings, charge, settings.seed + member)
    _run(
        potential,
        frames,
        train,
        validation,
        settings,
        member,
        model,
        metrics,
        content_hash(labels),
        "pre-training",
    )


def train_model(
    dataset: Path,
    split: Path,
    model: Path,
    metrics: Path,
    settings: TrainSettings,
    model_settings: ModelSettings,
    member: int = 0,
    start_from: Path | None = None,
    charge: int = 0,
) -> None:
    """Stage: train one ensemble member on the data set, from scratch or from another model's weights."""
    frames, parts = read_frames(dataset), read_split(split, dataset)
    inputs = content_hash(dataset) + content_hash(split)
    if start_from is None:
        potential = new_potential(model_settings, charge, settings.seed + member)
    else:
        potential = load_model(start_from)
        _check_start(potential, model_settings, frames, start_from)
        inputs += content_hash(start_from)
    train, validation = np.array(parts["train"]), np.array(parts["validation"])
    _run(potential, frames, train, validation, settings, member, model, metrics, inputs, "training")


def new_potential(settings: ModelSettings, charge: int, seed: int) -> Potential:
    """A potential with random weights drawn from `seed`."""
    torch.manual_seed(seed)
    return Potential(**settings.model_dump(), standard_masses_amu=atomic_masses, charge=charge)


def _check_start(potential: Potential, settings: ModelSettings, frames: Frames, source: Path) -> None:
    for name, value in settings.model_dump().items():
        if potential.architecture[name] != value:
            raise InputError(
                f"model.{name} = {value}: {source} has "
                f"{potential.architecture[name]}; use the same or train afresh"
            )
    unknown = set(frames.elements) - set(potential.metadata["elements"])
    if unknown:
        raise InputError(
            f"atomic numbers {sorted(unknown)} are unknown to {source}; pre-train on these elements too"
        )


@dataclass
class Trainer:
    """All that changes during training; `state_dict` holds it for an exact resume."""

    potential: Potential
    ema: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    rate: float = 0.0  # of the plateau schedule
    best: float = math.inf
    epochs_since_best: int = 0
    seconds: float = 0.0
    lines: str = ""  # metrics.jsonl so far
    best_weights: dict[str, Tensor] | None = None

    PLAIN = ("step", "rate", "best", "epochs_since_best", "seconds", "lines", "best_weights")

    def state_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.PLAIN}
        return plain | {
            "potential": self.potential.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in self.PLAIN:
            setattr(self, name, state[name])
        self.potential.load_state_dict(state["potential"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])


def _run(
    potential: Potential,
    frames: Frames,
    train: np.ndarray,
    validation: np.ndarray,
    settings: TrainSettings,
    member: int,
    model: Path,
    metrics: Path,
    inputs: str,
    label: str,
) -> None:
    """Fit and write the model; an interrupted fit with the same settings and inputs continues."""
    check_cutoff(frames, potential.architecture["cutoff_A"])
    device = pick_device(settings.device)
    known = frames.take(train)
    set_offsets(potential, known.numbers, known.labels)
    spreads = label_spreads(potential, known.numbers, known.labels)
    potential.to(device=device, dtype=torch.float32)
    ema = AveragedModel(potential, multi_avg_fn=_ema(settings.ema_decay), use_buffers=False)
    optimizer = torch.optim.AdamW(
        potential.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    trainer = Trainer(potential, ema, optimizer, rate=settings.learning_rate)
    key = json.dumps(
        [settings.model_dump(exclude={"checkpoint_interval_s"}), potential.architecture, member, inputs]
    )
    with output_lock(model):
        checkpoint = Path(f"{model}.parts/state.pt")
        _resume(trainer, checkpoint, key)
        tensors = _to_tensors(frames, device)
        _fit(trainer, tensors, train, validation, settings, member, spreads, checkpoint, key, label)
        weights = trainer.best_weights if settings.schedule == "plateau" else trainer.ema.module.state_dict()
        assert weights is not None
        potential.load_state_dict(weights)
        write_text(metrics, trainer.lines)
        save_model(
            model,
            potential,
            {
                "elements": frames.elements,
                "n_train": len(train),
                "settings": settings.model_dump(),
                "member": member,
                "seconds": round(trainer.seconds, 1),
                "validation": json.loads(trainer.lines.splitlines()[-1]),
            },
        )
        checkpoint.unlink(missing_ok=True)
        checkpoint.parent.rmdir()


def check_cutoff(frames: Frames, cutoff_A: float) -> None:
    """Raise InputError when the cutoff cuts a molecule into parts that do not see each other."""
    distances = np.linalg.norm(frames.positions[:, None] - frames.positions[:, :, None], axis=-1)  # Å
    real = frames.numbers > 0
    reach = (distances < cutoff_A) & real[:, None] & real[:, :, None]
    reached = np.zeros_like(real)
    reached[:, 0] = True
    for _ in range(frames.numbers.shape[1]):
        reached = (reach & reached[:, None]).any(2)
    lost = np.flatnonzero((reached != real).any(1))
    if len(lost):
        raise InputError(
            f"model.cutoff_A = {cutoff_A:g}: splits frame {lost[0]} into parts that do not interact; "
            "enlarge the cutoff or remove the dissociated frame"
        )


def _to_tensors(frames: Frames, device: str) -> dict[str, Tensor]:
    single = torch.float32
    tensors = {
        name: torch.as_tensor(value, device=device, dtype=single) for name, value in frames.labels.items()
    }
    tensors[keys.ENERGY] = torch.as_tensor(frames.labels[keys.ENERGY], device=device)  # float64: −4215 eV
    tensors[keys.NUMBERS] = torch.as_tensor(frames.numbers, device=device)
    tensors[keys.POSITIONS] = torch.as_tensor(frames.positions, device=device, dtype=single)
    return tensors


def _fit(
    trainer: Trainer,
    data: dict[str, Tensor],
    train: np.ndarray,
    validation: np.ndarray,
    settings: TrainSettings,
    member: int,
    spreads: dict[str, float],
    checkpoint: Path,
    key: str,
    label: str,
) -> None:
    per_epoch = -(-len(train) // settings.batch_size)
    n_steps = settings.epochs * per_epoch
    validate_every = per_epoch * (
        max(1, settings.epochs // N_VALIDATIONS) if settings.schedule == "cosine" else 1
    )
    weights = settings.loss.model_dump()
    progress = Progress(label, n_steps)
    progress.resume_at(trainer.step)
    start = saved = time.monotonic()
    seconds_before, note, total = trainer.seconds, "", 0.0
    trainer.potential.train()
    while trainer.step < n_steps:
        epoch, batch_index = divmod(trainer.step, per_epoch)
        if batch_index == 0 or trainer.step == progress.first:
            order = np.random.default_rng((settings.seed, member, epoch)).permutation(train)
        batch = order[batch_index * settings.batch_size : (batch_index + 1) * settings.batch_size]
        rate = _learning_rate(trainer, settings, n_steps)
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate
        loss = _loss(
            trainer.potential, {name: value[batch] for name, value in data.items()}, weights, spreads
        )
        trainer.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainer.potential.parameters(), settings.gradient_clip)
        trainer.optimizer.step()
        trainer.ema.update_parameters(trainer.potential)
        trainer.step += 1
        total += loss.item()
        if trainer.step % validate_every == 0 or trainer.step == n_steps:
            trainer.seconds = seconds_before + time.monotonic() - start
            errors = _validate(trainer, data, validation, spreads, weights)
            if not math.isfinite(errors["loss"]):
                raise InputError(
                    f"{label}: loss became {errors['loss']}; lower train.learning_rate or check the labels"
                )
            line = {
                "epoch": epoch + 1,
                "step": trainer.step,
                "learning_rate": rate,
                "train_loss": total / validate_every,
                "seconds": round(trainer.seconds, 1),
                **errors,
            }
            trainer.lines += json.dumps(line) + "\n"
            note, total = f"force MAE {errors['forces_mae_meV_A']:.1f} meV/Å", 0.0
            if settings.schedule == "plateau" and _plateau(trainer, errors["loss"], settings):
                break
        if time.monotonic() - saved > settings.checkpoint_interval_s:
            trainer.seconds = seconds_before + time.monotonic() - start
            saved = time.monotonic()
            with atomic_path(checkpoint) as temporary:
                torch.save({"key": key, "trainer": trainer.state_dict()}, temporary)
        progress.advance(note=note)


def _ema(decay: float) -> Any:
    """Exponential moving average with a short memory at first, so that brief trainings leave their start."""

    def update(averaged: list[Tensor], current: list[Tensor], n_averaged: Tensor) -> None:
        step = int(n_averaged)
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + step) / (10 + step)))

    return update


def _learning_rate(trainer: Trainer, settings: TrainSettings, n_steps: int) -> float:
    warm = min(1.0, (trainer.step + 1) / WARMUP_STEPS)
    if settings.schedule == "plateau":
        return warm * trainer.rate
    return warm * settings.learning_rate * 0.5 * (1 + math.cos(math.pi * trainer.step / n_steps))


def _plateau(trainer: Trainer, loss: float, settings: TrainSettings) -> bool:
    """Keep the best weights, halve the rate when the loss stalls; True when training should stop."""
    if loss < trainer.best:
        trainer.best, trainer.epochs_since_best = loss, 0
        trainer.best_weights = {
            name: value.clone() for name, value in trainer.ema.module.state_dict().items()
        }
        return False
    trainer.epochs_since_best += 1
    if trainer.epochs_since_best % settings.plateau_patience_epochs == 0:
        trainer.rate *= 0.5
    return trainer.epochs_since_best >= settings.early_stopping_epochs


def _loss(
    potential: Potential, batch: dict[str, Tensor], weights: dict[str, float], spreads: dict[str, float]
) -> Tensor:
    """Σ weight · mean square error in units of the label spread."""
    wanted = tuple(name for name in keys.PROPERTIES if weights[name] > 0)
    predicted = potential(batch[keys.NUMBERS], batch[keys.POSITIONS], wanted)
    n_real = (batch[keys.NUMBERS] > 0).sum()
    loss = torch.zeros((), device=n_real.device)
    for name in wanted:
        squared = ((predicted[name] - batch[name]) / spreads[name]).square()
        mean = squared.sum() / (3 * n_real) if name == keys.FORCES else squared.mean()
        loss = loss + weights[name] * mean.float()
    return loss


def _validate(
    trainer: Trainer,
    data: dict[str, Tensor],
    index: np.ndarray,
    spreads: dict[str, float],
    weights: dict[str, float],
) -> dict[str, float]:
    """Loss and component-wise MAE of the EMA weights, in stored units' shown form."""
    potential = trainer.ema.module
    potential.eval()
    sums = dict.fromkeys(keys.PROPERTIES, 0.0)
    loss = 0.0
    for first in range(0, len(index), VALIDATION_BATCH):
        batch = {name: value[index[first : first + VALIDATION_BATCH]] for name, value in data.items()}
        share = len(batch[keys.NUMBERS]) / len(index)
        predicted = potential(batch[keys.NUMBERS], batch[keys.POSITIONS])
        for name in keys.PROPERTIES:
            error = predicted[name] - batch[name]
            if name == keys.FORCES:
                error = error[batch[keys.NUMBERS] > 0]
            sums[name] += share * float(error.abs().mean())
            loss += share * weights[name] * float((error / spreads[name]).square().mean())
    potential.train()
    shown = {f"{name}_mae_{_plain(name)}": sums[name] * keys.SHOWN_UNITS[name][1] for name in keys.PROPERTIES}
    return {"loss": loss} | shown


def _plain(name: str) -> str:
    return {"meV": "meV", "meV/Å": "meV_A", "e·Å": "eA", "Å³": "A3"}[keys.SHOWN_UNITS[name][0]]


def _resume(trainer: Trainer, checkpoint: Path, key: str) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if not checkpoint.is_file():
        return
    saved = torch.load(checkpoint, weights_only=True)
    if saved["key"] == key:
        trainer.load_state_dict(saved["trainer"])
        print(f"resuming {checkpoint} at step {trainer.step}")
