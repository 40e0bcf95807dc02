"""Readers against hostile files: what the fuzzer found once, and some mutations at every run."""

from pathlib import Path

import pytest
from fuzz_readers import READERS, run, seeds

FINDINGS = sorted((Path(__file__).parent / "fuzz_findings").iterdir())


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_a_finding_stays_fixed(path, tmp_path):
    reader = READERS[path.name.partition("-")[0]]
    run(reader, path.read_bytes(), tmp_path / f"input{reader.ending}")


@pytest.mark.parametrize("name", READERS)
def test_what_the_mutations_start_from_is_read(name, tmp_path):
    """Each function reads at least one input whole: else nothing behind its first checks is met."""
    reader, accepted = READERS[name], set()
    for data in seeds(reader):
        path = tmp_path / f"input{reader.ending}"
        path.write_bytes(reader.content(data))
        for number, read in enumerate(reader.read):
            try:
                read(path)
            except ValueError:
                continue
            accepted.add(number)
    assert accepted == set(range(len(reader.read)))


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_one_line(name, tmp_path):
    """Bytes changed, cut, doubled and put in at places and with values that hypothesis chooses."""
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis import strategies as st

    reader, whole = READERS[name], seeds(READERS[name])
    path = tmp_path / f"input{reader.ending}"
    edit = st.tuples(st.integers(0, 2**16), st.integers(0, 40), st.binary(max_size=12))

    @hypothesis.settings(max_examples=60, deadline=20_000, derandomize=True, database=None)
    @hypothesis.given(st.sampled_from(whole), st.lists(edit, min_size=1, max_size=6))
    def damaged(data, edits):
        content = bytearray(data)
        for place, length, new in edits:
            start = place % (len(content) + 1)
            content[start : start + length] = new
        run(reader, bytes(content), path)

    damaged()
