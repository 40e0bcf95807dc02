"""The stage that labels one chunk of geometries, frame by frame, through a store that loses nothing."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write

from painn_spectra import keys
from painn_spectra.dataset import LABEL_KEYS, labelled_atoms, read_atoms
from painn_spectra.derivative_labels import COLUMNS
from painn_spectra.errors import InputError
from painn_spectra.files import atomic_path, output_lock, write_json
from painn_spectra.first_frame import check_electrons
from painn_spectra.gathering import FAILED_FRACTION
from painn_spectra.processes import finished_jobs
from painn_spectra.progress import Progress
from painn_spectra.reference import dft
from painn_spectra.reference.label import check_method, compute_label, describe
from painn_spectra.settings.molecule import Method
from painn_spectra.stages import LabelStage

LIGHTEST_CORE = 36  # def2 sets have core potentials beyond krypton
STORE_VERSION = 1  # raise it when the same settings give other labels


@dft.labelling_environment()
def label_chunk(
    geometries: Path, output: Path, failures: Path, settings: LabelStage, store: Path, threads: int = 1
) -> None:
    """Stage: label the frames of `settings.chunk` and write those that converged, in order, to `output`.

    With a part of `settings.properties` only these are computed; the other labels that frames bring stay.

    Each label goes to `store` as soon as it is there, under the hash of geometry and level of theory: a
    killed run, a grown set or another entry with the same frame computes nothing twice. `failures` lists
    frames left out. `threads` frames are labelled at a time, each by a process with one thread: two threads
    on one frame gain less than two frames at once.
    Raises InputError when more than 5 % of all frames do not converge.
    """
    everything = read_atoms(geometries) if geometries.stat().st_size else []
    first = settings.chunk * settings.chunk_frames
    chunk = everything[first : first + settings.chunk_frames]
    method, state = settings.method, (settings.charge, settings.multiplicity)
    properties = settings.properties
    for atoms in chunk:
        check_electrons(atoms.numbers.tolist(), *state, str(geometries))
    if chunk:
        check_method(method, np.concatenate([atoms.numbers for atoms in chunk]))
    levels = [(atoms, method, *state, properties) for atoms in chunk]
    plain = [store_key(*level) for level in levels]
    slopes = [with_derivatives(settings.derivatives_fraction, key) for key in plain]
    more = [store_key(*level, derivatives=True) for level in levels]
    files = [stored_file(store, *of_frame) for of_frame in zip(plain, more, slopes, strict=True)]
    failed: dict[int, str] = {}
    with output_lock(output):
        missing = [k for k, file in enumerate(files) if not file.is_file()]
        progress = Progress(f"labels {settings.chunk:04d}", max(len(chunk), 1))
        progress.resume_at(len(chunk) - len(missing))
        arguments = {k: (*levels[k], slopes[k]) for k in missing}
        for k, job in finished_jobs(labelled, arguments, threads, "labelling"):
            try:
                frame = job.result()
                with atomic_path(files[k]) as temporary:
                    write(temporary, frame, format="extxyz")
                progress.advance(note=f"{frame.info['seconds']:.1f} s a frame")
            except InputError as error:
                failed[first + k] = str(error)
                progress.advance(note=f"frame {first + k} left out")
            if len(failed) > max(1, FAILED_FRACTION * len(everything)):
                frame_number, reason = next(iter(failed.items()))
                raise InputError(
                    f"{geometries}: {len(failed)} of {len(everything)} frames could not be labelled, more "
                    f"than {100 * FAILED_FRACTION:g} %; frame {frame_number}: {reason}"
                )
        whole = [
            with_stored(chunk[k], read_atoms(file)[0])
            for k, file in enumerate(files)
            if first + k not in failed
        ]
        with atomic_path(output) as temporary:
            temporary.touch()
            write(temporary, whole, format="extxyz")
        write_json(failures, {"n_frames": len(chunk), "failed": {str(k): text for k, text in failed.items()}})
    if failed:
        print(f"left out: {', '.join(f'frame {k} ({text})' for k, text in sorted(failed.items()))}")


def with_derivatives(fraction: float, key: str) -> bool:
    """Whether the frame of this key in the store is among those that get ∂μ/∂r and ∂α/∂r.

    By chance, but the same frames whatever else is labelled, and all of a smaller fraction's.
    """
    return int(key, 16) < fraction * 16 ** len(key)


def stored_file(store: Path, plain_key: str, key_with_derivatives: str, derivatives: bool) -> Path:
    """Where the store keeps a label. One with derivatives, where it is there, serves also without."""
    plain, more = (store / key[:2] / f"{key}.extxyz" for key in (plain_key, key_with_derivatives))
    return more if derivatives or (more.is_file() and not plain.is_file()) else plain


def store_key(
    atoms: Atoms,
    method: Method,
    charge: int,
    multiplicity: int,
    properties: tuple[str, ...],
    derivatives: bool = False,
) -> str:
    """Hash of a geometry (to 1e-8 Å) and of all that its labels depend on."""
    level: dict[str, Any] = {"version": STORE_VERSION, "charge": charge, "multiplicity": multiplicity}
    level["properties"] = properties
    if derivatives:
        level["derivatives"] = True
    if atoms.numbers.max() > LIGHTEST_CORE and method.program != "gfn2-xtb":
        level["core_potentials"] = True  # of basis sets that stand on them; earlier labels had none
    if method.program == "gfn2-xtb":
        level["program"] = method.program  # functional and basis mean nothing to it
    else:
        level |= method.model_dump()
        for key in ("functional", "basis", "polarizability_basis"):
            level[key] = str(level[key]).lower()
    content = hashlib.sha256(json.dumps(level, sort_keys=True).encode())
    content.update(atoms.numbers.astype("<i8").tobytes())
    content.update(np.round(atoms.positions * 1e8).astype("<i8").tobytes())
    return content.hexdigest()[:32]


def with_stored(original: Atoms, stored: Atoms) -> Atoms:
    """A frame of the set with the labels, and their origin, of the store, which knows geometries only."""
    frame = original.copy()
    frame.info |= stored.info
    for tensor, derivative in keys.DERIVATIVES.items():
        if LABEL_KEYS[tensor] in stored.info:
            frame.arrays.pop(COLUMNS[derivative], None)  # of another level of theory
    for name, values in stored.arrays.items():
        if name not in ("numbers", "positions"):
            frame.arrays[name] = values
    return frame


def labelled(
    atoms: Atoms,
    method: Method,
    charge: int,
    multiplicity: int,
    properties: tuple[str, ...],
    derivatives: bool,
) -> Atoms:
    """The geometry with its REF_ labels, level of theory and seconds."""
    started = time.perf_counter()
    labels = compute_label(
        atoms.numbers, atoms.positions, method, charge, multiplicity, properties, derivatives
    )
    seconds = round(time.perf_counter() - started, 1)
    words = describe(method, multiplicity)
    if properties == keys.PROPERTIES:
        info: dict[str, Any] = {"REF_method": words, "seconds": seconds}
    else:
        info = {f"REF_method_{name}": words for name in properties} | {"seconds": seconds}
    if charge or multiplicity != 1:
        info |= {"charge": charge, "multiplicity": multiplicity}
    return labelled_atoms(atoms.numbers, atoms.positions, labels, info)
