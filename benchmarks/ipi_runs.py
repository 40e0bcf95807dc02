"""TRPMD by i-PI, this process being its force client: `ipi_comparison.py` says for what."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ase.calculators.socketio import actualunixsocketname
from ase.data import chemical_symbols
from numpy.typing import NDArray

from painn_spectra.files import content_hash, open_parts, output_lock
from painn_spectra.ipi import run_driver
from painn_spectra.settings.dynamics import DynamicsSettings

START_S = 120.0  # until i-PI listens
CELL = "# CELL(abcABC): 60 60 60 90 90 90 positions{angstrom} cell{angstrom}"
INPUT = """<simulation verbosity='low'>
<output prefix='{stage}'>
<properties stride='{interval}' filename='out'>
[ potential{{electronvolt}}, kinetic_cv{{electronvolt}} ]
</properties>
<trajectory stride='{interval}' filename='dipole' extra_type='dipole'> extras </trajectory>
<checkpoint stride='{steps}' filename='end' overwrite='True'/>
</output>
<total_steps>{steps}</total_steps>
<prng><seed>{seed}</seed></prng>
<ffsocket name='model' mode='unix' pbc='False'><address>{address}</address></ffsocket>
<system>
<initialize nbeads='{beads}'>{start}</initialize>
<forces><force forcefield='model'/></forces>
<motion mode='dynamics'><fixcom>True</fixcom>
<dynamics mode='nvt'><timestep units='femtosecond'>{timestep_fs}</timestep>
<thermostat mode='pile_l'>
<tau units='femtosecond'>{tau_fs}</tau><pile_lambda>{damping}</pile_lambda>
</thermostat>
</dynamics></motion>
<ensemble><temperature units='kelvin'>{temperature_K}</temperature></ensemble>
</system></simulation>
"""
AT_REST_FS = 1e9  # the centroid's thermostat needs a time: one that never comes


def run_ipi(
    program: Path,
    model: Path,
    trajectory: Path,
    parts: Path,
    settings: DynamicsSettings,
    n_beads: int,
    temperature_K: float,
) -> list[Path]:
    """Folders of i-PI's runs (`trpmd.out`, `trpmd.dipole_*`), as many and started as in `trajectory`.

    PIMD with the friction of `settings` from the same minimum, then TRPMD of the same length. A folder
    appears when its run is finished and stays while model, settings and starts do.
    """
    with h5py.File(trajectory) as file:
        starts = json.loads(file.attrs["starts"])
        numbers, masses_amu = file.attrs["numbers"], file.attrs["masses_amu"]
    folders = [parts / f"{run:02d}" for run in range(settings.n_replicas)]
    with output_lock(parts):
        open_parts(
            parts,
            {
                "model": content_hash(model),
                "starts": starts,
                "settings": settings.model_dump(mode="json"),
                "n_beads": n_beads,
                "temperature_K": temperature_K,
            },
        )
        for run, folder in enumerate(folders):
            if folder.exists():
                continue
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            minimum = np.array(starts["conformers"][starts["replicas"][run]]["positions"])  # (n_atoms, 3) | Å
            write_start(unfinished / "start.xyz", numbers, minimum)
            common = {
                "beads": n_beads,
                "temperature_K": temperature_K,
                "timestep_fs": settings.timestep_fs,
                "interval": settings.record_interval_steps,
            }
            sampling = {
                "tau_fs": 1e3 / settings.friction_per_ps,
                "damping": 1.0,
                "start": f"<file mode='xyz'>start.xyz</file><masses mode='manual' units='dalton'>"
                f"{masses_amu.tolist()}</masses><velocities mode='thermal' units='kelvin'>{temperature_K}"
                "</velocities>",
            }
            trpmd = {
                "tau_fs": AT_REST_FS,
                "damping": settings.trpmd_lambda,
                "start": "<file mode='chk'>pimd.end</file>",
            }
            for number, (stage, length_ps, own) in enumerate(
                [("pimd", settings.equilibration_ps, sampling), ("trpmd", settings.production_ps, trpmd)]
            ):
                print(f"i-PI, run {run + 1} of {len(folders)}: {stage}", file=sys.stderr, flush=True)
                steps = round(1e3 * length_ps / settings.timestep_fs)
                seed = 1 + number + 2 * (run + len(folders) * settings.seed)
                one_run(program, model, unfinished, stage, {"steps": steps, "seed": seed, **common, **own})
            unfinished.rename(folder)
    return folders


def write_start(path: Path, numbers: NDArray[np.int64], positions: NDArray[np.float64]) -> None:
    """An xyz file with a cell, as i-PI wants it."""
    rows = [f"{chemical_symbols[z]} {x} {y} {w}" for z, (x, y, w) in zip(numbers, positions, strict=True)]
    path.write_text("\n".join([str(len(rows)), CELL, *rows]) + "\n", encoding="utf-8")


def one_run(program: Path, model: Path, folder: Path, stage: str, values: dict[str, Any]) -> None:
    """One i-PI in `folder` from its input to its end."""
    address = f"painn-{os.getpid()}-{folder.stem}-{stage}"
    listens, log = Path(actualunixsocketname(address)), folder / f"{stage}.log"
    told = INPUT.format(stage=stage, address=address, **values)
    (folder / f"{stage}.xml").write_text(told, encoding="utf-8")
    with log.open("w") as words:
        server = subprocess.Popen(
            [program.absolute(), f"{stage}.xml"], cwd=folder, stdout=words, stderr=subprocess.STDOUT
        )
        try:
            began = time.monotonic()
            while not listens.exists() and server.poll() is None:
                if time.monotonic() - began > START_S:
                    raise SystemExit(f"{log}: i-PI does not listen after {START_S:g} s")
                time.sleep(0.2)
            if server.poll() is None:
                run_driver(model, folder / "start.xyz", unix=address)
            if server.wait(timeout=60):
                raise SystemExit(f"{log}: i-PI failed; its last words are there")
        finally:
            server.kill()
            listens.unlink(missing_ok=True)
