"""A `MemoryError` anywhere in the core leaves nothing half done: the same works the next time.

Every allocation of an operation fails in turn, and all from that one on, which `_testcapi` can bring about.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

pytest.importorskip("_testcapi", reason="this Python cannot be made to run out of memory")

# Each is what may fail, as an expression; `n` is another number each time.
WORK: dict[str, str] = {
    "call": "take(1, 2, 3, 4, 5)",
    "call by name": "cs.task(lambda **given: given)(**{f'name{n}': 1, 'b': 2, 'a': 3})",
    "task": "cs.task(functions[n % 10_000])",
    "role": "take(1).with_retry(max_attempts=2).after(take(2)).run_if(take(3), otherwise=take(4))",
    "map": "take.map(a=[1, 2], b=cs.const(3))",
    "key": "cs.structural_hash(target)",
    "struct": "cs.structural_hash(take(msgspec.defstruct(f'S{n}', ['a', 'b'], frozen=True)(take(1), [take(2)])))",
    "containers": "cs.structural_hash(take({'a': [{i: take(i) for i in range(40)}], ('t', 1): {take(1), take(2)}}))",
    "symbol": "call_shape(('module', f'name{n}', 'sync', 'inline', ()), 1, ())",
    "template": "cs.Templates().lookup(target)",
    "table": "[small.lookup(take(*range(i))) for i in (n % 7, n % 5, n % 11)]",
    "graph": "cs.explain(target)",
}


# Those that hardly leave compiled code. The others show as much of CPython as of the core: from 3.12 on it crashes
# where it makes a function without memory, and on 3.11 it never leaves an exception handler of `inspect` if there is
# none at all.
COMPILED = {"call", "call by name", "role", "map", "struct", "symbol"}
CASES = [
    (name, one)
    for name in WORK
    for one in (True, False)
    if name in COMPILED or (sys.version_info < (3, 12) and (one or name != "task"))
]


@pytest.mark.parametrize(("name", "one"), CASES, ids=[f"{name}, {'one' if one else 'all'}" for name, one in CASES])
def test_a_memory_error_leaves_all_whole(interpreter: Callable[..., str], name: str, one: bool) -> None:
    work = WORK[name]
    code = f"""
        import gc, _testcapi
        import msgspec
        import cascade as cs
        from cascade._core.expr.symbol import call_shape

        @cs.task(mode="inline")
        def take(*args, **kwargs):
            return args, kwargs

        @cs.task(mode="inline")
        def noted(x, y=cs.inject("it")):
            return x

        class Struct(msgspec.Struct, frozen=True):
            value: object

        functions = []
        for i in range(10_000 if "functions" in {work!r} else 0):
            space = {{}}
            exec("def made(a, b=1, *, c=2): pass", space)
            functions.append(space["made"])
        small = cs.Templates(max_entries=3)
        target = take(
            {{"a": take(1), ("b", 2): [Struct(take(2))], 3: {{take(3), 4}}}}, noted(1),
            cs.Router(take(1), {{1: take(5)}}), take(1).run_if(take(2)), take.map(a=[1, 2]),
            x=take(1).with_retry(max_attempts=2),
        )
        work = compile({work!r}, "work", "eval")
        names = globals()
        n = 0
        want = eval(work)  # all that it imports is imported
        failed = 0
        for at in range(1, 100_000):
            n += 1
            error = None
            _testcapi.set_nomemory(at, at + 1 if {one} else 0)
            try:
                eval(work, names)
            except MemoryError:
                error = True
            except Exception as other:  # of another's code that takes it for something else
                error = type(other)
            finally:
                _testcapi.remove_mem_hooks()
            if error is None and at > failed + 30:
                break  # it does not need so much
            if error is not None:
                failed = at
            n += 1
            got = eval(work)
            if {work!r}.startswith("cs.structural_hash(target"):
                assert got == want, at
        gc.collect()
        assert cs.run([take(1, b=2), take.map(a=[1])]) == [((1,), {{"b": 2}}), [((), {{"a": 1}})]]
        print(failed > 0)
    """
    assert interpreter(code) == "True\n"
