"""The stage `md`: starts, equilibration and production of a trained model, joined into trajectory.h5."""

import contextlib
import functools
import json
import re
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
from painn_spectra.dataset import labelled_geometries
from painn_spectra.errors import InputError
from painn_spectra.files import content_hash, open_parts, output_lock, read_object, write_json
from painn_spectra.isotopes import isotopic_masses
from painn_spectra.kinds import beads_of, block_replicas, dynamics_settings
from painn_spectra.md.block import Block, Lengths, lengths
from painn_spectra.md.excursions import excursions
from painn_spectra.md.guards import stopped_in
from painn_spectra.md.limits import check_fastest_vibration, check_ring_polymer
from painn_spectra.md.mode_energies import add_mode_energies
from painn_spectra.md.segments import join, segment_attributes
from painn_spectra.md.spread import ensemble_spread
from painn_spectra.md.starts import find_starts
from painn_spectra.md.state import degrees_of_freedom
from painn_spectra.md.statistics import trajectory_statistics
from painn_spectra.md.sufficiency import further_conformers, largest_area_error, next_count
from painn_spectra.md.workers import Load, run_blocks, single_thread
from painn_spectra.model.checkpoint import check_learnt, load_model
from painn_spectra.model.device import pick_device
from painn_spectra.model.total import load_total
from painn_spectra.normal_modes import is_linear
from painn_spectra.plan import STAGE_VERSION
from painn_spectra.progress import Progress
from painn_spectra.settings.base import DYNAMICS
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.settings.molecule import Isotopes
from painn_spectra.split import read_split
from painn_spectra.trained_range import Bounds, bounds_of

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

WITHOUT_INFLUENCE = {  # on the samples' values
    "production_ps", "checkpoint_interval_ps", "device", "until_relative_error", "max_replicas",
    "replicas_per_job",
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
    group: int | None = None,
    correction: tuple[Path, Path] | None = None,
    split: Path | None = None,
) -> None:
    """Write `trajectory` (keys.py names its content) and `report`; go on where an earlier run stopped.

    group: only the replicas of this share of `md.replicas_per_job`, from 0; they stay beside `trajectory`,
    for a run without it to join, and `report` tells which they were.

    isotopes: see `isotopic_masses`. threads: worker processes, default as many as torch uses threads.
    load: opens the model file; any potential of the same interface may stand in. first_member: another model
    of the ensemble, whose starts these shall be as far as the models agree. split: of `dataset`; the report
    then tells how far the two models disagree along the run, and on the test frames. correction: of tepigs,
    the model of the difference, which is added to the other, and the centroids that it was trained on.
    """
    began = time.perf_counter()
    if not re.match(DYNAMICS, dynamics):
        raise InputError(f"dynamics = {dynamics!r}: not known; use 'classical', 'rpmd', 'trpmd' or 'tepigs'")
    if (dynamics == "tepigs") != (correction is not None):
        raise InputError(
            f"dynamics = {dynamics!r}: a correction is trained for tepigs and for nothing else; "
            "run 'snakemake md', or give --correction MODEL CENTROIDS with tepigs"
        )
    for path in (model, *([first_member] if first_member else []), *(correction or ())):
        if not path.is_file():
            raise InputError(
                f"{path}: no such model file; train one with 'snakemake train' or correct the path"
            )
    parts = Path(f"{trajectory}.parts")
    with output_lock(trajectory if group is None else report), contextlib.ExitStack() as starting:
        numbers, frames = labelled_geometries(dataset)
        masses = isotopic_masses(numbers, frames[0], isotopes)  # (n_atoms,) | amu
        device = pick_device(settings.device)
        load_member, summed = load, [load(model, "cpu")]
        if correction:
            summed.append(load_model(correction[0]))
            load = functools.partial(load_total, load=load, correction=correction[0])
        bounds = bounds_of(summed, numbers)

        starting.enter_context(output_lock(parts, wait=True))  # the first of several jobs makes all starts
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
                "settings": {
                    name: value
                    for name, value in dynamics_settings(dynamics, settings).items()
                    if name not in WITHOUT_INFLUENCE
                },
                **({"first_member": content_hash(first_member)} if first_member else {}),
                **({"correction": content_hash(correction[0])} if correction else {}),
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
        starting.close()
        starts = read_object(starts_file, "conformers", "replicas")
        check_fastest_vibration(settings, starts["conformers"])
        check_ring_polymer(settings, beads_of(dynamics, settings), temperature_K)
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
        if group is not None:
            size = settings.replicas_per_job or settings.n_replicas
            share = range(group * size, min((group + 1) * size, settings.n_replicas))
            if not share:
                raise InputError(
                    f"--group {group}: md.n_replicas = {settings.n_replicas} in jobs of {size} end before "
                    f"it; count from 0 to {(settings.n_replicas - 1) // size}"
                )
            mine = split_into_blocks(
                parts, numbers, masses, starts, settings, temperature_K, device, share, dynamics, bounds
            )
            n_workers = min(threads or torch.get_num_threads(), len(mine))
            run_with_progress(mine, plan, model, load, n_workers, f"{molecule} {dynamics} {group:04d}")
            write_json(report, {"replicas": [share[0], share[-1]]})
            return
        blocks: list[Block] = []
        error, wanted = None, settings.n_replicas
        while True:  # once, or until the errors are small enough: a rerun passes through the same numbers
            done = sum(len(block.replicas) for block in blocks)
            if wanted > len(starts["replicas"]):
                weights = np.array([conformer["weight"] for conformer in starts["conformers"]])
                further = further_conformers(weights, settings.n_replicas, wanted, settings.seed)
                starts["replicas"] = starts["replicas"][: settings.n_replicas] + further
            everyone = range(done, wanted)
            new = split_into_blocks(
                parts, numbers, masses, starts, settings, temperature_K, device, everyone, dynamics, bounds
            )  # fmt: skip
            n_workers = min(threads or torch.get_num_threads(), len(new))
            run_with_progress(new, plan, model, load, n_workers, f"{molecule} {dynamics}")
            blocks += new
            attributes["degrees_of_freedom"] = blocks[0].degrees_of_freedom
            folders = [block.folder for block in blocks]
            stopped = {replica: told for folder in folders for replica, told in stopped_in(folder).items()}
            kept = [replica for replica in range(wanted) if replica not in stopped]
            attributes["stopped"] = np.array(sorted(stopped), dtype=int)
            attributes["starts"] = json.dumps(
                starts | {"replicas": [starts["replicas"][replica] for replica in kept]}
            )
            join(trajectory, folders, plan.samples, plan.sparse_stride, attributes, add_mode_energies)
            if settings.until_relative_error is None:
                break
            error = largest_area_error(trajectory)
            wanted = next_count(
                len(starts["replicas"]), error, settings.until_relative_error, settings.max_replicas
            )
            if wanted == len(starts["replicas"]):
                if not np.isfinite(error):
                    print(f"{molecule}: no infrared band, no error to stop by; {wanted} replicas it stays")
                break
        spread: dict[str, Any] = {}
        if first_member and split:
            members = [load_member(path, "cpu").eval() for path in (first_member, model)]
            test = frames[read_split(split, dataset)["test"]]
            spread = ensemble_spread(folders, members, numbers, test, plan, settings.timestep_fs)
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
            "n_stopped": len(stopped),
            "stopped": [{"replica": replica, **told} for replica, told in sorted(stopped.items())],
            **excursions(trajectory, bounds),
            **spread,
            # one core, one step of all replicas; earlier, interrupted runs count
            "seconds_per_step": sum(seconds for _, seconds in ends) / max(step for step, _ in ends),
            "total_seconds": time.perf_counter() - began,
        }
        write_json(report, result)


def split_into_blocks(
    parts: Path,
    numbers: Integers,
    masses_amu: Array,
    starts: dict[str, Any],
    settings: DynamicsSettings,
    temperature_K: float,
    device: str,
    everyone: range,
    dynamics: str,
    bounds: Bounds | None,
) -> list[Block]:
    """The replicas `everyone` in blocks, each with a folder of its own: a few per core, all on a GPU."""
    geometries = np.array([starts["conformers"][i]["positions"] for i in starts["replicas"]])
    linear = is_linear(geometries[0], masses_amu)
    size = settings.replicas_per_job or len(everyone)
    if device == "cpu":
        size = block_replicas(dynamics, settings)
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
            dynamics=dynamics,
            bounds=bounds,
            n_in_run=len(geometries),
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
    waiting = True

    def advance(number: int, step: int, note: str) -> None:
        nonlocal waiting
        amount, done[number] = step - done[number], step
        if waiting:  # the first steps came after the loops had been compiled
            progress.at_work(amount)
            amount, waiting = 0, False
        progress.advance(amount, note)

    run_blocks(blocks, model, load, n_workers, advance)
