"""How far to trust a result, in plain words: every sentence names the number that it judges."""

from collections.abc import Mapping, Sequence
from typing import Any

FEW_REPLICAS = 8  # of fewer, the error itself is little more than a guess
LARGE_DRIFT_MEV_ATOM_PS = 0.5  # over 10 ps a tenth of an atom's kinetic energy at 300 K
SIGMA = 3.0
MOST_NAMED = 3  # replicas
UNLEARNT = 0.2  # of the error of predicting the mean
UNCERTAIN_AREA = 0.2  # relative standard error
WIDE_AT_CM = 15.0  # resolution that hides neighbouring bands
DIFFUSE = ("aug", "ma-", "+")  # in a basis set's name; def2-...D too

LIMITS = (  # of classical dynamics
    "Zero-point motion: X–H stretches stay 100 to 200 cm⁻¹ above the measured ones; no frequency is scaled "
    "to hide it.",
    "Tunnelling, and with it splittings of methyl and hydroxyl torsions.",
    "Fermi resonances, overtones and combinations: their classical intensities fall with temperature to "
    "nothing, the quantum ones do not.",
    "A liquid: measured Raman spectra are often of the neat liquid, whose hydrogen bonds move and broaden "
    "O–H bands.",
)


ARTEFACTS = {  # numbers of a rotating Morse O–H at 300 K: tests/physics/test_rotating_morse.py
    "classical": "Classical nuclei: an O–H stretch lies some 150 cm⁻¹ too high, a C–H stretch some 100.",
    "rpmd": "RPMD: where a band meets a free mode of the ring polymer (near 1308, 2603 and 3874 cm⁻¹ at "
    "300 K with 32 beads) it splits or shifts, and the stretches stay some 70 cm⁻¹ too high.",
    "trpmd": "TRPMD: thermostats broaden every stretch, an O–H band to 100–150 cm⁻¹ where nothing broadens "
    "it in truth, and leave it some 25 cm⁻¹ too high; read positions, not widths.",
    "tepigs": "Te PIGS: the learnt potential belongs to an elevated temperature and was learnt from noise; "
    "an O–H stretch may lie some 15 cm⁻¹ low. Overtones and Fermi resonances stay classical.",
}


def artefact(dynamics: str) -> str:
    """What a kind of dynamics is known to do to bands, whatever the model."""
    return ARTEFACTS.get(dynamics.rstrip("0123456789"), "")


def of_the_model(quality: Mapping[str, Any]) -> list[str]:
    """Where one model's dynamics stopped, left what it was trained on, or is unsure.

    quality: dynamics.json.
    """
    found = []
    stopped = quality.get("stopped", [])
    if stopped:
        named = "; ".join(f"replica {told['replica']}: {told['reason']}" for told in stopped[:MOST_NAMED])
        found.append(
            f"{len(stopped)} of {quality['n_replicas'] + len(stopped)} replicas were stopped and are left "
            f"out ({named}{'; …' if len(stopped) > MOST_NAMED else ''}). What they would have shown is "
            "missing: label geometries like these, train longer, or shorten md.timestep_fs."
        )
    farthest = quality.get("farthest_frames", [])
    if farthest:
        named = "; ".join(
            f"replica {told['replica']} after {told['time_ps']:g} ps: {told['reason']}"
            for told in farthest[:MOST_NAMED]
        )
        what = "frames have a bead" if "rpmd" in quality["dynamics"] else "frames lie"
        found.append(
            f"{100 * quality['outside_trained_range']:.2g} % of the {what} outside of the range that the "
            f"model was trained in ({named}): it extrapolates there. Label such geometries."
        )
    if quality.get("spread_is_large"):
        spread = quality["forces_spread_meV_A"]
        worst = quality["frames_of_largest_spread"][0]
        found.append(
            f"The members' forces differ by {spread['dynamics']:.3g} meV/Å along the dynamics and by "
            f"{spread['test']:.3g} on the test frames, most in replica {worst['replica']} after "
            f"{worst['time_ps']:g} ps: errors are larger than the test says. Label such geometries."
        )
    return found


def cautions(
    quality: Mapping[str, Any],
    errors: Sequence[Mapping[str, str]],
    bands: Sequence[Mapping[str, str]],
    notes: Mapping[str, str],
    imaginary_modes: int = 0,
    polarizability_basis: str | None = None,
    members: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """Sentences on what a reader should not rely on; none where nothing stands out.

    quality: dynamics.json; errors: rows of errors.csv; bands: rows of bands.csv; notes: of ir.csv;
    polarizability_basis: of the labels, if known; members: dynamics.json of the ensemble's further models.
    """
    found = []
    n_replicas = int(quality.get("n_replicas", 0))
    if n_replicas < FEW_REPLICAS:
        found.append(
            f"Only {n_replicas} replicas: the error bars themselves are uncertain. Raise md.n_replicas to "
            f"{FEW_REPLICAS} or more."
        )
    found += of_the_model(quality)
    for number, other in (members or {}).items():
        found += [f"Model {number}: {words}" for words in of_the_model(other)]
    temperature, aim = quality.get("kinetic_temperature_K") or {}, quality.get("temperature_K")
    error = temperature.get("standard_error")
    if aim and error and abs(temperature["mean"] - aim) > SIGMA * error:
        found.append(
            f"The dynamics ran at {temperature['mean']:.0f} ± {error:.0f} K instead of {aim:g} K: "
            "intensities are those of another temperature. Equilibrate longer or run more replicas."
        )
    # thermostats of TRPMD take up what a finite step adds
    thermostatted = str(quality.get("dynamics", "")).startswith("trpmd")
    drift = None if thermostatted else (quality.get("drift_meV_atom_ps") or {}).get("mean")
    if drift is not None and abs(drift) > LARGE_DRIFT_MEV_ATOM_PS:
        found.append(
            f"The total energy drifts by {drift:.2g} meV per atom and ps: the step is too long or the model "
            "too rough. Shorten md.timestep_fs or train longer."
        )
    for row in errors:
        mae, baseline = float(row["mae"]), float(row["baseline_mae"])
        if baseline > 0 and mae > UNLEARNT * baseline:
            found.append(
                f"The model predicts {row['property']} with an error of {mae:.3g} {row['unit']}, "
                f"{100 * mae / baseline:.0f} % of that of predicting the mean: it has hardly learnt it. "
                "Train longer or label more geometries."
            )
    vague = [row for row in bands if float(row.get("area_relative_error") or 0) > UNCERTAIN_AREA]
    if vague:
        found.append(
            f"{len(vague)} of {len(bands)} band areas are known to no better than "
            f"{100 * UNCERTAIN_AREA:.0f} % by sampling alone. More replicas help, as the band table says."
        )
    fwhm = float(notes.get("fwhm_cm", 0))
    if fwhm > WIDE_AT_CM:
        found.append(
            f"The resolution is {fwhm:g} cm⁻¹: bands closer than that look like one. Longer runs allow a "
            "smaller spectra.fwhm_cm."
        )
    if imaginary_modes:
        found.append(
            f"{imaginary_modes} harmonic wavenumbers of the model are imaginary: a conformer of it is no "
            "minimum. Train longer or label more geometries."
        )
    if polarizability_basis and not has_diffuse_functions(polarizability_basis):
        found.append(
            f"The polarizabilities are those of {polarizability_basis}, without diffuse functions: weak "
            "Raman bands may be twice too strong, depolarisation ratios too high. Set "
            "method.polarizability_basis to def2-TZVPD."
        )
    return found


def has_diffuse_functions(basis: str) -> bool:
    """By the usual names: aug-cc-pVTZ, ma-def2-SVP, 6-31+G*, def2-TZVPD."""
    name = basis.lower()
    return any(word in name for word in DIFFUSE) or (name.startswith("def2") and name.endswith("d"))
