"""Digests of arrays and scalars of numpy."""

from __future__ import annotations

import pathlib

import pytest

import cascade as cs
from cascade.cache.fingerprint import fingerprint


def test_numpy_data(tmp_path: pathlib.Path) -> None:
    np = pytest.importorskip("numpy")
    a = np.arange(6, dtype="<i4")
    record = np.dtype([("a", "<i4"), ("b", "<f8")])
    frozen = np.arange(6, dtype="<i4")
    frozen.flags.writeable = False
    different = [
        *[a, a.reshape(2, 3), a.reshape(3, 2), a.astype("<i8"), a.astype(">i4"), a.astype("<u4"), a.tolist()],
        *[np.zeros(2), -np.zeros(2), np.array(1.0), np.float64(1), 1.0, np.float32(1), np.int64(1), 1, np.bool_(True)],
        *[np.zeros(0), np.zeros((0, 3)), np.array(["a"]), np.array(["a"], "U2"), np.array([b"a"])],
        *[np.array([0], "M8[s]"), np.array([0], "M8[ms]"), np.datetime64(0, "s"), np.zeros(1, record), record],
        *[np.dtype([("a", "<i4"), ("c", "<f8")]), np.dtype("<i4"), np.dtype(("<i4", (2,)))],
        *[np.sin, np.cos, np.float64, np.ndarray],
        np.zeros(1, np.dtype([("a", "<i4"), ("b", "<f8")], align=True)),
        *[np.zeros(1, np.dtype((np.record, [("a", "<i4"), ("b", "<f8")]))), np.dtype("<i4", metadata={"unit": "m"})],
        *[np.array([0], "M8[2s]"), np.array([0], "m8[s]"), np.datetime64("NaT", "s")],
        *[np.array(b"a", "V1"), np.array([b"a"], "V1")],
        frozen,
    ]
    assert len({fingerprint(value) for value in different}) == len(different)
    assert fingerprint(np.arange(12)[::2]) == fingerprint(np.arange(12)[::2].copy())
    # `ravel("K")` reads in the order of memory, so it counts: of axes, not of gaps between elements.
    assert fingerprint(np.asfortranarray(a.reshape(2, 3))) != fingerprint(a.reshape(2, 3))

    class Sub(np.ndarray):  # type: ignore[misc]
        pass

    refused = [np.array([object()]), np.array([(1, None)], dtype=[("a", "i4"), ("b", "O")]), np.zeros(2).view(Sub)]
    if hasattr(np.dtypes, "StringDType"):
        refused.append(np.array(["a"], np.dtypes.StringDType()))
    refused += [np.rec.array([(1,)], dtype=[("a", "i4")]), np.memmap(tmp_path / "m", "i4", "w+", shape=1)]
    for value in [*refused, np.random.default_rng(1), np.ma.array([1])]:
        with pytest.raises(cs.CacheKeyError, match="value must be data that can be hashed"):
            fingerprint([value])


def test_types_of_elements_that_say_less_than_they_should() -> None:
    """Extension types look like any two bytes in all that numpy tells of them."""
    np = pytest.importorskip("numpy")
    types_ = pytest.importorskip("ml_dtypes")
    for kind in (types_.bfloat16, types_.float8_e4m3fn, types_.float8_e5m2):
        for value in (np.zeros(1, kind), np.dtype(kind), kind(0)):
            with pytest.raises(cs.CacheKeyError, match=r"extension type of numpy|got `"):
                fingerprint(value)


def test_a_type_of_elements_with_a_number_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    np = pytest.importorskip("numpy")
    fingerprint(np.dtype("<i4"))
    monkeypatch.setattr("cascade.cache.numpy_arrays.OWN", range(5))
    with pytest.raises(cs.CacheKeyError, match="an extension type of numpy, `int32` - at `value`"):
        fingerprint(np.zeros(1, "<i4"))
