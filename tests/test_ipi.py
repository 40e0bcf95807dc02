"""The i-PI client: ASE's side of the protocol as the server, and i-PI itself where it is installed."""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from subprocess import PIPE, STDOUT

import numpy as np
import pytest
from ase.calculators.socketio import IPIProtocol
from ase.io import read, write
from small_model import two_molecules, write_model

from painn_spectra import keys
from painn_spectra.ase import PaiNNCalculator
from painn_spectra.cli import main
from painn_spectra.ipi import run_driver
from painn_spectra.units import BOHR_A

CELL = 20.0 * np.eye(3)  # Å
N_STEPS = 4


@pytest.fixture
def inputs(tmp_path):
    structure = tmp_path / "water.extxyz"
    write(structure, two_molecules()[0], format="extxyz")
    return write_model(tmp_path / "model.pt"), structure


def expected(model, atoms):
    calculator = PaiNNCalculator(model)
    calculator.calculate(atoms, list(keys.PROPERTIES))
    return calculator.results


def test_a_server_gets_the_calculators_numbers(inputs):
    model, structure = inputs
    atoms = read(structure)
    with socket.create_server(("localhost", 0)) as listening:
        port = listening.getsockname()[1]
        client = threading.Thread(target=run_driver, args=(model, structure, "localhost", port), daemon=True)
        client.start()
        listening.settimeout(60)
        connection, _ = listening.accept()
        with connection:
            server = IPIProtocol(connection)
            server.sendinit()
            for _ in range(3):
                atoms.rattle(0.02, seed=1)
                got, want = server.calculate(atoms.positions, CELL), expected(model, atoms)
                assert got["energy"] == pytest.approx(want[keys.ENERGY], abs=1e-8)
                assert got["forces"] == pytest.approx(want[keys.FORCES], abs=1e-8)
                assert not got["virial"].any()
                extras = json.loads(got["morebytes"].tobytes())
                assert extras[keys.DIPOLE] == pytest.approx(want[keys.DIPOLE] / BOHR_A, abs=1e-8)
                alpha = want[keys.POLARIZABILITY].ravel() / BOHR_A**3
                assert extras[keys.POLARIZABILITY] == pytest.approx(alpha, abs=1e-8)
            server.end()
        client.join(timeout=30)
        assert not client.is_alive()


def test_no_server_is_one_line(inputs, capsys):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]  # free once it is closed
    assert main(["ipi", *map(str, inputs), "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert f"localhost:{port}: nobody listens" in told
    assert told.count("\n") == 1


INPUT = f"""<simulation verbosity='low'>
<output prefix='run'>
  <properties stride='1' filename='out'> [ step, potential{{electronvolt}} ] </properties>
  <trajectory stride='1' filename='pos' format='xyz'> positions{{angstrom}} </trajectory>
  <trajectory stride='1' filename='mu' extra_type='dipole'> extras </trajectory>
  <trajectory stride='1' filename='alpha' extra_type='polarizability'> extras </trajectory>
</output>
<total_steps>{N_STEPS}</total_steps>
<ffsocket name='model' mode='unix'><address>NAME</address></ffsocket>
<system>
  <initialize nbeads='1'><file mode='xyz' units='angstrom'>start.xyz</file>
    <velocities mode='thermal' units='kelvin'>300</velocities></initialize>
  <forces><force forcefield='model'/></forces>
  <motion mode='dynamics'>
    <dynamics mode='nve'><timestep units='femtosecond'>0.25</timestep></dynamics>
  </motion>
</system>
</simulation>
"""


@pytest.mark.skipif(shutil.which("i-pi") is None, reason="i-PI is not installed: pip install ipi")
def test_ipi_runs_with_the_model(inputs, tmp_path, monkeypatch):
    model, structure = inputs
    monkeypatch.chdir(tmp_path)
    name = f"painn-{time.time_ns()}"
    atoms = read(structure)
    cell = "# CELL(abcABC): 20 20 20 90 90 90 positions{angstrom} cell{angstrom}"
    rows = [f"{symbol} {x} {y} {z}" for symbol, (x, y, z) in zip(atoms.symbols, atoms.positions, strict=True)]
    Path("start.xyz").write_text("\n".join([str(len(rows)), cell, *rows]) + "\n")
    Path("input.xml").write_text(INPUT.replace("NAME", name))
    server = subprocess.Popen(["i-pi", "input.xml"], stdout=PIPE, stderr=STDOUT, text=True)
    try:
        waited = time.monotonic()
        while not Path(f"/tmp/ipi_{name}").exists() and time.monotonic() - waited < 60:
            assert server.poll() is None, server.stdout.read()
            time.sleep(0.2)
        code = "from painn_spectra.cli import entry; entry()"
        command = [sys.executable, "-c", code, "ipi", model, structure, "--unix", name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert server.wait(timeout=60) == 0, server.stdout.read()
    finally:
        server.kill()
    energies = np.loadtxt("run.out")[:, 1]
    frames = read("run.pos_0.xyz", index=":", format="xyz")
    dipoles, alphas = (np.loadtxt(f"run.{what}_0") for what in ("mu", "alpha"))
    assert len(frames) == len(dipoles) == N_STEPS + 1
    for atoms, energy, dipole, alpha in zip(frames, energies, dipoles, alphas, strict=True):
        want = expected(model, atoms)
        assert energy == pytest.approx(want[keys.ENERGY], abs=1e-4)
        assert dipole * BOHR_A == pytest.approx(want[keys.DIPOLE], abs=1e-4)
        assert alpha * BOHR_A**3 == pytest.approx(want[keys.POLARIZABILITY].ravel(), abs=1e-4)
