"""LAMMPS and the model as two clients of one i-PI run: the potential is the sum of both."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE, STDOUT

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write
from small_model import write_model
from toy_potentials import GEOMETRIES

from painn_spectra.ase import PaiNNCalculator

LAMMPS = next(filter(None, map(shutil.which, ("lmp", "lammps"))), None)
N_STEPS, SIDE_A, CUTOFF_A = 5, 20.0, 8.0
WELL_EV, SIZE_A = 0.0067, 1.2  # of every pair: a potential that LAMMPS knows and so do we

INPUT = f"""<simulation verbosity='low'>
<output prefix='run'>
  <properties stride='1' filename='out'> [ step, potential{{electronvolt}} ] </properties>
  <trajectory stride='1' filename='pos' format='xyz'> positions{{angstrom}} </trajectory>
</output>
<total_steps>{N_STEPS}</total_steps>
<ffsocket name='model' mode='unix'><address>NAME-model</address></ffsocket>
<ffsocket name='lammps' mode='unix'><address>NAME-lammps</address></ffsocket>
<system>
  <initialize nbeads='1'><file mode='xyz' units='angstrom'>start.xyz</file>
    <velocities mode='thermal' units='kelvin'>300</velocities></initialize>
  <forces><force forcefield='model'/><force forcefield='lammps'/></forces>
  <motion mode='dynamics'>
    <dynamics mode='nve'><timestep units='femtosecond'>0.25</timestep></dynamics>
  </motion>
</system>
</simulation>
"""
SCRIPT = f"""units metal
atom_style atomic
atom_modify map array sort 0 0
read_data start.data
mass * 1.0
pair_style lj/cut {CUTOFF_A}
pair_coeff * * {WELL_EV} {SIZE_A}
fix 1 all ipi NAME-lammps 1 unix
run 100000
"""


def lennard_jones(atoms):
    """Energy of all pairs, eV."""
    distances = atoms.get_all_distances()[np.triu_indices(len(atoms), 1)]
    assert (distances < CUTOFF_A).all()
    return float(np.sum(4 * WELL_EV * ((SIZE_A / distances) ** 12 - (SIZE_A / distances) ** 6)))


@pytest.mark.skipif(
    LAMMPS is None or shutil.which("i-pi") is None,
    reason="no LAMMPS or no i-PI here: apt-get install lammps, pip install ipi",
)
def test_ipi_adds_lammps_to_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"painn-{time.time_ns()}"
    model, atoms = write_model(tmp_path / "model.pt"), Atoms(*GEOMETRIES["water"])
    atoms.set_cell(3 * [SIDE_A])
    write("water.extxyz", atoms, format="extxyz")
    write("start.data", atoms, format="lammps-data", specorder=["H", "O"])
    cell = "# CELL(abcABC): 20 20 20 90 90 90 positions{angstrom} cell{angstrom}"
    rows = [f"{symbol} {x} {y} {z}" for symbol, (x, y, z) in zip(atoms.symbols, atoms.positions, strict=True)]
    Path("start.xyz").write_text("\n".join([str(len(rows)), cell, *rows]) + "\n")
    Path("input.xml").write_text(INPUT.replace("NAME", name))
    Path("in.lammps").write_text(SCRIPT.replace("NAME", name))
    server = subprocess.Popen(["i-pi", "input.xml"], stdout=PIPE, stderr=STDOUT, text=True)
    clients = []
    try:
        waited = time.monotonic()
        while not Path(f"/tmp/ipi_{name}-lammps").exists() and time.monotonic() - waited < 60:
            assert server.poll() is None, server.stdout.read()
            time.sleep(0.2)
        code = "from painn_spectra.cli import entry; entry()"
        ours = [sys.executable, "-c", code, "ipi", str(model), "water.extxyz", "--unix", f"{name}-model"]
        for command in (ours, [LAMMPS, "-in", "in.lammps", "-log", "none"]):
            clients.append(subprocess.Popen(command, stdout=PIPE, stderr=STDOUT, text=True))
        assert server.wait(timeout=120) == 0, server.stdout.read()
        assert clients[0].wait(timeout=60) == 0, clients[0].stdout.read()
    finally:
        for process in (server, *clients):
            process.kill()
    potential = np.loadtxt("run.out")[:, 1]
    frames = read("run.pos_0.xyz", index=":", format="xyz")
    assert len(frames) == len(potential) == N_STEPS + 1
    for frame, found in zip(frames, potential, strict=True):
        frame.calc = PaiNNCalculator(model)
        ours, theirs = frame.get_potential_energy(), lennard_jones(frame)
        assert abs(theirs) > 1e-3
        assert found - ours == pytest.approx(theirs, rel=1e-5)  # LAMMPS' own constants: 2·10⁻⁶ from CODATA
