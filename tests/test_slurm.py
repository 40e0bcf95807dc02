"""The water workflow through a real Slurm, whose jobs and daemons are killed: `pytest -m slurm`.

Skipped where Slurm or Snakemake's plugin is not installed. `SLURM_LOG=path` keeps what both wrote.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from clones import BIN, ROOT, TINY, Clone

pytestmark = [pytest.mark.slurm, pytest.mark.workflow]

SCRIPT = ROOT / "tests/one_node_slurm.sh"
STATE = Path(os.environ.get("ONE_NODE_SLURM_STATE", "/tmp/one-node-slurm"))
FLAGS = (
    "--workflow-profile", "profiles/slurm", "--cores", "1", "--jobs", "2", "--latency-wait", "5",
    "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5",
    "--seconds-between-status-checks", "5",
    "--default-resources", "slurm_partition=short",
)  # fmt: skip
CONFIG = {
    **TINY,
    "molecules": [
        {"name": "water", "structure": "O", "temperature_K": 100, "method": {"program": "gfn2-xtb"}}
    ],
    "sampling": {
        "n_embeddings": 3, "n_frames": 40, "n_trajectories": 3, "interval_fs": 25, "modes_fraction": 0.3,
        "rounds": 0, "temperature_K": 300.0,
    },
    "train": TINY["train"] | {"epochs": 80, "checkpoint_interval_s": 1, "pretrain": {"n_frames": 0}},
    "md": TINY["md"] | {"n_replicas": 16, "replicas_per_job": 8, "checkpoint_interval_ps": 0.1},
}  # fmt: skip
PATIENCE_S = 1500


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("no snakemake-executor-plugin-slurm here: pip install '.[slurm]'")
    started = subprocess.run(
        [SCRIPT, "start"], capture_output=True, text=True, env={**os.environ, "CPUS": "2"}
    )
    if started.returncode == 3:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    yield
    subprocess.run([SCRIPT, "stop"], check=True)


def queue(rule: str, state: str = "RUNNING") -> list[str]:
    """Numbers of the jobs of a rule in that state."""
    listed = subprocess.run(["squeue", "-h", "-o", "%i|%T|%k"], capture_output=True, text=True).stdout
    rows = (line.split("|") for line in listed.splitlines())
    return [number for number, now, comment in rows if now == state and comment.startswith(f"rule_{rule}_")]


def wait_for(rule: str, process: subprocess.Popen) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := queue(rule)):
        assert process.poll() is None and time.monotonic() < deadline, f"no job of {rule} ran"
        time.sleep(0.5)
    return found[0]


def restart(daemon: str) -> None:
    """kill -9, some seconds without it, and a new one."""
    pid = int((STATE / f"{daemon}.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    time.sleep(5)
    subprocess.run([daemon], check=True)


def contents(folder: Path) -> dict[str, object]:
    """What must be equal, by file: text as it is, numbers to the last bit."""
    found: dict[str, object] = {}
    for path in sorted((folder / "results/water").rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".pt" and ".parts" not in name:
            state = torch.load(path, weights_only=True)["state"]
            found[name] = {key: value.numpy() for key, value in state.items()}
        elif path.name == "trajectory.h5":
            with h5py.File(path) as file:
                found[name] = {key: file[key][:] for key in file}
        elif path.suffix in (".extxyz", ".csv") and "seconds" not in path.read_text():
            # a model file's hash, which tables name, holds the seconds that its training took
            found[name] = re.sub(r"PaiNN, model [0-9a-f]+", "PaiNN", path.read_text())
    return found


def test_water_through_slurm_with_kills(tmp_path, cluster):
    """A training job killed, both daemons killed under the dynamics: the results of an undisturbed run."""
    whole, disturbed = (Clone(tmp_path / name, CONFIG) for name in ("whole", "disturbed"))
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    log = tmp_path / "snakemake.log"
    command = [sys.executable, "-m", "snakemake", *FLAGS]
    with log.open("w") as stream, subprocess.Popen(
        command, cwd=disturbed.folder, env={**os.environ, "PATH": path},
        stdout=stream, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            job = wait_for("train_member", process)
            time.sleep(2)
            subprocess.run(["scancel", "--signal=KILL", "--full", job], check=True)
            wait_for("run_replicas", process)
            restart("slurmd")
            restart("slurmctld")
            process.wait(PATIENCE_S)
        finally:
            process.kill()
    told = log.read_text(encoding="utf-8")
    if keep := os.environ.get("SLURM_LOG"):
        shutil.copy(log, f"{keep}.snakemake")
        shutil.copy(STATE / "jobs.log", f"{keep}.jobs")
        shutil.copy(STATE / "slurmctld.log", f"{keep}.slurmctld")
    assert process.returncode == 0, told
    jobs = (STATE / "jobs.log").read_text(encoding="utf-8")
    assert re.search(rf"^JobId={job} .*JobState=(CANCELLED|FAILED)", jobs, flags=re.MULTILINE)
    assert "Trying to restart job" in told
    whole.run()
    one, other = contents(whole.folder), contents(disturbed.folder)
    assert set(one) == set(other) and any(name.endswith("trajectory.h5") for name in one)
    for name, value in one.items():
        np.testing.assert_equal(other[name], value, err_msg=name)
