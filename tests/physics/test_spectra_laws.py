"""Laws of the spectra: closed forms of harmonic motion, sum rules, sampling theory."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from painn_spectra.settings.dynamics import window_length_fs
from painn_spectra.spectra import autocorrelation as autocorrelation_module
from painn_spectra.spectra.autocorrelation import autocorrelation
from painn_spectra.spectra.bands import (
    band_areas,
    band_centroid,
    band_integral,
    depolarisation,
    find_bands,
    standard_error,
)
from painn_spectra.spectra.correlation import Estimator, cosine_transform, lag_window
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.raman import (
    GEOMETRIES,
    depolarisation_ratio,
    raman_density,
    stokes_cross_section,
)
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K, DEBYE_EA, LIGHT_CM_FS

KM_MOL_PER_DEBYE2 = 42.2561  # golden number: km/mol for 1 (D/Å)²/amu
ANALYTIC_STEP_FS = 1e-6  # closed-form motion has no integrator error
LENGTH_FS = 8000.0
FREQUENCIES_CM = np.array([400.0, 1100.0, 1750.0, 3050.0, 3700.0])


def estimator(interval_fs=1.0, timestep_fs=ANALYTIC_STEP_FS, fwhm_cm=10.0):
    return Estimator(interval_fs, timestep_fs, fwhm_cm, 50.0, 4000.0)


def amplitude(wavenumber_cm, temperature_K):
    """√(2kT)/ω in √amu·Å: a mode with energy exactly kT."""
    kT = BOLTZMANN_EV_K * temperature_K / AMU_A2_FS2_IN_EV
    return np.sqrt(2 * kT) / (2 * np.pi * LIGHT_CM_FS * wavenumber_cm)


def normal_modes(wavenumbers_cm, temperature_K, interval_fs, seed=0):
    """Q(t) of every mode, (n_samples, n_modes) | √amu Å, random phases."""
    t = np.arange(0, LENGTH_FS, interval_fs)[:, None]
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(wavenumbers_cm))
    nu = np.asarray(wavenumbers_cm)
    return amplitude(nu, temperature_K) * np.cos(2 * np.pi * LIGHT_CM_FS * nu * t + phases)


def symmetric_tensors(n, seed):
    a = np.random.default_rng(seed).normal(size=(n, 3, 3))
    return a + a.transpose(0, 2, 1)


def invariants(tensor):
    """β'² and γ'² by the textbook formula, component by component."""
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = tensor
    beta = (xx + yy + zz) / 3
    gamma2 = 0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) + 3 * (xy**2 + yz**2 + xz**2)
    return beta**2, gamma2


def around(nu, density, centre, half_width=100.0):
    return float(band_areas(nu, density[None], centre - half_width, centre + half_width)[0])


def test_autocorrelation_equals_the_double_sum():
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=(37, 3)), np.array([1.0, 2.0, 0.5])
    direct = [
        sum(weights[c] * x[t, c] * x[t + k, c] for c in range(3) for t in range(37 - k)) / 37
        for k in range(37)
    ]
    np.testing.assert_allclose(autocorrelation(x, weights), direct, atol=1e-12)


@pytest.mark.parametrize("n_lags", [1, 7, 60, 500])
@pytest.mark.parametrize("sizes", [[500], [1] * 500, [3, 190, 1, 306]])
def test_chunks_give_the_correlation_of_the_whole(n_lags, sizes, monkeypatch):
    """Blocks of 64 samples or 4 windows, fed in any pieces, against the plain sum over all pairs."""
    monkeypatch.setattr(autocorrelation_module, "MIN_BLOCK", 64)
    x, weights = np.random.default_rng(12).normal(size=(500, 3)), np.array([[1.0, 2, 0], [0, 0.5, 3]])
    chunks = iter(np.split(x, np.cumsum(sizes)[:-1]))
    expected = [
        [sum(w[c] * (x[: 500 - k, c] @ x[k:, c]) for c in range(3)) / 500 for k in range(n_lags)]
        for w in weights
    ]
    found = autocorrelation_module.autocorrelation(chunks, weights, n_lags)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_long_series_in_chunks_gives_the_density_of_the_whole(monkeypatch):
    """A run of many windows, cut into blocks: the same as one transform over all of its lags."""
    est, n = estimator(2.0, fwhm_cm=60.0), 20000
    x = np.random.default_rng(13).normal(size=(n, 2)) + 5.0
    derivative = (x[2:] - x[:-2]) / 4.0
    full = np.fft.irfft(np.sum(np.abs(np.fft.rfft(derivative, 2 * n, axis=0)) ** 2, 1))[: n - 2] / (n - 2)
    window = np.zeros(n - 2)
    part = lag_window(n - 2, 2.0, 60.0)
    window[: len(part)] = part
    nu, density = cosine_transform(full * window, 2.0, 1.5)
    nu, density = nu[nu < 4100], density[nu < 4100]
    density = density / np.sinc(2 * LIGHT_CM_FS * nu * 2.0) ** 2
    monkeypatch.setattr(autocorrelation_module, "MIN_BLOCK", 1000)
    found = est.power_density((x[i : i + 777] for i in range(0, n, 777)), None, n)
    assert len(part) < n / 4
    area = np.cumsum(found) * 6.0
    steps = np.cumsum((density[1:] + density[:-1]) / 2) * (nu[1] - nu[0])
    whole = np.interp(est.wavenumber_cm + 3, nu, np.concatenate([[0], steps]))
    np.testing.assert_allclose(area - area[0], whole - whole[0], rtol=2e-4)


def test_end_of_the_series_does_not_meet_its_start():
    x = np.zeros((50, 1))
    x[0] = x[-1] = 1.0
    expected = np.zeros(50)
    expected[0], expected[-1] = 2 / 50, 1 / 50
    np.testing.assert_allclose(autocorrelation(x), expected, atol=1e-14)


@pytest.mark.parametrize("temperature_K", [100.0, 300.0])
@pytest.mark.parametrize("interval_fs", [1.0, 2.0])
def test_harmonic_modes_give_their_km_per_mol(temperature_K, interval_fs):
    derivatives_D = np.random.default_rng(2).normal(size=(5, 3))  # (n_modes, 3) | D/Å/√amu
    q = normal_modes(FREQUENCIES_CM, temperature_K, interval_fs)
    est = estimator(interval_fs)
    density = infrared_density(q @ derivatives_D * DEBYE_EA + 0.3, temperature_K, est)
    for centre, derivative in zip(FREQUENCIES_CM, derivatives_D, strict=True):
        expected = KM_MOL_PER_DEBYE2 * derivative @ derivative
        assert around(est.wavenumber_cm, density, centre, 200) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("temperature_K", [100.0, 300.0])
@pytest.mark.parametrize("interval_fs", [1.0, 2.0])
def test_harmonic_modes_give_their_raman_activity(temperature_K, interval_fs):
    derivatives = symmetric_tensors(5, seed=3)  # (n_modes, 3, 3) | Å²/√amu
    q = normal_modes(FREQUENCIES_CM, temperature_K, interval_fs)
    est = estimator(interval_fs)
    isotropic, anisotropic = raman_density(
        np.einsum("tm,mij->tij", q, derivatives) + 5 * np.eye(3), temperature_K, est
    )
    nu = est.wavenumber_cm
    for centre, derivative in zip(FREQUENCIES_CM, derivatives, strict=True):
        beta2, gamma2 = invariants(derivative)
        total = around(nu, isotropic + anisotropic, centre, 200)
        assert total == pytest.approx(45 * beta2 + 7 * gamma2, rel=0.01)
        ratio = depolarisation(nu, isotropic[None], anisotropic[None], centre - 50, centre + 50).value
        assert ratio == pytest.approx(3 * gamma2 / (45 * beta2 + 4 * gamma2), rel=0.03)


@pytest.mark.parametrize(("timestep_fs", "record_steps"), [(0.5, 2), (0.5, 4), (1.0, 1), (1.0, 2)])
def test_velocity_verlet_lands_on_the_true_frequency(timestep_fs, record_steps):
    """Started at the turning point, positions keep that amplitude at a shifted frequency."""
    nu0 = np.array([1000.0, 3000.0, 3700.0])
    omega = 2 * np.pi * LIGHT_CM_FS * nu0
    q, v = amplitude(nu0, 300.0), np.zeros(3)
    recorded = []
    for step in range(int(LENGTH_FS / timestep_fs)):
        if step % record_steps == 0:
            recorded.append(q)
        v = v - 0.5 * timestep_fs * omega**2 * q
        q = q + timestep_fs * v
        v = v - 0.5 * timestep_fs * omega**2 * q
    est = estimator(timestep_fs * record_steps, timestep_fs)
    density = infrared_density(np.array(recorded) * DEBYE_EA, 300.0, est)
    for centre in nu0:
        assert around(est.wavenumber_cm, density, centre, 200) == pytest.approx(KM_MOL_PER_DEBYE2, rel=0.01)
        found = band_centroid(est.wavenumber_cm, density[None], centre - 60, centre + 60).value
        assert found == pytest.approx(centre, abs=0.5)


@pytest.mark.parametrize(("interval_fs", "highest_cm"), [(0.5, 12000.0), (1.5, 6000.0)])
def test_sum_rule(interval_fs, highest_cm):
    """(2c/k_BT) ∫S dν̃ over ν̃ > 0 is ⟨Q̇²⟩/k_BT, here of closed-form velocities: about one per mode."""
    rng = np.random.default_rng(4)
    nu, phases = rng.uniform(150.0, 0.9 * highest_cm, 40), rng.uniform(0, 2 * np.pi, 40)
    angles = 2 * np.pi * LIGHT_CM_FS * nu * np.arange(0, LENGTH_FS, interval_fs)[:, None] + phases
    velocities = -2 * np.pi * LIGHT_CM_FS * nu * amplitude(nu, 300.0) * np.sin(angles)  # √amu Å/fs
    thermal = BOLTZMANN_EV_K * 300.0 / AMU_A2_FS2_IN_EV  # amu Å²/fs²
    est = Estimator(interval_fs, ANALYTIC_STEP_FS, 10.0, 0.0, highest_cm)
    density = est.power_density(amplitude(nu, 300.0) * np.cos(angles) + 3.0)
    spacing_cm = est.wavenumber_cm[1] - est.wavenumber_cm[0]
    integral = (density.sum() - density[0] / 2) * spacing_cm  # half of the first bin lies below 0
    directly = (velocities**2).sum(axis=1).mean() / thermal
    assert 2 * LIGHT_CM_FS * integral / thermal == pytest.approx(directly, rel=2e-3)
    assert directly == pytest.approx(40.0, rel=0.01)


@pytest.mark.parametrize("shape", ["gaussian", "hann"])
def test_window_weighs_lag_zero_fully(shape):
    """A Hann window over both sides of a one-sided correlation would begin with 0 and take a line's area."""
    assert lag_window(9000, 1.0, 10.0, shape)[0] == 1.0
    est = Estimator(1.0, ANALYTIC_STEP_FS, 20.0, 50.0, 4000.0, shape)
    density = infrared_density(normal_modes([1500.0], 300.0, 1.0) @ [[DEBYE_EA, 0, 0]], 300.0, est)
    assert around(est.wavenumber_cm, density, 1500.0, 300) == pytest.approx(KM_MOL_PER_DEBYE2, rel=0.01)


def test_hann_width_is_the_textbook_one():
    """Half a Hann window over T of a long run: full width 1/cT, 16.3 cm⁻¹ for 2048 fs."""
    window = lag_window(10**6, 1.0, 1 / (LIGHT_CM_FS * 2048.0), "hann")
    assert len(window) == pytest.approx(2048, abs=4)
    assert pytest.approx(16.3, abs=0.05) == 1 / (LIGHT_CM_FS * 2048.0)


def test_vector_is_correlated_not_its_length():
    """A rotating dipole of constant length absorbs where it rotates; |μ| would show nothing."""
    t = np.arange(0, LENGTH_FS)
    angle = 2 * np.pi * LIGHT_CM_FS * 800.0 * t
    est = estimator()
    density = est.power_density(np.stack([np.cos(angle), np.sin(angle), 0 * t], 1))
    assert est.wavenumber_cm[np.argmax(density)] == pytest.approx(800.0, abs=1.0)
    whole = density.sum() * (est.wavenumber_cm[1] - est.wavenumber_cm[0])
    expected = (2 * np.pi * LIGHT_CM_FS * 800.0) ** 2 / (2 * LIGHT_CM_FS)  # ∫ over ν̃ > 0 is ⟨|μ̇|²⟩/2c
    assert whole == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("n", [2200, 9001])
def test_noise_never_gives_a_negative_spectrum(n):
    noise = np.random.default_rng(n).normal(size=(n, 3)) + 100.0
    density = estimator(fwhm_cm=20.0).power_density(noise)
    assert density.min() > -1e-12 * density.max()


@pytest.mark.parametrize("fwhm_cm", [5.0, 10.0, 25.0])
def test_stated_width_is_the_width_of_a_line(fwhm_cm):
    est = estimator(fwhm_cm=fwhm_cm)
    density = est.power_density(normal_modes([1500.0], 300.0, 1.0))
    (band,) = find_bands(est.wavenumber_cm, density[None])
    assert band.fwhm_cm == pytest.approx(fwhm_cm, rel=0.01)


def test_stated_width_holds_for_the_shortest_allowed_run():
    n = int(np.ceil(window_length_fs(10.0)))
    shape = lag_window(n, 1.0, 10.0) * (1 - np.arange(n) / n)
    nu, density = cosine_transform(shape, 1.0, 0.02)
    assert 2 * np.interp(-density[0] / 2, -density[nu < 20], nu[nu < 20]) == pytest.approx(10.0, rel=1e-3)


@pytest.mark.parametrize("kind", ["isotropic", "traceless"])
def test_parts_do_not_leak_into_each_other(kind):
    q = normal_modes([1000.0], 300.0, 1.0)[:, :, None]
    tensor = np.eye(3) if kind == "isotropic" else np.array([[1.0, 0.4, 0], [0.4, -3.0, 0.2], [0, 0.2, 2.0]])
    own, other = raman_density(q * tensor, 300.0, estimator())
    if kind == "traceless":
        own, other = other, own
    assert np.abs(other).max() < 1e-20 * own.max()


def test_components_keep_their_weight():
    q = normal_modes([1000.0, 3000.0], 300.0, 1.0)
    est = estimator()
    density = est.power_density(q * [17.0, 1.0])
    strong, weak = (around(est.wavenumber_cm, density, centre) for centre in (1000.0, 3000.0))
    assert strong / weak == pytest.approx(289.0, rel=0.02)


def test_tensor_is_correlated_not_its_invariant():
    """√γ² of a tensor vibrating at 1000 cm⁻¹ oscillates at 2000; the tensor itself does not."""
    alpha = normal_modes([1000.0], 300.0, 1.0)[:, :, None] * np.diag([1.0, -1.0, 0.0])
    est = estimator()
    _, anisotropic = raman_density(alpha, 300.0, est)
    assert around(est.wavenumber_cm, anisotropic, 2000.0) < 1e-3 * around(
        est.wavenumber_cm, anisotropic, 1000.0
    )


def test_turned_trajectory_gives_the_same_spectra():
    q = normal_modes(FREQUENCIES_CM, 300.0, 1.0)
    mu = q @ np.random.default_rng(5).normal(size=(5, 3))
    alpha = np.einsum("tm,mij->tij", q, symmetric_tensors(5, seed=6))
    turn = Rotation.random(rng=7).as_matrix()
    est = estimator()
    before = [infrared_density(mu, 300.0, est), *raman_density(alpha, 300.0, est)]
    after = [infrared_density(mu @ turn.T, 300.0, est), *raman_density(turn @ alpha @ turn.T, 300.0, est)]
    for first, second in zip(before, after, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-7, atol=1e-12 * first.max())


# invariants of the scattered light of each arrangement at 90°, Long table 5.2 (a: linear, perpendicular)
ARRANGEMENTS = {
    "cross_section": lambda b2, g2: (45 * b2 + 7 * g2) / 45,
    "parallel": lambda b2, g2: (45 * b2 + 4 * g2) / 45,
    "perpendicular": lambda b2, g2: 3 * g2 / 45,
    "natural_light": lambda b2, g2: (45 * b2 + 13 * g2) / 90,
}


@pytest.mark.parametrize("photons", [False, True])
@pytest.mark.parametrize("geometry", ARRANGEMENTS)
@pytest.mark.parametrize(("laser_nm", "temperature_K"), [(532.0, 300.0), (785.0, 150.0)])
def test_stokes_cross_section_against_si_constants(laser_nm, temperature_K, geometry, photons):
    """Long's (16π⁴)(ν̃0−ν̃)⁴ h/(8π²cν̃) · (Xβ'² + Yγ'²)/45 /(1−e^{−hcν̃/kT}), all numbers in SI here."""
    h, c, k, amu = 6.62607015e-34, 299792458.0, 1.380649e-23, 1.66053907e-27
    nu = np.array([500.0, 3000.0])
    nu_m, laser_m = nu * 100, 1 / (laser_nm * 1e-9)
    beta2, gamma2 = 0.4 / 45, 0.6 / 7  # Å⁴/amu
    expected = (
        16 * np.pi**4 * (laser_m - nu_m) ** 4 * h / (8 * np.pi**2 * c * nu_m)
        * (1e-40 / amu) * ARRANGEMENTS[geometry](beta2, gamma2)
        / (1 - np.exp(-h * c * nu_m / (k * temperature_K)))
    )  # fmt: skip
    if photons:  # counted: ν̃0 (ν̃0−ν̃)³
        expected *= laser_m / (laser_m - nu_m)
    found = stokes_cross_section(
        nu, np.full(2, 0.4), np.full(2, 0.6), temperature_K, laser_nm, *GEOMETRIES[geometry], photons
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_polarised_geometries_and_blank():
    nu, iso, aniso = np.array([99.0, 1000.0]), np.array([45.0, 45.0]), np.array([14.0, 14.0])
    unpolarised, parallel, perpendicular = (
        stokes_cross_section(nu, iso, aniso, 300.0, 532.0, *xy) for xy in ((45, 7), (45, 4), (0, 3))
    )
    assert np.isnan(unpolarised[0])
    assert unpolarised[1] == pytest.approx(parallel[1] + perpendicular[1])
    assert perpendicular[1] / parallel[1] == pytest.approx(float(depolarisation_ratio(iso, aniso)[1]))
    assert depolarisation_ratio(np.array([0.0]), aniso[:1])[0] == 0.75


def test_neighbouring_integrals_add_up():
    est = estimator()
    density = np.random.default_rng(8).random((3, len(est.wavenumber_cm)))
    whole = band_areas(est.wavenumber_cm, density, 300.0, 900.0)
    parts = band_areas(est.wavenumber_cm, density, 300.0, 456.78)
    parts = parts + band_areas(est.wavenumber_cm, density, 456.78, 900.0)
    np.testing.assert_allclose(parts, whole)


def test_bands_meet_at_the_minimum():
    nu = np.arange(500.0, 1500.0)
    lines = [np.exp(-0.5 * ((nu - centre) / 20) ** 2) for centre in (900.0, 1000.0)]
    first, second = find_bands(nu, (3 * lines[0] + lines[1])[None])
    assert first.upper_cm == second.lower_cm
    assert 940 < first.upper_cm < 970
    assert (first.peak_cm, second.peak_cm) == (900.0, 1000.0)
    assert first.area.value == pytest.approx(3 * 20 * np.sqrt(2 * np.pi), rel=0.02)
    assert first.fwhm_cm == pytest.approx(20 * np.sqrt(8 * np.log(2)), rel=0.01)
    assert np.isnan(first.area.standard_error)


@pytest.mark.parametrize("density", [np.zeros(400), np.ones(400), np.linspace(0.0, 1.0, 400)])
def test_spectrum_without_peaks_has_no_bands(density):
    assert find_bands(np.arange(100.0, 500.0), np.stack([density, density])) == []


@pytest.mark.physics
def test_thermal_replicas_scatter_as_theory_says():
    """Mode energies are exponential: mean area exact, standard error mean/√n, each within 4 σ."""
    rng, n = np.random.default_rng(9), 256
    est = estimator(2.0, fwhm_cm=40.0)
    q = normal_modes([1500.0], 300.0, 2.0)[:1500]
    line = infrared_density(q @ np.array([[DEBYE_EA, 0, 0]]), 300.0, est)
    densities = line * rng.exponential(size=n)[:, None]
    area, error, *_ = band_integral(est.wavenumber_cm, densities, 1200.0, 1800.0)
    assert area == pytest.approx(KM_MOL_PER_DEBYE2, rel=4 / np.sqrt(n) + 0.02)
    # the variance of a sample variance of an exponential is 8/n, hence that of its root (8/n)/4
    assert error == pytest.approx(KM_MOL_PER_DEBYE2 / np.sqrt(n), rel=4 * np.sqrt(2 / n) + 0.02)


@pytest.mark.physics
def test_standard_error_is_unbiased_for_gaussian_replicas():
    samples = np.random.default_rng(10).normal(scale=3.0, size=(16, 4000))
    variances = standard_error(samples) ** 2
    expected = 9.0 / 16
    sigma = expected * np.sqrt(2 / 15 / 4000)
    assert abs(variances.mean() - expected) < 4 * sigma
