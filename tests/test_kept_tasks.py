"""Tasks that keep their results."""

import numpy as np
import pytest

from painn_spectra.kept_tasks import KeptTasks


def square_or_fail(number: int, forbidden: int) -> dict[str, np.ndarray]:
    if number == forbidden:
        raise RuntimeError("killed")
    return {"square": np.array(number**2)}


def test_finished_tasks_are_not_run_again(tmp_path):
    tasks = [(tmp_path / f"{k}.npz", square_or_fail, (k, 2)) for k in range(3)]
    with pytest.raises(RuntimeError, match="killed"), KeptTasks(1) as pool:
        pool.run(tasks, "squares")
    assert (tmp_path / "0.npz").exists() and not (tmp_path / "2.npz").exists()
    tasks = [(file, square_or_fail, (k, k if file.exists() else -1)) for k, (file, _, _) in enumerate(tasks)]
    with KeptTasks(1) as pool:
        assert [int(result["square"]) for result in pool.run(tasks, "squares")] == [0, 1, 4]
