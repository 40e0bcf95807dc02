"""Does each pitfall's test fail for the wrong code? `make mutations`: slow, not part of `make test`.

Every mutation is one textual change in a temporary copy of the package; the named test must pass without it
and fail with it. Prints a table; exits with 1 when a mutation survives.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAWS, MOTION, COMPARE = "physics/test_spectra_laws.py", "physics/test_motion.py", "test_compare.py"
RAMAN, CORRELATION, BANDS = "spectra/raman.py", "spectra/correlation.py", "spectra/bands.py"

# (what is wrong, file in painn_spectra/, text, its replacement, test file, test)
MUTATIONS = [
    (
        "components standardised",
        CORRELATION,
        "correlation = autocorrelation(chunks,",
        "correlation = autocorrelation((c / c.std(axis=0) for c in chunks),",
        LAWS,
        "test_components_keep_their_weight",
    ),
    (
        "thermal factor without 2π",
        RAMAN,
        "SECOND_RADIATION_CM_K * nu",
        "SECOND_RADIATION_CM_K / 6.2831853 * nu",
        LAWS,
        "test_stokes_cross_section_against_si_constants",
    ),
    (
        "a constant of other units",
        "units.py",
        "/ si.atomic_mass / 45 * 1e6",
        "/ si.electron_mass / 45 * 1e6",
        LAWS,
        "test_stokes_cross_section_against_si_constants",
    ),
    (
        "45 and 7 swapped",
        RAMAN,
        '"cross_section": (45.0, 7.0)',
        '"cross_section": (7.0, 45.0)',
        LAWS,
        "test_stokes_cross_section_against_si_constants",
    ),
    (
        "natural light twice too strong",
        RAMAN,
        "(22.5, 6.5)",
        "(45.0, 13.0)",
        LAWS,
        "test_stokes_cross_section_against_si_constants",
    ),
    (
        "photon counting forgotten",
        RAMAN,
        "laser_cm if photons else laser_cm - nu",
        "laser_cm - nu",
        LAWS,
        "test_stokes_cross_section_against_si_constants",
    ),
    (
        "attenuation of differences ignored",
        CORRELATION,
        "density = density / difference_attenuation(observed, self.sample_interval_fs)",
        "pass",
        LAWS,
        "test_harmonic_modes_give_their_km_per_mol",
    ),
    (
        "velocity Verlet shift ignored",
        CORRELATION,
        "return observed_cm * np.sinc(LIGHT_CM_FS * observed_cm * timestep_fs)",
        "return observed_cm",
        LAWS,
        "test_velocity_verlet_lands_on_the_true_frequency",
    ),
    (
        "axis moved, density not",
        CORRELATION,
        "density * ratio**2, true",
        "density, true",
        LAWS,
        "test_velocity_verlet_lands_on_the_true_frequency",
    ),
    (
        "wavenumbers scaled",
        CORRELATION,
        "return observed[kept], density",
        "return 0.96 * observed[kept], density",
        LAWS,
        "test_velocity_verlet_lands_on_the_true_frequency",
    ),
    (
        "absolute positions in the read-out",
        "model/potential.py",
        'centred = positions - torch.einsum("bn,bnx->bx", fractions, positions).unsqueeze(1)',
        "centred = positions",
        "physics/test_model_laws.py",
        "test_translation_leaves_everything",
    ),
    (
        "offset not restored",
        "model/potential.py",
        "offset + self.energy_scale_eV * net_energy",
        "self.energy_scale_eV * net_energy",
        "test_train.py",
        "test_offset_is_restored_in_predictions",
    ),
    (
        "half the temperature",
        "md/integrators.py",
        "state.velocities = kept * state.velocities + math.sqrt(1 - kept**2) * noise",
        "pass",
        "physics/test_dynamics_laws.py",
        "test_langevin_equipartition_per_atom",
    ),
    (
        "window zero at lag 0",
        CORRELATION,
        "0.5 + 0.5 * np.cos(np.pi * lag_fs / width_fs)",
        "0.5 - 0.5 * np.cos(np.pi * lag_fs / width_fs)",
        LAWS,
        "test_window_weighs_lag_zero_fully",
    ),
    (
        "|μ| instead of μ",
        "spectra/correlation.py",
        "derivative = central_differences(chunks, self.sample",
        "derivative = central_differences((np.linalg.norm(c, axis=1)[:, None] for c in chunks), self.sample",
        LAWS,
        "test_vector_is_correlated_not_its_length",
    ),
    (
        "√γ² as a scalar",
        RAMAN,
        "yield np.hstack([beta, diagonal, mixed])",
        "g = np.sqrt(1.5 * (diagonal**2).sum(1) + 3 * (mixed**2).sum(1))[:, None]; "
        "yield np.hstack([beta, g / 1.5**0.5, 0 * diagonal[:, :2], 0 * mixed])",
        LAWS,
        "test_tensor_is_correlated_not_its_invariant",
    ),
    (
        "isotropic part in the anisotropic column",
        RAMAN,
        "axis1=1, axis2=2) - beta",
        "axis1=1, axis2=2)",
        LAWS,
        "test_parts_do_not_leak_into_each_other",
    ),
    (
        "spread reported as standard error",
        BANDS,
        "ddof=1) / np.sqrt(n)",
        "ddof=1)",
        LAWS,
        "test_standard_error_is_unbiased_for_gaussian_replicas",
    ),
    (
        "the IR trace drawn as Raman",
        "spectra/compare.py",
        'read_spectrum(spectra_dir / "raman.csv")',
        '{}, {k: v if "error" in k or k[:4] == "wave" else infrared["ir_km_mol-1_per_cm-1"]'
        ' for k, v in read_spectrum(spectra_dir / "raman.csv")[1].items()}',
        COMPARE,
        "test_raman_figure_draws_the_raman_spectrum",
    ),
    (
        "a liquid's bands labelled gas",
        "spectra/figures.py",
        'sorted({row["phase"] for row in shown})',
        '["gas"]',
        COMPARE,
        "test_phase_of_published_bands_stands_in_the_legend",
    ),
    (
        "on-step velocities",
        "md/state.py",
        "return state.velocities + 0.5 * timestep_fs * state.accelerations",
        "return state.velocities",
        "test_md.py",
        "test_motion_is_that_of_the_run",
    ),
    (
        "half-step factor of on-step velocities",
        CORRELATION,
        "return self._rebinned(observed, density, true_wavenumber(",
        "return self._rebinned(observed, density / np.cos(np.pi * LIGHT_CM_FS * observed * "
        "self.integrator_timestep_fs) ** 2, true_wavenumber(",
        MOTION,
        "test_half_step_velocities_count_modes_where_on_step_ones_fall_short",
    ),
    (
        "unbiased correlation",
        "spectra/autocorrelation.py",
        "[:, :n_lags] / n_samples",
        "[:, :n_lags] / (n_samples - np.arange(n_lags))",
        LAWS,
        "test_noise_never_gives_a_negative_spectrum",
    ),
    (
        "blocks do not see the samples before",
        "spectra/autocorrelation.py",
        "if len(before):",
        "if False:",
        LAWS,
        "test_chunks_give_the_correlation_of_the_whole",
    ),
    (
        "frame turned the wrong way",
        "spectra/molecule_frame.py",
        '"nxy,ny->nx", rotation, values',
        '"nyx,ny->nx", rotation, values',
        MOTION,
        "test_eckart_frame_takes_the_branches_off",
    ),
    (
        "noise of sampling taken for models' spread",
        "spectra/model_spread.py",
        "np.maximum(between - residual, 0.0)",
        "between",
        "physics/test_model_spread.py",
        "test_sampling_variance_is_subtracted",
    ),
    (
        "members of an ensemble start apart",
        "md/starts.py",
        "if like is not None:",
        "if False:",
        "test_common_starts.py",
        "test_starts_are_common_though_minima_differ",
    ),
    (
        "a turned methyl group on the wrong modes",
        "spectra/mode_shares.py",
        "[which[reference]][:, orders[reference]]",
        "[which[reference]]",
        "physics/test_mode_shares.py",
        "test_like_atoms_may_have_changed_places",
    ),
    (
        "core potentials forgotten",
        "reference/dft.py",
        "ecp=core_potentials(basis, numbers)",
        "ecp={}",
        "physics/test_derivative_labels.py",
        "test_core_potentials_count_in_energies_forces_and_fields",
    ),
    (
        "nuclei forgotten in a field",
        "reference/gradient.py",
        "out -= np.outer(self.mol.atom_charges(), field) + 2",
        "out -= 2",
        "physics/test_derivative_labels.py",
        "test_derivatives_equal_differences_of_labels",
    ),
    (
        "a mixed derivative with its diagonal",
        "reference/field_derivatives.py",
        "- polarizability[:, x, x] - polarizability[:, y, y]",
        "",
        "physics/test_derivative_labels.py",
        "test_derivatives_equal_differences_of_labels",
    ),
    (
        "an ion's dipole derivative about a fixed origin",
        "reference/field_derivatives.py",
        "dipole -= moving_origin(numbers, charge)",
        "dipole -= moving_origin(numbers, 0)",
        "physics/test_derivative_labels.py",
        "test_derivatives_equal_differences_of_labels",
    ),
    (
        "what PySCF needs stays in the environment",
        "reference/dft.py",
        "for name in new:",
        "for name in ():",
        "test_labelling.py",
        "test_labelling_leaves_the_environment_as_it_was",
    ),
]


def outcome(folder: Path, test_files: list[str], tests: list[str]) -> str:
    """passed, failed, or what else pytest says."""
    files = [f"tests/{name}" for name in test_files]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *files,
        "-k",
        " or ".join(tests),
        "-x",
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    return {0: "passed", 1: "failed"}.get(run.returncode, f"pytest exit code {run.returncode}")


def main(words: list[str]) -> int:
    """Run the mutations whose description holds one of `words`; all without."""
    chosen = [m for m in MUTATIONS if not words or any(word in m[0] for word in words)]
    survivors = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("painn_spectra", "tests", "config"):
            shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / "pyproject.toml", folder)
        files, tests = ({m[place] for m in chosen} for place in (4, 5))
        healthy = outcome(folder, sorted(files), sorted(tests))
        if healthy != "passed":
            print(f"without any mutation: {healthy}; mend the tests first")
            return 1
        for what, file, text, replacement, test_file, test in chosen:
            started, path = time.perf_counter(), folder / "painn_spectra" / file
            source = path.read_text(encoding="utf-8")
            path.write_text(source.replace(text, replacement), encoding="utf-8")
            found = outcome(folder, [test_file], [test]) if source.count(text) == 1 else "text not found once"
            path.write_text(source, encoding="utf-8")
            survivors += found != "failed"
            verdict = "caught" if found == "failed" else f"SURVIVES ({found})"
            print(f"{what:42} {test:68} {verdict}  {time.perf_counter() - started:.0f} s", flush=True)
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
