"""Files of templates, read: what is damaged, foreign, older or newer is told, whichever byte it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cascade as cs
from cascade.exceptions import TemplateError
from cascade.templates.reader import ENTRY, FORMAT, HEADER, MAGIC, TemplateFile, header
from cascade.templates.store import examine
from support import shapes
from support.template_files import encoding_of, forge, resealed

ENCODINGS = dict(encoding_of(target) for target in [*shapes.expressions()][:-1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("file") / "templates"
    return forge(path, ENCODINGS.items(), "9.8.7").read_bytes()


def opened(path: Path, data: bytes) -> TemplateFile:
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return TemplateFile(path)


def test_it_is_as_it_was_written(tmp_path: Path, whole: bytes) -> None:
    file = opened(tmp_path / "one", whole)
    examine(file)
    assert len(file) == len(ENCODINGS) and file.version == "9.8.7"
    assert [entry.digest for entry in file] == sorted(ENCODINGS)
    for digest, encoding in ENCODINGS.items():
        entry = file.find(digest)
        assert entry is not None and file.encoding(entry) == encoding
    for digest in (bytes(32), b"\xff" * 32, os.urandom(32)):
        assert file.find(digest) is None


def test_sizes_are_those_of_the_documentation() -> None:
    assert (HEADER.size, ENTRY.size, len(MAGIC)) == (80, 64, 8)
    assert header(3, 1000, "1.2", b"")[:24] == b"\x93CASCADE" + b"\1\0\0\0\3\0\0\0" + b"\xe8\3" + bytes(6)
    assert header(3, 1000, "1.2", b"")[24:48] == b"1.2".ljust(24, b"\0")


def test_every_byte_counts(tmp_path: Path, whole: bytes) -> None:
    """Each is of the header, the index or a template: a file with any one of them changed is refused as a whole."""
    path = tmp_path / "one"
    path.write_bytes(whole)
    with path.open("r+b", buffering=0) as stream:
        for at in range(len(whole)):
            for bit in (1, 128):
                os.pwrite(stream.fileno(), bytes([whole[at] ^ bit]), at)
                if (at, bit) == (8, 1):
                    assert TemplateFile(path).is_older  # the format: 0 is one of the past
                    continue
                with pytest.raises(TemplateError, match="one`"):
                    examine(TemplateFile(path))
            os.pwrite(stream.fileno(), whole[at : at + 1], at)
    examine(TemplateFile(path))


def test_cut_off_anywhere(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "one"
    for size in range(1, len(whole)):
        with pytest.raises(TemplateError, match="one`"):
            examine(opened(path, whole[:size]))
    with pytest.raises(TemplateError):
        examine(opened(path, whole + b"\0"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"import cascade\n", "not a file of templates: it begins with b'import c'"),
        (MAGIC[:5], "not a file of templates"),
        (MAGIC, "cut off: 8 bytes where the header has 80"),
        (bytes(200), "not a file of templates"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        opened(tmp_path / "one", data)


@pytest.mark.posix_only
def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(TemplateError, match="not a regular file"):
            TemplateFile(path)


def versioned(whole: bytes, number: int) -> bytes:
    return whole[:8] + number.to_bytes(4, "little") + whole[12:]


def test_a_newer_format_is_refused_by_name(tmp_path: Path, whole: bytes) -> None:
    for number in (FORMAT + 1, 2**32 - 1):
        with pytest.raises(TemplateError, match=rf"format {number}, written by Cascade 9\.8\.7, is newer than format"):
            opened(tmp_path / "one", versioned(whole, number))


def test_an_older_format_is_as_good_as_empty(tmp_path: Path, whole: bytes) -> None:
    file = opened(tmp_path / "one", versioned(whole, 0))
    assert file.is_older and len(file) == 0 and file.find(next(iter(ENCODINGS))) is None
    assert list(file) == []
    assert cs.Templates().load(tmp_path / "one", strict=True) == 0


# -- forged: the checksums are right -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2**32 - 1, 2**20 + 1, len(ENCODINGS) + 1000])
def test_more_templates_claimed_than_there_is_room_for(tmp_path: Path, whole: bytes, count: int) -> None:
    plain = whole[:12] + count.to_bytes(4, "little") + whole[16:]
    with pytest.raises(TemplateError, match=f"{count} templates where there is room for"):
        opened(tmp_path / "one", plain)


def test_entries_that_lead_elsewhere(tmp_path: Path, whole: bytes) -> None:
    end = len(whole)
    for offset, size in ((0, 10), (2**64 - 1, 1), (end, 1), (80, 2**64 - 1), (2**63, 2**63), (end - 5, 6)):
        digest = next(iter(ENCODINGS))
        index = ENTRY.pack(digest, bytes(16), offset, size)
        data = header(1, 80 + 64 + 300, "x", index) + index + bytes(300)
        file = opened(tmp_path / "one", data)
        with pytest.raises(TemplateError):
            file.encoding(file.find(digest))
        with pytest.raises(TemplateError):
            examine(file)


def test_an_index_out_of_order_or_with_gaps(tmp_path: Path, whole: bytes) -> None:
    count = len(ENCODINGS)
    index = whole[80 : 80 + 64 * count]
    turned = b"".join(sorted((index[at : at + 64] for at in range(0, len(index), 64)), reverse=True))
    double = index[:64] * count
    for wrong in (turned, double):
        with pytest.raises(TemplateError, match="out of order"):
            examine(opened(tmp_path / "one", header(count, len(whole), "x", wrong) + wrong + whole[80 + 64 * count :]))
    with pytest.raises(TemplateError, match=r"where \d+ is next"):
        data = header(1, len(whole), "x", index[:64]) + index[:64] + whole[144:]
        examine(opened(tmp_path / "one", data))
    with pytest.raises(TemplateError, match="in use"):
        data = header(0, len(whole), "x", b"") + whole[80:]
        examine(opened(tmp_path / "one", data))


def test_templates_under_each_other_s_digest(tmp_path: Path) -> None:
    (one, first), (other, second), *_ = ENCODINGS.items()
    with pytest.raises(TemplateError, match="another digest"):
        examine(TemplateFile(forge(tmp_path / "one", [(one, second), (other, first)])))


@settings(max_examples=150)
@given(data=st.data())
def test_resealed_damage_is_still_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    """Whatever one does to it, with right checksums: it is whole, or it is told; nothing else happens."""
    path = tmp_path_factory.getbasetemp() / "mutant"
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        how = data.draw(st.sampled_from(["flip", "set", "drop", "splice", "copy"]))
        at = data.draw(st.integers(0, len(changed) - 1))
        end = at + data.draw(st.integers(1, 40))
        if how == "flip":
            changed[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "set":
            changed[at:end] = data.draw(st.sampled_from([b"\0", b"\xff", b"\xdd\x3b\x9a\xca\0", b"\xcf" + b"\xff" * 8]))
        elif how == "drop":
            del changed[at:end]
        elif how == "splice":
            changed[at:at] = changed[:end]
        else:
            other = data.draw(st.integers(0, len(changed) - 1))
            changed[at:end] = changed[other : other + end - at]
        if not changed:
            return
    try:
        examine(opened(path, resealed(bytes(changed), len(ENCODINGS))))
    except TemplateError as error:
        assert "mutant`" in str(error)
