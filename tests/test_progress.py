"""Progress lines: percentages, and an estimate of the time left that credits this run's work only."""

from painn_spectra.progress import Progress


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
