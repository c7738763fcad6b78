"""The golden files: what earlier versions have written is read, on every Python, and is written the same today."""

from __future__ import annotations

from pathlib import Path

import pytest

import cascade as cs
from cascade.templates.codec import encode
from cascade.templates.reader import FORMAT, TemplateFile
from cascade.templates.store import examine, read
from support import shapes
from support.template_files import encoding_of

GOLDEN = Path(__file__).parent
CURRENT = GOLDEN / f"format-{FORMAT}.templates"


def test_there_is_one_for_this_format() -> None:
    assert CURRENT.exists()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.templates")), ids=lambda path: path.stem)
def test_it_is_whole(path: Path) -> None:
    file = TemplateFile(path)
    examine(file)
    if file.is_older:
        return
    listed = [line.split() for line in path.with_suffix(".txt").read_text().splitlines()]
    oldest_first = sorted(file, key=lambda entry: entry.offset)
    assert [[entry.digest.hex(), str(entry.size)] for entry in oldest_first] == listed
    for entry in file:
        assert encode(read(file, entry)) == file.encoding(entry)


def test_nothing_is_built_that_is_in_it() -> None:
    templates = cs.Templates()
    targets = [*list(shapes.expressions())[:-1], *shapes.language()]
    assert templates.load(CURRENT, strict=True) == len(targets)
    for target in targets:
        templates.lookup(target)
    assert (templates.stats.builds, templates.stats.solves, templates.stats.loaded) == (0, 0, len(targets))


def test_it_would_be_written_the_same_today() -> None:
    file = TemplateFile(CURRENT)
    for target in [*list(shapes.expressions())[:-1], *shapes.language()]:
        digest, encoding = encoding_of(target)
        entry = file.find(digest)
        assert entry is not None
        assert file.encoding(entry) == encoding
