"""The stage label: chunks, the store that loses nothing, frames left out, killed workers."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write

from painn_spectra import keys, labelling
from painn_spectra.dataset import read_atoms, read_frames
from painn_spectra.errors import InputError
from painn_spectra.gathering import gather_labels
from painn_spectra.labelling import label_chunk, store_key, with_derivatives
from painn_spectra.reference import dft, xtb
from painn_spectra.settings.molecule import Method
from painn_spectra.settings.training import DatasetSettings
from painn_spectra.split import read_split
from painn_spectra.stages import LabelStage

pytestmark = pytest.mark.skipif(not xtb.available(), reason="tblite has no wheel for this platform")

XTB = LabelStage(method=Method(program="gfn2-xtb"), chunk_frames=4)


@pytest.fixture
def geometries(tmp_path) -> Path:
    """Ten displaced waters of two trajectories."""
    rng, frames = np.random.default_rng(1), []
    for k in range(10):
        water = molecule("H2O")
        water.positions += rng.normal(scale=0.03, size=(3, 3))
        water.info["seed"] = f"xtb-{k % 2}"
        frames.append(water)
    write(tmp_path / "geometries.extxyz", frames, format="extxyz")
    return tmp_path / "geometries.extxyz"


def run(geometries: Path, chunk: int = 0, settings: LabelStage = XTB, name: str = "") -> tuple[Path, Path]:
    output = geometries.parent / f"labels/{name}{chunk:04d}.extxyz"
    failures = output.with_suffix(".json")
    label_chunk(
        geometries,
        output,
        failures,
        settings.model_copy(update={"chunk": chunk}),
        geometries.parent / "store",
    )
    return output, failures


def test_labelling_leaves_the_environment_as_it_was(geometries):
    """What helps PySCF would change the last bits of a dynamics that the same process starts later."""
    before = dict(os.environ)
    with dft.labelling_environment():
        assert {name for name in os.environ if name not in before} >= {"MALLOC_TOP_PAD_"}
    run(geometries)
    assert dict(os.environ) == before


def test_chunks_hold_all_frames_once_with_their_origin(geometries):
    labels = [run(geometries, chunk) for chunk in range(4)]  # the last is beyond the end: empty, no error
    assert [json.loads(failures.read_text())["n_frames"] for _, failures in labels] == [4, 4, 2, 0]
    frames = [atoms for output, _ in labels[:3] for atoms in read_atoms(output)]
    for atoms, original in zip(frames, read_atoms(geometries), strict=True):
        np.testing.assert_allclose(atoms.positions, original.positions, atol=1e-8)
        assert atoms.info["seed"] == original.info["seed"]
        assert atoms.info["REF_method"].startswith("GFN2-xTB, tblite")
        assert atoms.info["seconds"] >= 0
    direct = xtb.label(frames[5].numbers, frames[5].positions)
    np.testing.assert_allclose(frames[5].arrays["REF_forces"], direct[keys.FORCES], atol=1e-7)
    dataset, split = geometries.parent / "dataset.extxyz", geometries.parent / "split.json"
    outputs, reports = zip(*labels, strict=True)
    gather_labels(outputs, dataset, split, DatasetSettings(test_fraction=0.5), failures=reports)
    assert len(read_frames(dataset)) == 10


def test_a_label_is_computed_once(geometries, monkeypatch):
    """Other chunk sizes, a grown set, another entry: what the store knows is not computed again."""
    run(geometries)

    def asked(function, arguments, threads, label):
        assert not arguments, "computed again"
        return iter(())

    monkeypatch.setattr(labelling, "finished_jobs", asked)
    with pytest.raises(AssertionError, match="computed again"):
        run(geometries, 1)  # the patch does catch what is new
    first, _ = run(geometries)
    again, _ = run(geometries, settings=XTB.model_copy(update={"chunk_frames": 2}), name="other")
    assert [a.info["REF_energy"] for a in read_atoms(again)] == [
        a.info["REF_energy"] for a in read_atoms(first)[:2]
    ]


def test_the_key_knows_geometry_state_and_level_of_theory():
    water, moved = molecule("H2O"), molecule("H2O")
    moved.positions[0, 0] += 1e-6
    pbe0 = Method()
    others = [
        store_key(moved, pbe0, 0, 1, keys.PROPERTIES),
        store_key(water, pbe0, 1, 2, keys.PROPERTIES),
        store_key(water, pbe0, 0, 3, keys.PROPERTIES),
        store_key(water, pbe0, 0, 1, (keys.POLARIZABILITY,)),
        *(
            store_key(water, pbe0.model_copy(update=change), 0, 1, keys.PROPERTIES)
            for change in (
                {"functional": "B3LYP"}, {"basis": "def2-SVP"}, {"polarizability_basis": "def2-TZVPD"},
                {"dispersion": "D4"}, {"density_fitting": False}, {"grid_level": 4},
                {"response_grid_level": 2}, {"program": "gfn2-xtb"},
            )
        ),
    ]  # fmt: skip
    assert len({*others, store_key(water, pbe0, 0, 1, keys.PROPERTIES)}) == 13
    spelled = pbe0.model_copy(update={"functional": "pbe0", "basis": "DEF2-TZVP"})
    assert store_key(water, spelled, 0, 1, keys.PROPERTIES) == store_key(water, pbe0, 0, 1, keys.PROPERTIES)


def test_a_fraction_of_the_frames_gets_derivatives(geometries, monkeypatch):
    """By chance, a larger fraction's hold a smaller one's, and what is known without them is not redone."""
    wide = XTB.model_copy(update={"chunk_frames": 10})
    keys_of = [store_key(atoms, wide.method, 0, 1, keys.PROPERTIES) for atoms in read_atoms(geometries)]
    chosen = {f: {k for k in keys_of if with_derivatives(f, k)} for f in (0.0, 0.3, 0.6, 1.0)}
    assert not chosen[0.0] and chosen[0.3] < chosen[0.6] < chosen[1.0] == set(keys_of)
    many = [hashlib.sha256(str(k).encode()).hexdigest()[:32] for k in range(4000)]
    share = np.mean([with_derivatives(0.3, key) for key in many])
    assert abs(share - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(many))  # binomial
    run(geometries, settings=wide)
    asked, jobs = [], labelling.finished_jobs

    def counted(function, arguments, threads, label):
        asked.extend(arguments)
        return jobs(function, arguments, threads, label)

    monkeypatch.setattr(labelling, "finished_jobs", counted)
    output, _ = run(geometries, settings=wide.model_copy(update={"derivatives_fraction": 0.6}))
    assert [keys_of[k] for k in sorted(asked)] == [key for key in keys_of if key in chosen[0.6]]
    for key, atoms in zip(keys_of, read_atoms(output), strict=True):
        assert ("REF_polarizability_derivative" in atoms.arrays) == (key in chosen[0.6])
    assert set(read_frames(output).derivatives) == set(keys.DERIVATIVES.values())
    asked.clear()
    run(geometries, settings=wide.model_copy(update={"derivatives_fraction": 0.3}), name="fewer")
    assert not asked


def test_only_some_properties_leave_the_other_labels(geometries):
    output, _ = run(geometries)
    settings = XTB.model_copy(update={"properties": (keys.POLARIZABILITY,)})
    label_chunk(output, output.with_name("alpha.extxyz"), output.with_name("alpha.json"), settings,
                geometries.parent / "store")  # fmt: skip
    whole, alpha = read_atoms(output), read_atoms(output.with_name("alpha.extxyz"))
    for one, two in zip(whole, alpha, strict=True):
        assert one.info["REF_energy"] == two.info["REF_energy"]
        np.testing.assert_allclose(two.info["REF_polarizability"], one.info["REF_polarizability"], atol=1e-6)
        assert "GFN2-xTB" in two.info["REF_method_polarizability"]


def failing(monkeypatch, n_bad: int) -> None:
    """Label in place, in which the first `n_bad` frames do not converge."""

    def here(function, arguments, threads, label):
        for k, values in arguments.items():
            job: Future = Future()
            if k < n_bad:
                job.set_exception(InputError("did not converge"))
            else:
                job.set_result(function(*values))
            yield k, job

    monkeypatch.setattr(labelling, "finished_jobs", here)


def test_derivatives_do_not_outlive_their_label(geometries):
    """A dipole computed anew takes the derivative of the earlier one with it; the polarizability's stays."""
    everything = XTB.model_copy(update={"derivatives_fraction": 1.0})
    output, _ = run(geometries, settings=everything)
    alone = XTB.model_copy(update={"properties": (keys.DIPOLE,)})
    again = output.with_name("dipole.extxyz")
    label_chunk(output, again, again.with_suffix(".json"), alone, geometries.parent / "store")
    for atoms in read_atoms(again):
        assert "REF_dipole_derivative" not in atoms.arrays
        assert "REF_polarizability_derivative" in atoms.arrays


def test_a_frame_that_does_not_converge_is_listed_and_left_out(geometries, monkeypatch, capsys):
    failing(monkeypatch, 1)
    output, failures = run(geometries)
    assert len(read_atoms(output)) == 3
    assert json.loads(failures.read_text()) == {"n_frames": 4, "failed": {"0": "did not converge"}}
    assert "left out: frame 0 (did not converge)" in capsys.readouterr().out
    dataset, split = geometries.parent / "dataset.extxyz", geometries.parent / "split.json"
    with pytest.raises(InputError, match="1 of 4 frames could not be labelled, more than 5 %"):
        gather_labels([output], dataset, split, DatasetSettings(), failures=[failures])
    assert not dataset.exists()


def test_more_than_five_per_cent_stop_the_run(geometries, monkeypatch):
    failing(monkeypatch, 3)
    with pytest.raises(InputError, match="2 of 10 frames could not be labelled, more than 5 %"):
        run(geometries)
    assert not (geometries.parent / "labels/0000.extxyz").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"multiplicity": 2}, "multiplicity = 2 wants 1 unpaired electrons"),
        ({"charge": 1}, "with charge = 1 has 9 in all"),
        ({"method": Method(functional="PBE00")}, "method.functional = 'PBE00'"),
    ],
)
def test_wrong_settings_are_one_line_before_any_work(geometries, change, words):
    with pytest.raises(InputError, match=words):
        run(geometries, settings=XTB.model_copy(update=change))
    assert not (geometries.parent / "store").exists()


def label_command(geometries: Path, folder: Path, chunk_frames: int = 25) -> list[str]:
    """`painn-spectra label` of the first chunk, store and results under `folder`."""
    files = [geometries, folder / "labels.extxyz", folder / "labels.json"]
    settings = json.dumps({"method": {"program": "gfn2-xtb"}, "chunk_frames": chunk_frames})
    code = "from painn_spectra.cli import entry; entry()"
    words = [sys.executable, "-c", code, "label", "--settings", settings, "--store", folder / "store", *files]
    return [str(word) for word in words]


def test_a_killed_worker_loses_no_label(geometries):
    """kill -9 in the middle, then the same command: finished labels are kept, the result is whole."""
    many = [atoms for atoms in read_atoms(geometries) for _ in range(15)]
    rng = np.random.default_rng(2)
    for atoms in many:
        atoms.positions += rng.normal(scale=0.01, size=(3, 3))
    write(geometries, many, format="extxyz")
    store, output = geometries.parent / "store", geometries.parent / "labels.extxyz"
    command = label_command(geometries, geometries.parent, chunk_frames=150)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 60
    while len(list(store.rglob("[!.]*.extxyz"))) < 5 and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in store.rglob("[!.]*.extxyz")}
    assert 5 <= len(kept) < 150
    assert not output.exists()
    time.sleep(0.5)  # the orphaned worker sees that its parent is gone
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    assert len(read_atoms(output)) == 150
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_full_disk_loses_no_label(geometries, tmp_path):
    """A file system of 40 KiB, where two or three of ten labels fit; then one with room for all."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    command = label_command(geometries, disk)
    script = 'mount -t tmpfs -o size=40k none "$0" || exit 99; "$@"; code=$?; cp -a "$0" "$KEPT"; exit $code'
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(disk)]
    try:
        done = subprocess.run(
            [*words, *command], env={**os.environ, "KEPT": str(kept)}, capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("no unshare here: it takes Linux to mount a small disk without being root")
    if done.returncode == 99 or done.stderr.startswith("unshare:"):
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    assert done.returncode == 2
    complaint = done.stderr.splitlines()[-1]
    assert complaint.startswith(f"painn-spectra: error: {disk}/") and "No space left on device" in complaint
    assert "Traceback" not in done.stderr
    whole = {path: path.stat().st_mtime_ns for path in (kept / "store").rglob("[!.]*.extxyz")}
    assert 1 <= len(whole) < 10
    for path in whole:
        assert read_frames(path).labels[keys.FORCES].shape == (1, 3, 3)
    left = {path for path in kept.rglob("*") if path.is_file()} - set(whole)
    assert {path.name for path in left} <= {"labels.extxyz.lock"}  # nothing half-written

    assert subprocess.run(label_command(geometries, kept), stderr=subprocess.DEVNULL).returncode == 0
    assert len(read_frames(kept / "labels.extxyz")) == 10
    assert {path: path.stat().st_mtime_ns for path in whole} == whole  # the next run went on


def test_a_disk_full_in_the_middle_of_a_label(geometries, monkeypatch):
    """The third label to be stored is cut short: it leaves nothing, those before stay, the error names it."""
    failing(monkeypatch, 0)
    written = []

    def write_until_full(path, frames, **options):
        written.append(path)
        write(path, frames, **options)
        if len(written) == 3:
            path.write_text(path.read_text()[:50])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(labelling, "write", write_until_full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        run(geometries)
    store = geometries.parent / "store"
    assert str(caught.value.filename).startswith(str(store))
    assert len(list(store.rglob("[!.]*.extxyz"))) == 2 and not list(store.rglob(".*.extxyz"))
    assert not (geometries.parent / "labels/0000.extxyz").exists()
    output, _ = run(geometries)
    assert len(read_atoms(output)) == 4
    assert len(written) == 3 + 2 + 1  # the two that were missing, and the joined file


def test_no_frame_changes_its_part_when_labels_are_added(geometries):
    outputs = [run(geometries, chunk)[0] for chunk in range(3)]
    first, second = (geometries.parent / name for name in ("first", "second"))
    settings = DatasetSettings(test_fraction=0.5)
    gather_labels(outputs[:2], first / "dataset.extxyz", first / "split.json", settings)
    gather_labels(
        outputs[2:], second / "dataset.extxyz", second / "split.json", settings,
        previous=(first / "dataset.extxyz", first / "split.json"),
    )  # fmt: skip
    before = read_split(first / "split.json", first / "dataset.extxyz")
    after = read_split(second / "split.json", second / "dataset.extxyz")
    for part in before:
        assert set(before[part]) == {k for k in after[part] if k < 8}
    assert sorted(k for part in after.values() for k in part) == list(range(10))
