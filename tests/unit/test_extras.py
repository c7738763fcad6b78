"""Packages of extras: imported, missing, or broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cascade.extras import MissingExtraError, need


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(
        MissingExtraError, match=r"a plot needs no_such_package, .*pip install 'cascade-engine\[plots\]'"
    ):
        need("no_such_package.figure", "plots", "a plot")


@pytest.mark.parametrize(
    ("source", "error"), [("import no_such_package", ModuleNotFoundError), ("1 / 0", ZeroDivisionError)]
)
def test_a_broken_package_raises_its_own_error(
    source: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(error) as caught:
        need("broken_package", "plots", "a plot")
    assert not isinstance(caught.value, MissingExtraError)
    assert "broken_package" not in sys.modules
