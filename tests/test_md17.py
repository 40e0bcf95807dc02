"""MD17 and rMD17 by path: units, splits that do not overlap, labels that do not mix, the table."""

import json

import numpy as np
import pytest
from ase.build import molecule

from painn_spectra import keys
from painn_spectra.config import load_config
from painn_spectra.dataset import read_frames
from painn_spectra.errors import InputError
from painn_spectra.evaluate import evaluate_files
from painn_spectra.files import write_json, write_text
from painn_spectra.model.checkpoint import learnt, load_model
from painn_spectra.plan_checks import check_plan
from painn_spectra.published.md17 import LEARNT, gather_published
from painn_spectra.published.table import accuracy_table
from painn_spectra.settings.molecule import Published
from painn_spectra.split import read_split
from painn_spectra.train import train_model

KCAL = 1 / 23.060548  # eV, NIST


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Water labelled by GFN2-xTB in the form of rMD17's files; the original labels are a little stiffer."""
    xtb = pytest.importorskip("painn_spectra.reference.xtb")
    if not xtb.available():
        pytest.skip("tblite has no wheel for this platform")
    folder, rng, water = tmp_path_factory.mktemp("published"), np.random.default_rng(0), molecule("H2O")
    coords = water.positions + rng.normal(scale=0.04, size=(60, 3, 3))
    labels = [xtb.label(water.numbers, r, properties=LEARNT) for r in coords]
    energies, forces = (np.array([one[name] for one in labels]) / KCAL for name in LEARNT)
    arrays = {"coords": coords, "energies": energies, "forces": forces}
    arrays |= {"old_energies": energies - 7.0, "old_forces": 1.02 * forces}
    for name, part in (("train", slice(0, 40)), ("test", slice(40, 60)), ("all", slice(None))):
        chosen = {key: value[part] for key, value in arrays.items()}
        np.savez(folder / f"{name}.npz", nuclear_charges=water.numbers.astype(np.uint8), **chosen)
    np.savetxt(folder / "index_train_01.csv", np.arange(40), fmt="%d")
    np.savetxt(folder / "index_test_01.csv", np.arange(40, 60), fmt="%d")
    return folder


def settings(folder, labels="rmd17", **given):
    sizes = {"n_train": 30, "n_validation": 6}
    paths = {"train": str(folder / "train.npz"), "test": str(folder / "test.npz")}
    return Published(**{"system": "water", "labels": labels, **sizes, **paths, **given})


@pytest.mark.parametrize(("labels", "prefix", "word"), [("rmd17", "", "PBE/"), ("md17", "old_", "vdW-TS")])
def test_labels_come_in_our_units_and_never_mix(files, tmp_path, labels, prefix, word):
    gather_published(tmp_path / "d.extxyz", tmp_path / "s.json", settings(files, labels))
    frames = read_frames(tmp_path / "d.extxyz", LEARNT)
    parts = read_split(tmp_path / "s.json", tmp_path / "d.extxyz")
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [30, 6, 20]
    assert word in frames.level
    with np.load(files / "test.npz") as test:
        chosen = frames.take(parts["test"])
        assert chosen.positions == pytest.approx(test["coords"], abs=1e-7)
        for name, key in ((keys.ENERGY, "energies"), (keys.FORCES, "forces")):
            assert chosen.labels[name] == pytest.approx(test[prefix + key] * KCAL, rel=1e-6, abs=1e-7)


def test_indices_of_the_archive_name_the_same_frames(files, tmp_path):
    gather_published(tmp_path / "a.extxyz", tmp_path / "a.json", settings(files))
    paths = {
        key: str(files / name)
        for key, name in (
            ("train", "index_train_01.csv"),
            ("test", "index_test_01.csv"),
            ("frames", "all.npz"),
        )
    }
    gather_published(tmp_path / "b.extxyz", tmp_path / "b.json", settings(files, **paths))
    assert (tmp_path / "a.extxyz").read_text() == (tmp_path / "b.extxyz").read_text()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n_train": 38}, "has 40 frames, n_train = 38 and n_validation = 6 need 44"),
        ({"test": "copy.npz"}, "shares 36 frames"),
        ({"train": "wrong.npz"}, r"wrong.npz: is no file of rMD17 \('nuclear_charges is"),
        ({"train": "absent.npz"}, "absent.npz: no such file"),
        ({"system": "Ethanol"}, "train.npz: holds H2O, no Ethanol; correct published.system"),
        ({"test": "turned.npz"}, "turned.npz: frame 0 is H2O, the first one H2O, or its atoms have another"),
        ({"test": "rounded.npz"}, "shares 1 frames"),
    ],
)
def test_what_cannot_be_is_named(files, tmp_path, given, words):
    """Another order of atoms, and a copy written with fewer digits, among them."""
    np.savez(files / "wrong.npz", R=np.zeros(3))
    with np.load(files / "test.npz") as test, np.load(files / "train.npz") as train:
        arrays = {name: test[name] for name in test.files}
        turned = {name: arrays[name][:, ::-1] for name in ("coords", "forces")}
        charges = arrays["nuclear_charges"][::-1]
        np.savez(files / "turned.npz", **arrays | turned | {"nuclear_charges": charges})
        np.savez(files / "copy.npz", **train)
        learnt = train["coords"][np.random.default_rng(0).permutation(40)[0]]
        copy = np.concatenate([arrays["coords"][1:], learnt.round(7)[None]])
        energies, forces = np.linspace(-3180.1, -3180.0, len(copy)), arrays["forces"]
        np.savez(files / "rounded.npz", **arrays | {"coords": copy, "energies": energies, "forces": forces})
    paths = {key: str(files / value) if key in ("train", "test") else value for key, value in given.items()}
    with pytest.raises(InputError, match=words):
        gather_published(tmp_path / "d.extxyz", tmp_path / "s.json", settings(files, **paths))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("damage", "words"), [
    (lambda arrays: arrays.update(energies=arrays["energies"][:-1]), "do not fit each other"),
    (lambda arrays: arrays["energies"].__setitem__(3, np.nan), "energy hold NaN"),
    (lambda arrays: arrays.update(energies=arrays["energies"].astype(complex)), "energy holds complex128"),
    (lambda arrays: arrays.update(energies=arrays["energies"] > 0), "energy holds bool, no real numbers"),
    (lambda arrays: arrays.update(energies=arrays["energies"].astype(str)), "energy holds <U"),
    (lambda arrays: arrays.update(energies=np.array(1.0)), "do not fit each other"),
    (lambda arrays: arrays.update(coords=np.array(1.0)), "do not fit each other"),
    (lambda arrays: arrays.update(nuclear_charges=np.array([8.5, 1, 1])), "holds 8.5, no whole number"),
    (lambda arrays: arrays.update(nuclear_charges=np.array([0, 1, 1])), "nuclear_charges holds 0"),
    (lambda arrays: arrays.update(nuclear_charges=np.array([8, 1, 200])), "nuclear_charges holds 200"),
    (lambda arrays: arrays.update(nuclear_charges=np.array(["O", "H", "H"])), "nuclear_charges holds <U1"),
])  # fmt: skip
def test_damaged_arrays_are_named(files, tmp_path, damage, words):
    with np.load(files / "train.npz") as file:
        arrays = {name: file[name] for name in file.files}
    damage(arrays)
    np.savez(tmp_path / "damaged.npz", **arrays)
    with pytest.raises(InputError, match=words):
        gather_published(
            tmp_path / "d.extxyz", tmp_path / "s.json", settings(files, train=str(tmp_path / "damaged.npz"))
        )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("index\n1\n2\n", "'index'; give an index file of the archive, a number a line"),
        ("1 1\n2 2\n", "'1 1'; give an index file"),
        ("", "names no frames; give an index file"),
        ("1\n-1\n2\n", "index -1 is none of 0 to 59, the frames of .*all.npz"),
        ("1\n60\n2\n", "index 60 is none of 0 to 59"),
        ("1\n2\n1\n", "names frame 1 more than once"),
        ("9" * 30, "give an index file"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_damaged_indices_are_named(files, tmp_path, text, words):
    (tmp_path / "index.csv").write_text(text)
    paths = {"train": str(tmp_path / "index.csv"), "frames": str(files / "all.npz")}
    with pytest.raises(InputError, match=f"^{tmp_path}/index.csv: .*{words}"):
        gather_published(tmp_path / "d.extxyz", tmp_path / "s.json", settings(files, **paths))


@pytest.mark.parametrize("kind", ["cut", "empty", "npy"])
def test_damaged_files_are_named(files, tmp_path, kind):
    whole = (files / "train.npz").read_bytes()
    paths = {"train": str(tmp_path / "damaged.npz")}
    if kind == "npy":
        with (tmp_path / "damaged.npz").open("wb") as stream:
            np.save(stream, np.zeros(3))
    else:
        (tmp_path / "damaged.npz").write_bytes(whole[: len(whole) // 2 if kind == "cut" else 0])
    with pytest.raises(InputError, match="is no file of rMD17"):
        gather_published(tmp_path / "d.extxyz", tmp_path / "s.json", settings(files, **paths))


@pytest.mark.parametrize("names", [("energies",), ("energies", "forces"), ("forces",)])
@pytest.mark.parametrize("factor", [KCAL, 1e3 * KCAL, 4.184, 1 / 627.5095])
def test_labels_in_another_unit_are_refused(files, tmp_path, names, factor):
    """In eV, meV, kJ/mol, Hartree; no factor is told, which could only be wrong for a published file."""
    with np.load(files / "train.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "units.npz", **arrays | {name: arrays[name] * factor for name in names})
    given = settings(files, train=str(tmp_path / "units.npz"))
    with pytest.raises(InputError, match=r"units.npz: .*so labels are not in kcal/mol and kcal/mol/Å; take"):
        gather_published(tmp_path / "d.extxyz", tmp_path / "s.json", given)


@pytest.mark.parametrize(("name", "value"), [("coords", 0.0), ("forces", 1e200)])
def test_broken_frames_are_named_by_their_number(files, tmp_path, name, value):
    with np.load(files / "train.npz") as file:
        arrays = {key: file[key] for key in file.files}
    arrays[name][7] = value
    np.savez(tmp_path / "broken.npz", **arrays)
    given = settings(files, train=str(tmp_path / "broken.npz"))
    with pytest.raises(InputError, match=r"broken.npz: frame 7 of those taken: atoms .* Å apart"):
        gather_published(tmp_path / "d.extxyz", tmp_path / "s.json", given)


def test_the_settings_must_leave_out_what_the_set_has_not(files):
    entry = {"name": "a", "published": settings(files).model_dump()}
    with pytest.raises(InputError, match=r"train.loss.dipole = 0.1: .* energies and forces only"):
        check_plan(load_config({"molecules": [entry]}))
    none = {"train": {"loss": {"dipole": 0, "polarizability": 0}}}
    assert check_plan(load_config({"molecules": [entry], **none})) == []
    entry["published"]["train"] = "absent.npz"
    with pytest.raises(InputError, match=r"published.train = absent.npz: no such file"):
        check_plan(load_config({"molecules": [entry], **none}))


def test_a_model_of_energies_and_forces_says_so(files, tmp_path):
    """Two properties are learnt, measured and told; the others are refused, not predicted at random."""
    config = load_config({
        "molecules": [{"name": "a"}], "model": {"n_features": 16, "n_layers": 2, "n_radial": 8},
        "train": {"epochs": 40, "learning_rate": 2e-2, "ema_decay": 0.9,
                  "loss": {"dipole": 0, "polarizability": 0}},
    })  # fmt: skip
    data, split, model = (tmp_path / name for name in ("dataset.extxyz", "split.json", "model/0/model.pt"))
    gather_published(data, split, settings(files, "md17"))
    train_model(data, split, model, model.with_name("metrics.jsonl"), config.train, config.model)
    potential = load_model(model)
    assert learnt(potential) == LEARNT
    assert potential.metadata["level_of_theory"] == "PBE+vdW-TS, MD17"
    rows = evaluate_files([model], data)
    assert [row["property"] for row in rows] == list(LEARNT)
    assert all(row["mae"] < row["baseline_mae"] / 3 for row in rows)
    from painn_spectra.ase import PaiNNCalculator

    water = molecule("H2O", calculator=PaiNNCalculator(model))
    assert np.isfinite(water.get_forces()).all()
    with pytest.raises(Exception, match="dipole"):
        water.get_dipole_moment()
    from painn_spectra.exporting import export_model

    with pytest.raises(InputError, match="trained without dipole and polarizability"):
        export_model(model, tmp_path / "model.pt2")


def test_the_table_sets_measured_beside_published(tmp_path, capsys):
    """Errors in meV come out in the published units: 1 kcal/mol is 43.36 meV."""
    for name, labels in (("e", "md17"), ("r", "rmd17")):
        folder = tmp_path / name
        write_json(folder / "split.json", {"published": {"system": "Ethanol", "labels": labels},
                                           "train": [0] * 950, "test": [0] * 1000})  # fmt: skip
        write_text(folder / "evaluation/errors.csv", "property,mae\nenergy,2.168\nforces,8.673\n")
        line = {"epoch": 2000, "seconds": 7200.0}
        write_text(folder / "model/0/metrics.jsonl", json.dumps(line) + "\n")
    accuracy_table([tmp_path / "e", tmp_path / "r"], tmp_path / "accuracy.md")
    text = (tmp_path / "accuracy.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    assert (
        "| Ethanol (e) | 0.05 / 0.2 | 0.063 / 0.23 | 0.056 / 0.171 | 0.051 / 0.06 | 950 | 1 | 2000 | 2 |"
        in text
    )
    assert "| Ethanol (r) | 2.17 / 8.67 | 0.4 / 2.1 | 0.9 / 6.2 | 950 | 1 | 2000 | 2 |" in text


@pytest.mark.parametrize(("file", "content", "words"), [
    ("split.json", None, "'published'"), ("evaluation/errors.csv", None, "'energy'"),
    ("model/0/metrics.jsonl", None, "no model/"), ("errors.json", '{"target": "mu"}', "'mae'"),
    ("errors.json", "[1]", "errors.json: is no JSON"), ("model/0/metrics.jsonl", "", "it is empty"),
    ("evaluation/errors.csv", "property,mae\nenergy,x\nforces,1\n", "to float: 'x'"),
    ("split.json", '{"published": {"system": "ethanol", "labels": "qm9"}, "train": [], "test": []}', "'qm9'"),
])  # fmt: skip
def test_a_folder_without_results_is_named(tmp_path, file, content, words):
    """Also beside a good one: a mistyped folder would be missing in the table."""
    for name in ("good", "bad"):
        write_json(tmp_path / name / "split.json", {"published": {"system": "ethanol", "labels": "md17"},
                                                    "train": [0], "test": [1]})  # fmt: skip
        write_text(tmp_path / name / "evaluation/errors.csv", "property,mae\nenergy,1\nforces,2\n")
        write_text(tmp_path / name / "model/0/metrics.jsonl", '{"epoch": 1, "seconds": 2.0}\n')
    accuracy_table([tmp_path / "good", tmp_path / "bad"], tmp_path / "accuracy.md")
    changed = tmp_path / "bad" / file
    changed.unlink(missing_ok=True)
    if content is not None:
        changed.write_text(content)
    with pytest.raises(InputError, match=rf"bad: no evaluated published set \(.*{words}"):
        accuracy_table([tmp_path / "good", tmp_path / "bad"], tmp_path / "accuracy.md")
