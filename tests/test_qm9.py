"""QM9's files: raw ones and copies, molecules left out, references of free atoms, splits."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from painn_spectra.errors import InputError
from painn_spectra.published import qm9
from painn_spectra.published.qm9 import RAW_ORDER, TARGETS, read_qm9, split_molecules
from painn_spectra.published.qm9_lists import read_atomref, read_excluded, references
from painn_spectra.units import BOHR_A, HARTREE_EV

DATA = Path(__file__).parents[2] / "shared/data/qm9"
at_hand = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/qm9, a hundred molecules of QM9")
# molecule 1 as published, methane; a charge and a coordinate written as Mathematica does
METHANE = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t\
0.044749\t-40.47893\t-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 2.150416*^-3\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 0.9063972942\t 1.33923*^-1
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""


def test_a_raw_file_gives_the_published_values(tmp_path):
    (tmp_path / "dsgdb9nsd_000001.xyz").write_text(METHANE)
    with tarfile.open(tmp_path / "dsgdb9nsd.tar.bz2", "w:bz2") as archive:
        archive.add(tmp_path / "dsgdb9nsd_000001.xyz", "dsgdb9nsd_000001.xyz")
    for source in (tmp_path, tmp_path / "dsgdb9nsd.tar.bz2"):
        found = read_qm9(source)
        assert found.index.tolist() == [1] and found.numbers.tolist() == [[6, 1, 1, 1, 1]]
        assert found.positions[0, 1] == pytest.approx([0.002150416, -0.0060313176, 0.0019761204])
        expected = {"alpha": 13.21, "homo": -0.3877, "r2": 35.3641, "U0": -40.47893, "Cv": 6.469}
        for name, value in expected.items():
            assert found.properties[name] == pytest.approx([value])


def test_uncharacterised_molecules_are_left_out(tmp_path, capsys):
    for k in (1, 2, 3):
        (tmp_path / f"dsgdb9nsd_{k:06d}.xyz").write_text(METHANE.replace("gdb 1", f"gdb {k}"))
    rows = "Heading of the list\n    2  CC  CO  CN\n   21725  C#C  C=C  C-C\n--------\n3054 compounds\n"
    (tmp_path / "uncharacterized.txt").write_text(rows)
    assert read_qm9(tmp_path, tmp_path / "uncharacterized.txt").index.tolist() == [1, 3]
    assert "names 2 molecules, the official list 3054" in capsys.readouterr().out
    assert read_excluded(tmp_path / "uncharacterized.txt").tolist() == [2, 21725]


def test_the_usual_npz(tmp_path):
    arrays = {name: np.array([1.0, 2.0]) for name in RAW_ORDER} | {"zpve": np.array([0.021, 0.01])}
    arrays |= {"charges": np.array([[8, 1, 1], [1, 1, 0]]), "positions": np.ones((2, 3, 3)), "index": [5, 4]}
    np.savez(tmp_path / "qm9.npz", **arrays)
    found = read_qm9(tmp_path / "qm9.npz")
    assert found.index.tolist() == [4, 5] and found.properties["U0"].tolist() == [2.0, 1.0]
    np.savez(tmp_path / "other.npz", R=np.zeros(3))
    with pytest.raises(InputError, match=r"other.npz: no .npz of QM9"):
        read_qm9(tmp_path / "other.npz")


BROKEN = {
    "fewer atoms": ("\n".join(METHANE.splitlines()[:4]), "5 atoms need 10 lines, 4 are left"),
    "no frequencies": ("\n".join(METHANE.splitlines()[:7]), "5 atoms need 10 lines, 7 are left"),
    "empty": ("", "is empty"),
    "no atoms": ("0\n" + METHANE.splitlines()[1] + "\n\n\nC", "0 atoms need 5"),
    "less than none": ("-" + METHANE, "-5 atoms need"),
    "element": (METHANE.replace("H\t", "X\t"), "'X'"),
    "a third": (METHANE + "\n\n" + METHANE, "line 11 begins no molecule"),
    "columns": (METHANE.replace("0.0019761204\t 0.133921", ""), "inhomogeneous"),
    "no number": (METHANE.replace("-40.47893", "nan"), "'nan' is no number"),
    "bytes": (b"\xff\xfe", "neither text nor"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_raw_file_is_named(tmp_path, name):
    """In a folder and in an archive, by its own name."""
    content, words = BROKEN[name]
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "dsgdb9nsd_000001.xyz").write_text(METHANE.replace("gdb 1", "gdb 2"))
    (tmp_path / "dsgdb9nsd_000005.xyz").write_bytes(content)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for path in sorted(tmp_path.glob("*.xyz")):
            archive.add(path, path.name)
    for source, place in ((tmp_path, "/"), (tmp_path / "a.tar", "/a.tar: ")):
        with pytest.raises(InputError, match=rf"^{tmp_path}{place}dsgdb9nsd_000005.xyz: .*{words}"):
            read_qm9(source)


def test_an_archive_with_a_link_to_nothing_is_named(tmp_path):
    link = tarfile.TarInfo("a.xyz")
    link.type, link.linkname = tarfile.SYMTYPE, "absent.xyz"
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(link)
    with pytest.raises(InputError, match=r"a.tar: a.xyz: ends early or is damaged"):
        read_qm9(tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"positions": np.ones((2, 6))}, r"positions \(2, 6\); restore"),
        ({"positions": np.ones((2, 4, 3))}, r"positions \(2, 4, 3\); restore"),
        ({"U0": np.ones((2, 1))}, r"U0 \(2, 1\); restore"),
        ({"U0": np.array(1.0)}, r"U0 \(\); restore"),
        ({"U0": np.array(["a", "b"])}, "U0 holds <U1, no real numbers"),
        ({"positions": np.ones((2, 3, 3)).astype(str)}, "positions holds <U"),
        ({"charges": np.array([[8, 1, 1], [1, 1, -1]])}, "charges holds -1"),
        ({"charges": np.array([[8, 1, 1], [1, 95, 1]])}, "charges holds 95"),
        ({"charges": np.array([[8, 1, 1], [1, 1.5, 1]])}, "charges holds 1.5"),
        ({"charges": np.array([[8, 1, 1], [0, 0, 0]])}, "molecule 5 has no atoms"),
        ({"charges": np.array(1)}, "0 molecules of up to 0 atoms"),
        ({"index": np.array([4, 4])}, "molecule 4 stands there twice"),
        ({"index": np.array([4.5, 4])}, "index holds 4.5"),
        ({"index": np.array([0, 4])}, "index holds 0, no whole number of 1 to 133885"),
    ],
)
def test_damaged_arrays_are_named(tmp_path, damage, words):
    arrays = {name: np.array([1.0, 2.0]) for name in RAW_ORDER} | {"index": np.array([4, 5])}
    arrays |= {"charges": np.array([[8, 1, 1], [1, 1, 0]]), "positions": np.ones((2, 3, 3))} | damage
    np.savez(tmp_path / "qm9.npz", **arrays)
    with pytest.raises(InputError, match=f"^{tmp_path}/qm9.npz: .*{words}"):
        read_qm9(tmp_path / "qm9.npz")


@at_hand
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"positions": 1 / BOHR_A}, "positions look like bohr, not Å"),
        ({"U0": HARTREE_EV}, r"U0 is 28\.\d times .* looks like eV; multiply it by 0.03674932"),
        ({"G": 627.5095}, "G is .* looks like kcal/mol"),
        ({"zpve": HARTREE_EV}, "zpve is .* looks like eV"),
        ({"homo": HARTREE_EV}, "homo is .* looks like eV"),
        ({"gap": HARTREE_EV}, "gap is .* looks like eV"),
    ],
)
def test_a_copy_in_other_units_is_told(tmp_path, change, words, capsys):
    data = read_qm9(DATA / "qm9_reduced_100.xyz")
    arrays = data.properties | {"charges": data.numbers, "positions": data.positions, "index": data.index}
    np.savez(tmp_path / "qm9.npz", **arrays)
    read_qm9(tmp_path / "qm9.npz")
    assert not capsys.readouterr().out
    np.savez(tmp_path / "qm9.npz", **arrays | {name: arrays[name] * by for name, by in change.items()})
    with pytest.raises(InputError, match=f"^{tmp_path}/qm9.npz: .*{words}"):
        read_qm9(tmp_path / "qm9.npz")


@at_hand
def test_energies_of_atomisation_are_told(tmp_path, capsys):
    data = read_qm9(DATA / "qm9_reduced_100.xyz")
    bound = data.properties["U0"] - references(DATA / "atomref.txt", "U0", data.numbers)[data.numbers].sum(1)
    arrays = {"charges": data.numbers, "positions": data.positions, "index": data.index, "U0": bound}
    np.savez(tmp_path / "qm9.npz", **arrays)
    read_qm9(tmp_path / "qm9.npz")
    assert "U0 is 0.00744 times the total energy in Hartree" in capsys.readouterr().out


HEADING = "List of molecules among the 133885\n\n=====\n#   Index   GDB17 SMILES   SMILES   D_IJ\n=====\n"


def test_both_forms_of_the_list_are_read(tmp_path):
    (tmp_path / "a.txt").write_text(HEADING + "  58  NC  NC  [NH]C  6.03\n  61  N  C  C  5.63\n=====\n")
    (tmp_path / "b.txt").write_text("58\n61\n")
    assert (
        read_excluded(tmp_path / "a.txt").tolist() == [58, 61] == read_excluded(tmp_path / "b.txt").tolist()
    )


@pytest.mark.parametrize(
    "content", [METHANE, "1\nmolecule\n2", "0\n1", "1\n133886", "58 NC\n61 N", HEADING, "", b"\xff\xfe"]
)
def test_what_is_no_list_of_molecules_is_refused(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"a.txt: (is no list of molecules|cannot be read as text)"):
        read_excluded(tmp_path / "a.txt")


ATOMREF = (
    "Ele- ZPVE U H\n   H  0.0 -0.5 -4.98E-01 -0.5 -1 2.981\n   C  0.0 -37.8 -37.8 -37.8 -37.8 2.981\n==="
)


def test_free_atoms_may_be_written_with_exponents(tmp_path):
    (tmp_path / "atomref.txt").write_text(ATOMREF)
    assert references(tmp_path / "atomref.txt", "U", np.array([1, 6, 0]))[[1, 6]].tolist() == [-0.498, -37.8]
    assert not references(tmp_path / "atomref.txt", "mu", np.array([1, 6, 0])).any()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ATOMREF.replace(" C ", " Xx "), "has no row for C"),
        (ATOMREF.replace("-37.8", "x"), "row of C: could not convert"),
        (ATOMREF.replace("-37.8", "nan"), "holds no atomic references"),
        ("H 1.0", "holds no atomic references"),
        (b"\xff\xfe", "cannot be read as text"),
    ],
)
def test_free_atoms_that_are_missing_are_named(tmp_path, content, words):
    (tmp_path / "a.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=f"a.txt: {words}"):
        references(tmp_path / "a.txt", "U0", np.array([[6, 1]]))


@pytest.mark.parametrize("kind", ["tar", "cut", "text", "npz", "short", "nan"])
def test_damaged_archives_are_named(tmp_path, kind):
    with tarfile.open(tmp_path / "whole.tar", "w:bz2") as archive:
        for k in range(400):
            content = METHANE.replace("gdb 1", f"gdb {k + 1}").encode()
            member = tarfile.TarInfo(f"dsgdb9nsd_{k:06d}.xyz")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    whole = (tmp_path / "whole.tar").read_bytes()
    assert len(read_qm9(tmp_path / "whole.tar")) == 400
    source = tmp_path / ("other.npz" if kind in ("npz", "short", "nan") else "other.tar.bz2")
    source.write_bytes(
        {"tar": whole[:-30], "cut": whole[: len(whole) // 2], "text": b"\xff\xfe"}.get(kind, b"PK")
    )
    if kind in ("short", "nan"):
        arrays = {name: np.zeros(2) for name in RAW_ORDER} | {"index": np.arange(1, 3)}
        arrays |= {"charges": np.ones((2, 2), int), "positions": np.zeros((2, 2, 3))}
        arrays["U0"] = np.zeros(1) if kind == "short" else np.array([0.0, np.nan])
        np.savez(source, **arrays)
    with pytest.raises(InputError, match=r"restore|no .npz of QM9"):
        read_qm9(source)


def test_numbers_of_a_copy_that_lacks_molecules_are_not_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(qm9, "N_MOLECULES", 4)
    monkeypatch.setattr(qm9, "N_EXCLUDED", 1)
    lines = METHANE.replace("*^", "e").splitlines()
    values = zip(RAW_ORDER, lines[1].split()[2:], strict=True)
    head = "Properties=species:S:1:pos:R:3 " + " ".join(f"{name}={value}" for name, value in values)
    one = "\n".join([lines[0], head, *lines[2:7], ""])
    (tmp_path / "list.txt").write_text("3\n")
    for n, left in ((4, [1, 2, 4]), (2, [1, 2])):
        (tmp_path / "copy.xyz").write_text(one * n)
        assert read_qm9(tmp_path / "copy.xyz", tmp_path / "list.txt").index.tolist() == left
    (tmp_path / "copy.xyz").write_text(one * 3)
    with pytest.raises(InputError, match=r"copy.xyz: 3 molecules, so those of .* leave out qm9.excluded"):
        read_qm9(tmp_path / "copy.xyz", tmp_path / "list.txt")


def test_a_split_is_drawn_once_and_for_all():
    parts = split_molecules(130_831, 110_000, 10_000, 0)
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [110_000, 10_000, 10_831]
    assert len(np.unique(np.concatenate(list(parts.values())))) == 130_831
    assert np.array_equal(parts["test"], split_molecules(130_831, 110_000, 10_000, 0)["test"])
    with pytest.raises(InputError, match="leave none of 100 to test"):
        split_molecules(100, 90, 10, 0)


@at_hand
def test_the_hundred_molecules(capsys):
    """Water is the third: published values; energies of atomisation by the references, 10 eV for water."""
    found = read_qm9(DATA / "qm9_reduced_100.xyz")
    assert len(found) == 100 and found.numbers[2, :4].tolist() == [8, 1, 1, 0]
    expected = {"mu": 1.8511, "alpha": 6.31, "homo": -0.2928, "lumo": 0.0687, "gap": 0.3615, "r2": 19.0002,
                "zpve": 0.021375, "U0": -76.404702, "U": -76.401867, "H": -76.400922, "G": -76.422349,
                "Cv": 6.002}  # fmt: skip
    assert {name: found.properties[name][2] for name in TARGETS} == expected
    free = read_atomref(DATA / "atomref.txt")
    assert free["U0"] == {1: -0.500273, 6: -37.846772, 7: -54.583861, 8: -75.064579, 9: -99.71873}
    atomisation_eV = (expected["U0"] - free["U0"][8] - 2 * free["U0"][1]) * 27.21138
    assert atomisation_eV == pytest.approx(-9.25, abs=0.1)  # D0 of water at 0 K, 219.3 kcal/mol
