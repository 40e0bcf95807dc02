"""Whole files or none, one writer at a time."""

import json
import multiprocessing
import os
import socket

import pytest

from painn_spectra.errors import InputError
from painn_spectra.files import (
    atomic_path,
    check_outputs,
    fingerprint,
    output_lock,
    read_object,
    write_json,
)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "folder" / "a.json"
    write_json(path, [1])
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "[\n  1\n]\n" and list(path.parent.iterdir()) == [path]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, [float("nan")])
    assert list(path.parent.iterdir()) == [path]


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    """Not the temporary one."""
    path = tmp_path / "out.json"
    with pytest.raises(FileNotFoundError) as caught, atomic_path(path) as temporary:
        temporary.read_text()
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a pipe"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    path = tmp_path / "out.json"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    if kind == "link to a pipe":
        path = tmp_path / "link.json"
        path.symlink_to("out.json")
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"\.json: is a folder, pipe or device, which no output replaces"):
        write_json(path, [1])
    assert set(tmp_path.iterdir()) == before and not (tmp_path / "out.json").is_file()


def test_the_file_behind_a_link_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to("folder/a.json")
    for content in ([1], [2]):  # a new file, an old one
        write_json(link, content)
        assert link.is_symlink() and json.loads((tmp_path / "folder/a.json").read_text()) == content
    assert len(list(tmp_path.rglob("*"))) == 3


def test_one_file_for_two_outputs(tmp_path):
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(InputError, match="a: is named for two outputs"):
        check_outputs(tmp_path / "a", tmp_path / "b", tmp_path / "link")


def _hold(path, ready, done):
    with output_lock(path):
        ready.set()
        done.wait()


def test_second_writer_is_told_who_holds_the_lock(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / "out", ready, done))
    holder.start()
    assert ready.wait(30)
    with pytest.raises(InputError, match=f"process {holder.pid}"), output_lock(tmp_path / "out"):
        pass
    holder.kill()
    holder.join()
    with output_lock(tmp_path / "out"):  # a killed holder holds no more
        assert (tmp_path / "out.lock").read_text() == f"{os.getpid()} on {socket.gethostname()}"


def test_leftovers_of_a_killed_writer_go(tmp_path):
    (tmp_path / ".123.out.h5").touch()
    (tmp_path / ".gitkeep.out.h5").touch()
    with output_lock(tmp_path / "out.h5"):
        assert not (tmp_path / ".123.out.h5").exists() and (tmp_path / ".gitkeep.out.h5").exists()


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path):
    """Without a lock as well; a living writer's file, another machine's and another output's stay."""
    ended = multiprocessing.get_context("spawn").Process()
    ended.start()
    ended.join()
    name, host = "out[1].csv", socket.gethostname()
    abandoned = tmp_path / f".{ended.pid}.{host}.{name}"
    others = [f".{os.getppid()}.{host}.{name}", f".{ended.pid}.other.{name}", f".{ended.pid}.{host}.a.csv"]
    for path in (abandoned, *(tmp_path / other for other in others)):
        path.touch()
    with atomic_path(tmp_path / name) as temporary:
        temporary.touch()
    assert {path.name for path in tmp_path.iterdir()} == {name, *others}


@pytest.mark.parametrize(("content", "words"), [
    ('{"n_frames": 5', "is no JSON of this program .*; remove it and run snakemake again"),
    ("[1, 2]", "is no JSON of this program"),
    ("7", "is no JSON of this program"),
    ('{"failed": {}}', "lacks n_frames; remove it"),
    ("\xff", "is no JSON of this program"),
])  # fmt: skip
def test_damaged_records_are_named(content, words, tmp_path):
    path = tmp_path / "failed.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=f"failed.json: {words}"):
        read_object(path, "n_frames", "failed")


def test_a_record_that_may_be_missing(tmp_path):
    assert read_object(tmp_path / "none.json") == {}
    with pytest.raises(InputError, match=r"none.json: is no JSON of this program .*No such file"):
        read_object(tmp_path / "none.json", "n_frames")


def test_a_fingerprint_changes_with_a_file_and_with_what_a_folder_lists(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    seen = [fingerprint(folder)]
    for name, text in (("1", "a"), ("2", "a"), ("2", "bc")):
        (folder / name).write_text(text)
        seen += [fingerprint(folder), fingerprint(folder / name)]
    assert len(set(seen)) == len(seen) - 1  # of two files with the same content
    assert fingerprint(folder) == seen[-2]
