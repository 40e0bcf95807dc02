"""The known mistakes, made on purpose: a named test must fail for each.

    python -m benchmarks.validation.mutations

A copy of the package is altered in a temporary folder and one test of it is run there.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.validation.runs import ROOT
from benchmarks.validation.table import Row, save


@dataclass(frozen=True)
class Mutation:
    """`old` of one file becomes `new`; `test` must notice."""

    mistake: str
    file: str  # under painn_spectra/
    old: str
    new: str
    test: str  # under tests/


LAWS, CORRELATION = "physics/test_spectra_laws.py", "spectra/correlation.py"
LOOP = "    for block in chain([first], cut):\n"
HALF_STEP = "return state.velocities + 0.5 * timestep_fs * state.accelerations"
GAMMA = (
    "g = np.sqrt((diagonal**2).sum(1) + 2 * (mixed**2).sum(1))[:, None]; "
    "yield np.hstack([beta, g, 0 * diagonal[:, 1:], 0 * mixed])"
)
MUTATIONS = [
    Mutation(
        "a factor 2π in hc/k_B", "units.py", "si.h * si.c * 1e2 / si.k", "si.hbar * si.c * 1e2 / si.k",
        f"{LAWS}::test_stokes_cross_section_against_si_constants",
    ),
    Mutation(
        "45 and 7 swapped", "spectra/raman.py",
        "45 * isotropic, 7 * anisotropic", "7 * isotropic, 45 * anisotropic",
        f"{LAWS}::test_harmonic_modes_give_their_raman_activity",
    ),
    Mutation(
        "no sinc²", CORRELATION, "density = density / difference_attenuation", "difference_attenuation",
        f"{LAWS}::test_harmonic_modes_give_their_km_per_mol",
    ),
    Mutation(
        "components standardised", "spectra/autocorrelation.py",
        LOOP, LOOP + "        block = block / block.std(axis=0)\n",
        f"{LAWS}::test_components_keep_their_weight",
    ),
    Mutation(
        "√γ² correlated as a scalar", "spectra/raman.py",
        "yield np.hstack([beta, diagonal, mixed])", GAMMA,
        f"{LAWS}::test_tensor_is_correlated_not_its_invariant",
    ),
    Mutation(
        "no Verlet correction", CORRELATION,
        "np.sinc(LIGHT_CM_FS * observed_cm * timestep_fs)", "np.sinc(0 * observed_cm)",
        f"{LAWS}::test_velocity_verlet_lands_on_the_true_frequency",
    ),
    Mutation(
        "on-step velocities", "md/state.py", HALF_STEP, "return state.velocities",
        "test_md.py::test_motion_is_that_of_the_run",
    ),
    Mutation(
        "label offset not restored", "model/potential.py",
        "out[keys.ENERGY] = offset + ", "out[keys.ENERGY] = ",
        "test_train.py::test_offset_is_restored_in_predictions",
    ),
]  # fmt: skip


def noticed(mutation: Mutation) -> bool:
    """Whether the named test passes on the package and fails on the altered one."""
    with tempfile.TemporaryDirectory() as name:
        for part in ("painn_spectra", "tests", "benchmarks", "config", "workflow"):
            shutil.copytree(ROOT / part, Path(name) / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", name)
        before = _passes(Path(name), mutation.test)
        target = Path(name) / "painn_spectra" / mutation.file
        text = target.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            raise ValueError(f"{mutation.file}: {mutation.old!r} is there {text.count(mutation.old)} times")
        target.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        return before and not _passes(Path(name), mutation.test)


def _passes(folder: Path, test: str) -> bool:
    arguments = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *f"tests/{test}".split()]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):  # 1: a test failed; all else is a mistake of ours
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return done.returncode == 0


def rows() -> list[Row]:
    """1 for noticed."""
    return [
        Row("mistakes made on purpose", f"{m.mistake}: {m.test.split('::')[-1]} fails",
            float(noticed(m)), "", 1, at_least=True)
        for m in MUTATIONS
    ]  # fmt: skip


if __name__ == "__main__":
    save("mutations", rows())
