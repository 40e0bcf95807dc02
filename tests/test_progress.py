"""Progress lines: percentages, and an estimate of the time left that credits this run's work only."""

import os
import subprocess
import sys

from painn_spectra.progress import TERMINAL, Progress


def test_estimate_after_a_resume(capsys, monkeypatch):
    """Half was done before; a tenth in 10 s leaves four tenths, 40 s."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress("work", 100)
    progress.resume_at(50)
    now[0] = 5.0
    progress.advance(5)  # too soon for another line
    now[0] = 10.0
    progress.advance(5, "note")
    assert capsys.readouterr().err == "work:  60 % note [0:10 elapsed, 0:40 left]\n"
    now[0] = 10.1
    progress.advance(40)
    assert "100 %" in capsys.readouterr().err


def test_estimate_leaves_out_what_came_before_the_work(capsys, monkeypatch):
    """A minute of compiling and a tenth, another in a second: 8 s are left. Before, nothing is known."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress("work", 100, interval_s=1.0)
    now[0] = 60.0
    progress.at_work(10)
    progress.advance(0)
    now[0] = 61.0
    progress.advance(10)
    assert capsys.readouterr().err == (
        "work:  10 %  [1:00 elapsed]\nwork:  20 %  [1:01 elapsed, 0:08 left]\n"
    )


JOB = """
from painn_spectra.progress import Progress
progress = Progress("work", 4, interval_s=0)
for _ in range(4):
    progress.advance()
"""


def on_a_terminal(tmp_path, seconds):
    """What a job says on the terminal that it runs on, and in its log."""
    job = f"import os, sys; os.dup2(os.open({str(tmp_path / 'log')!r}, os.O_CREAT | os.O_WRONLY), 2)\n{JOB}"
    spawn = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", sys.executable, "-c", job]
    environment = os.environ | {TERMINAL: seconds}
    done = subprocess.run(spawn, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout.split("\n"), (tmp_path / "log").read_text().splitlines()


def test_a_job_with_a_log_speaks_on_the_terminal_too(tmp_path):
    said, logged = on_a_terminal(tmp_path, "0")
    assert len(logged) == 4 and logged[0].startswith("work:  25 %")
    assert [line.strip() for line in said if line] == logged
    said, logged = on_a_terminal(tmp_path, "")
    assert len(logged) == 4 and said == [""]
