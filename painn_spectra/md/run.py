"""The stage `md`: starts, equilibration and production of a trained model, joined into trajectory.h5."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_masses
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.ase import check_elements
from painn_spectra.config import DynamicsSettings, Isotopes
from painn_spectra.dataset import labelled_geometries
from painn_spectra.errors import InputError
from painn_spectra.files import content_hash, open_parts, output_lock, write_json
from painn_spectra.isotopes import isotopic_masses
from painn_spectra.md.block import Block, Lengths, lengths
from painn_spectra.md.excursions import excursions
from painn_spectra.md.limits import check_fastest_vibration
from painn_spectra.md.mode_energies import add_mode_energies
from painn_spectra.md.segments import join, segment_attributes
from painn_spectra.md.starts import find_starts
from painn_spectra.md.state import degrees_of_freedom
from painn_spectra.md.statistics import trajectory_statistics
from painn_spectra.md.sufficiency import further_conformers, largest_area_error, next_count
from painn_spectra.md.workers import Load, run_blocks, single_thread
from painn_spectra.model.checkpoint import check_learnt, load_model
from painn_spectra.model.device import pick_device
from painn_spectra.normal_modes import is_linear
from painn_spectra.plan import BLOCK_REPLICAS, STAGE_VERSION
from painn_spectra.progress import Progress

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

WITHOUT_INFLUENCE = {  # on the samples' values
    "production_ps", "checkpoint_interval_ps", "device", "until_relative_error", "max_replicas",
}  # fmt: skip


def run_dynamics(
    model: Path,
    dataset: Path,
    trajectory: Path,
    report: Path,
    settings: DynamicsSettings,
    molecule: str,
    dynamics: str,
    temperature_K: float,
    isotopes: Isotopes | str,
    threads: int | None = None,
    load: Load = load_model,
    first_member: Path | None = None,
) -> None:
    """Write `trajectory` (keys.py names its content) and `report`; go on where an earlier run stopped.

    isotopes: see `isotopic_masses`. threads: worker processes, default as many as torch uses threads.
    load: opens the model file; any potential of the same interface may stand in. first_member: another model
    of the ensemble, whose starts these shall be as far as the models agree.
    """
    began = time.perf_counter()
    if dynamics != "classical":
        raise InputError(f"dynamics = {dynamics!r}: not known; use 'classical'")
    for path in (model, *([first_member] if first_member else [])):
        if not path.is_file():
            raise InputError(
                f"{path}: no such model file; train one with 'snakemake train' or correct the path"
            )
    with output_lock(trajectory):
        numbers, frames = labelled_geometries(dataset)
        masses = isotopic_masses(numbers, frames[0], isotopes)  # (n_atoms,) | amu
        device = pick_device(settings.device)

        parts = Path(f"{trajectory}.parts")
        open_parts(
            parts,
            {
                "format_version": keys.TRAJECTORY_VERSION,
                "stage_version": STAGE_VERSION["md"],
                "model": content_hash(model),
                "dataset": content_hash(dataset),
                "dynamics": dynamics,
                "temperature_K": temperature_K,
                "masses_amu": masses.tolist(),
                "settings": settings.model_dump(exclude=WITHOUT_INFLUENCE),
                **({"first_member": content_hash(first_member)} if first_member else {}),
            },
        )
        starts_file = parts / "starts.json"
        if not starts_file.exists():
            found: dict[str, Any] = {}
            for path in filter(None, (first_member, model)):
                potential = load(path, device).double().eval()  # Hessians by differences need float64
                check_elements(potential, numbers)
                check_learnt(potential, keys.PROPERTIES, path)
                with single_thread():
                    found = find_starts(
                        potential, numbers, masses, frames, temperature_K, settings.n_replicas,
                        settings.seed, found.get("conformers"),
                    )  # fmt: skip
            write_json(starts_file, found)
        starts = json.loads(starts_file.read_text(encoding="utf-8"))
        check_fastest_vibration(settings, starts["conformers"])
        plan = lengths(settings)
        attributes: dict[str, Any] = {
            "format_version": keys.TRAJECTORY_VERSION,
            "molecule": molecule,
            "dynamics": dynamics,
            "temperature_K": temperature_K,
            "integrator_timestep_fs": settings.timestep_fs,
            "sample_interval_fs": plan.sample_interval_fs,
            "sparse_stride": plan.sparse_stride,
            "numbers": numbers,
            "masses_amu": masses,
            "settings": settings.model_dump_json(),
        }
        blocks: list[Block] = []
        error, wanted = None, settings.n_replicas
        while True:  # once, or until the errors are small enough: a rerun passes through the same numbers
            done = sum(len(block.replicas) for block in blocks)
            if wanted > len(starts["replicas"]):
                weights = np.array([conformer["weight"] for conformer in starts["conformers"]])
                further = further_conformers(weights, settings.n_replicas, wanted, settings.seed)
                starts["replicas"] = starts["replicas"][: settings.n_replicas] + further
            everyone = range(done, wanted)
            new = split_into_blocks(parts, numbers, masses, starts, settings, temperature_K, device, everyone)
            n_workers = min(threads or torch.get_num_threads(), len(new))
            run_with_progress(new, plan, model, load, n_workers, f"{molecule} {dynamics}")
            blocks += new
            attributes["degrees_of_freedom"] = blocks[0].degrees_of_freedom
            attributes["starts"] = json.dumps(starts)
            folders = [block.folder for block in blocks]
            join(trajectory, folders, plan.samples, plan.sparse_stride, attributes, add_mode_energies)
            if settings.until_relative_error is None:
                break
            error = largest_area_error(trajectory)
            wanted = next_count(
                len(starts["replicas"]), error, settings.until_relative_error, settings.max_replicas
            )
            if wanted == len(starts["replicas"]):
                break
        ends = [end for block in blocks for end in segment_attributes(block.folder)]
        result = {
            "molecule": molecule,
            "dynamics": dynamics,
            "temperature_K": temperature_K,
            "timestep_fs": settings.timestep_fs,
            "rotation": settings.rotation,
            **(
                {}
                if error is None
                else {"largest_relative_area_error": error if np.isfinite(error) else None}
            ),
            **trajectory_statistics(trajectory),
            # one core, one step of all replicas; earlier, interrupted runs count
            "seconds_per_step": sum(seconds for _, seconds in ends) / max(step for step, _ in ends),
            "total_seconds": time.perf_counter() - began,
        }
        metadata = getattr(load(model, "cpu"), "metadata", {})
        write_json(report, result | excursions(trajectory, metadata))


def split_into_blocks(
    parts: Path,
    numbers: Integers,
    masses_amu: Array,
    starts: dict[str, Any],
    settings: DynamicsSettings,
    temperature_K: float,
    device: str,
    everyone: range,
) -> list[Block]:
    """The replicas `everyone` in blocks, each with a folder of its own: a few per core, all on a GPU."""
    geometries = np.array([starts["conformers"][i]["positions"] for i in starts["replicas"]])
    linear = is_linear(geometries[0], masses_amu)
    size = BLOCK_REPLICAS if device == "cpu" else len(everyone)
    return [
        Block(
            folder=parts / f"{rows[0]:04d}-{rows[-1]:04d}",
            replicas=tuple(rows),
            numbers=numbers,
            masses_amu=masses_amu,
            standard_masses_amu=atomic_masses[numbers],
            starts=geometries[rows.start : rows.stop],
            linear=linear,
            degrees_of_freedom=degrees_of_freedom(len(numbers), linear, settings.rotation == "removed"),
            settings=settings,
            temperature_K=temperature_K,
            device=device,
        )
        for rows in (everyone[i : i + size] for i in range(0, len(everyone), size))
    ]


def run_with_progress(
    blocks: Sequence[Block], plan: Lengths, model: Path, load: Load, n_workers: int, label: str
) -> None:
    """Run the blocks and show how many steps of all are done."""
    done = {
        number: min(plan.total_steps, max((step for step, _ in segment_attributes(block.folder)), default=0))
        for number, block in enumerate(blocks)
    }
    progress = Progress(label, plan.total_steps * len(blocks))
    progress.resume_at(sum(done.values()))

    def advance(number: int, step: int, note: str) -> None:
        progress.advance(step - done[number], note)
        done[number] = step

    run_blocks(blocks, model, load, n_workers, advance)
