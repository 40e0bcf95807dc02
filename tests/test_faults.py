"""A full disk, results that cannot be written, a clock that jumps: one line, and nothing half-written."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_model import write_model

from painn_spectra.cli import main
from painn_spectra.files import check_space, output_lock, write_text
from painn_spectra.md.segments import read_samples, write_segment
from painn_spectra.md.state import State
from painn_spectra.progress import Progress

FULL = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from small_model import write_model
from test_faults import segment
disk = Path(sys.argv[1])
for write in (lambda: segment(disk / "000001.h5"), lambda: write_model(disk / "model.pt")):
    try:
        write()
    except OSError as error:
        print(error.errno, error.filename)
print(sorted(path.name for path in disk.iterdir()))
"""


def segment(path: Path) -> None:
    """A closed segment of 40 kB."""
    state = State((0,), *(torch.zeros(shape) for shape in ((1, 2), (2, 1), *[(1, 2, 3)] * 3, (1,))))
    samples = {name: np.zeros((1, 0)) for name in ("potential_energy",)}
    write_segment(path, state, samples | {"dipole": np.random.default_rng(0).random((1, 5000))}, 0, 1.0)


def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path):
    """HDF5 itself crashes there: segments and models are made in memory first. A disk of 16 KiB."""
    script, disk = tmp_path / "full.py", tmp_path / "disk"
    disk.mkdir()
    script.write_text(FULL.format(path=sys.path), encoding="utf-8")
    mount = 'mount -t tmpfs -o size=16k none "$2" || exit 99; exec "$0" "$@"'
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, sys.executable]
    try:
        done = subprocess.run([*words, str(script), str(disk)], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare here: it takes Linux to mount a small disk without being root")
    if done.returncode == 99 or done.stderr.startswith("unshare:"):
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    assert done.stdout.splitlines() == [f"28 {disk}/000001.h5", f"28 {disk}/model.pt", "[]"], done.stderr


def test_space_is_asked_for_before_a_large_file(tmp_path):
    with pytest.raises(OSError, match=r"No space|too large|Invalid") as caught:
        check_space(tmp_path / "trajectory.h5", 2**62)
    assert caught.value.filename == str(tmp_path / "trajectory.h5") and not list(tmp_path.iterdir())
    check_space(tmp_path / "trajectory.h5", 1000)
    assert not list(tmp_path.iterdir())


def test_results_that_cannot_be_written_are_one_line(tmp_path, capsys):
    """Root passes every permission: a file in place of the folder stands for one."""
    (tmp_path / "results").write_text("a file")
    assert main(["schema", str(tmp_path / "results/schema.json")]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path / "results") in told and told.count("\n") == 1
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        assert main(["schema", str(tmp_path / "locked/schema.json")]) == 2
        assert "Permission denied" in capsys.readouterr().err


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch, capsys):
    """Progress and checkpoints follow the monotonic clock; files do not depend on the time of day."""
    times = iter([1e9, 2e9, 0.0, -1e9, *[5e8] * 100])
    monkeypatch.setattr(time, "time", lambda: next(times))
    progress = Progress("work", 3, interval_s=0.0)
    for _ in range(3):
        progress.advance()
    assert "100 %" in capsys.readouterr().err
    one, other = (write_model(tmp_path / name).read_bytes() for name in ("a.pt", "a.pt"))
    assert one == other
    segment(tmp_path / "000001.h5")
    assert read_samples.__module__ and (tmp_path / "000001.h5").read_bytes()[:4] == b"\x89HDF"
    with output_lock(tmp_path / "out"):
        write_text(tmp_path / "out", "x")
