"""The labelled molecule against the settings, without reading the whole file."""

import pytest

from painn_spectra.config import load_config
from painn_spectra.errors import InputError
from painn_spectra.first_frame import first_frame
from painn_spectra.plan_checks import check_plan

WATER = """3
Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-1.0 pbc="F F F"
O 0.0 0.0 0.0 0 0 0
H 0.0 0.76 0.59 0 0 0
H 0.0 -0.76 0.59 0 0 0
"""
FAR = WATER.replace("-0.76 0.59", "-0.76 2.59")


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Plan a run of one or two entries on the given labels."""
    monkeypatch.chdir(tmp_path)

    def run(labels=WATER, second=None, cutoff_A=5.0, **molecule):
        (tmp_path / "a.extxyz").write_text(labels, encoding="utf-8")
        molecules = [{"name": "a", "labels": "a.extxyz", **molecule}, *([second] if second else [])]
        return check_plan(load_config({"molecules": molecules, "model": {"cutoff_A": cutoff_A}}))

    return run


def test_the_first_frame_of_the_shipped_labels(ethanol_labels):
    frame = first_frame(ethanol_labels)
    assert "".join(frame.symbols) == "CCOHHHHHH"
    assert sum(frame.atomic_numbers) == 26
    assert frame.neighbours()[3][0] == pytest.approx(0.94, abs=0.05)  # O-H


@pytest.mark.parametrize(
    "text",
    ["", "labels", "3\n", "0\nProperties=species:S:1:pos:R:3\n", "3\nwater\n" + WATER.split("\n", 2)[2],
     "9" * 12 + WATER[1:], WATER.replace("O ", "Q "), WATER.replace("0.76", "wide"), WATER[:90],
     WATER.replace("0.59", "nan")],
)  # fmt: skip
def test_a_file_that_is_not_plain_is_left_to_the_stage_that_reads_it(text, check, tmp_path):
    assert check(text, isotopes={99: 2.0}) == []
    assert first_frame(tmp_path / "a.extxyz") is None


@pytest.mark.parametrize(
    ("molecule", "line"),
    [
        ({"isotopes": {3: 2.014}}, r"molecules.a.isotopes: a.extxyz has no atom 3; indices run from 0 to 2"),
        ({"charge": 1}, r"a.multiplicity = 1 wants 0 unpaired electrons, .* charge = 1 has 9 in all"),
        ({"multiplicity": 2}, r"a.multiplicity = 2 wants 1 unpaired electrons, .* has 10 in all"),
        ({"multiplicity": 13}, r"a.multiplicity = 13 wants 12 unpaired"),
        ({"charge": 11, "multiplicity": 2}, r"charge = 11 has -1 in all"),
        ({"cutoff_A": 0.9}, r"model.cutoff_A = 0.9: in a.extxyz an atom has its nearest neighbour at 0.96 Å"),
    ],
)
def test_settings_that_the_molecule_contradicts(molecule, line, check):
    with pytest.raises(InputError, match=line) as error:
        check(**molecule)
    assert "\n" not in str(error.value)


def test_settings_that_fit_pass(check):
    assert check(isotopes={2: 2.014}) == []
    assert check(charge=1, multiplicity=2) == []
    assert check(multiplicity=3) == []


def test_pairs_at_the_edge_of_the_cutoff_are_told(check):
    (line,) = check(FAR, cutoff_A=2.8)
    assert line.startswith("model.cutoff_A = 2.8: a.extxyz has pairs at 2.70 to 2.70 Å")
    assert "\n" not in line
    assert check(FAR, cutoff_A=3.5) == []
    # who trains nothing has no cutoff of its own to warn about, and two who share labels say it once
    assert len(check(FAR, {"name": "b", "model_from": "a"}, cutoff_A=2.8)) == 1
    assert len(check(FAR, {"name": "b", "labels_from": "a"}, cutoff_A=2.8)) == 1


@pytest.mark.parametrize("key", ["labels_from", "model_from"])
@pytest.mark.parametrize("state", [{"charge": 1}, {"multiplicity": 3}])
def test_an_entry_has_the_charge_and_multiplicity_of_what_it_inherits(key, state, check):
    ion = {"charge": 1, "multiplicity": 2} | state if "charge" in state else state
    name, value = next(iter(state.items()))
    line = rf"molecules.b.{name} = {0 if name == 'charge' else 1}, but a, named by {key}, has {value}; set"
    with pytest.raises(InputError, match=line) as error:
        check(second={"name": "b", key: "a"}, **ion)
    assert "\n" not in str(error.value)
    assert check(second={"name": "b", key: "a", **ion}, **ion) == []


def test_labels_are_those_of_the_structure_and_the_method(check):
    assert check(structure="O") == check(structure="[2H]O") == []
    with pytest.raises(InputError, match=r"structure = 'C' is not the molecule of its labels, a.extxyz"):
        check(structure="C")
    with pytest.raises(InputError, match="structure = 'CO' is not the molecule"):
        check(second={"name": "b", "model_from": "a", "structure": "CO"})
    told = WATER.replace("REF_energy", 'REF_method="RKS PBE0/def2-TZVP RI" REF_energy')
    assert check(told) == []
    (line,) = check(told, method={"basis": "def2-SVP"})
    assert line.startswith("molecules.a.method: PBE0/def2-SVP, but a.extxyz, which is taken, says 'RKS PBE0/")
    with pytest.raises(InputError, match=r"method: PBE0/def2-SVP, but a.extxyz"):
        check(told, method={"basis": "def2-SVP"}, structure="O", grow=True)
    assert check(told, method={"program": "other", "functional": "B3LYP"}) == []
    assert check(told.replace("PBE0/", "PBE0-D3(BJ)/"), method={"dispersion": "D3(BJ)"}) == []
