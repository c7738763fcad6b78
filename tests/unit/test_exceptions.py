"""The class tree, as its file shows it."""

from __future__ import annotations

import pickle
import re

from cascade import exceptions


def test_the_opening_docstring_is_the_tree() -> None:
    shown = re.findall(r"[├└]── (\w+)(?: +\(also (\w+)\))?", exceptions.__doc__ or "")
    classes = {name: getattr(exceptions, name) for name in exceptions.__all__}
    base = classes.pop("CascadeError")
    assert dict(shown) == {
        name: "".join(b.__name__ for b in c.__bases__ if not issubclass(b, base)) for name, c in classes.items()
    }
    assert all(issubclass(c, base) and c.__doc__ for c in classes.values())


def test_an_internal_error_asks_for_a_report() -> None:
    error = pickle.loads(pickle.dumps(exceptions.InternalError("frame 3")))
    assert error.args == ("frame 3",)
    assert str(error).startswith("frame 3 (") and "report" in str(error)
