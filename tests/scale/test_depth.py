"""A million deep, a million long: no stack overflows, and what was used is freed.

Each runs in a thread with a stack of 512 KiB, where a recursion in C over user data would not get far.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

START = """
    import gc, threading, weakref
    import cascade as cs

    @cs.task(mode="inline")
    def same(value): return value

    @cs.task(mode="inline")
    def add(a, b): return a + b

    class Token: pass

    def on_a_small_stack(work):
        failures = []
        def guarded():
            try:
                work()
            except BaseException as error:
                failures.append(error)
                raise
        threading.stack_size(512 * 1024)
        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join()
        assert not failures
        print("fine")
"""

CODE = {
    "non-tail recursion": """
    @cs.task(mode="inline")
    def depth(n): return add(depth(n - 1), 1) if n else 0

    def work():
        assert cs.run(depth(1_000_000)) == 1_000_000
    """,
    "a chain of lazy results": """
    def work():
        token = Token()
        watch = weakref.ref(token)
        node = same(token)
        for _ in range(1_000_000):
            node = same(node)
        del token
        digest, slots = cs.structural_hash(node)
        assert len(slots) == 1_000_002
        del slots
        assert isinstance(cs.run(node), Token)
        assert watch() is not None
        del node
        gc.collect()
        assert watch() is None
    """,
    # Each result is searched for lazy results, so the time is quadratic in this depth.
    "a chain through names and containers": """
    def work():
        node = same(0)
        for number in range(6_000):
            node = add([node], b=[number])
            node = same({"k": (node,)}) if number % 2 else same(value=node)
        found = cs.run(cs.gather(node))[0]
        depth = 0
        while type(found) is list or type(found) is dict:
            found = found[0] if type(found) is list else found["k"][0]
            depth += 1
        assert depth == 9_000
    """,
    "a chain that never runs": """
    def work():
        node = same(0)
        for _ in range(1_000_000):
            node = same(node)
        repr(node)
        del node
        for wrap in (lambda x: [x], lambda x: (x,), lambda x: {"a": x}, cs.gather, lambda x: frozenset({x})):
            node = same(0)
            for _ in range(200_000):
                node = same(wrap(node))
            del node
    """,
    "wide": """
    def work():
        many = [same(number) for number in range(300_000)]
        assert cs.run(many) == list(range(300_000))
        assert cs.run(cs.gather(*many)) == tuple(range(300_000))
        del many
    """,
    "failure at the bottom": """
    @cs.task(mode="inline")
    def depth(n):
        if not n:
            raise ValueError("bottom")
        return add(depth(n - 1), 1)

    def work():
        try:
            cs.run(depth(200_000))
        except ValueError as error:
            assert str(error) == "bottom"
            assert len(error.__notes__) < 10
            assert sum(map(len, error.__notes__)) < 10_000
            count, trace = 0, error.__traceback__
            while trace is not None:
                count, trace = count + 1, trace.tb_next
            assert count < 100
        else:
            raise AssertionError("no failure")
    """,
    "async non-tail recursion": """
    @cs.task
    async def depth(n): return add(depth(n - 1), 1) if n else 0

    def work():
        assert cs.run(depth(100_000)) == 100_000
    """,
    "mutual recursion, tail and not": """
    @cs.task(mode="inline")
    def even(n): return odd(n - 1) if n else True

    @cs.task(mode="inline")
    def odd(n): return same(even(n - 1)) if n else False

    def work():
        assert cs.run(even(400_000)) is True
    """,
    "several targets, each deep": """
    @cs.task(mode="inline")
    def depth(n): return add(depth(n - 1), 1) if n else 0

    def work():
        assert cs.run([depth(50_000), same(depth(50_000)), depth(50_000)]) == [50_000] * 3
    """,
    "explained and drawn": """
    def work():
        node = same(0)
        for _ in range(20_000):
            node = same([node])
        assert cs.explain(node)
        assert cs.visualize(node).dot
    """,
}


@pytest.mark.parametrize("name", CODE)
def test_deep(interpreter: Callable[..., str], name: str) -> None:
    assert interpreter(START + CODE[name] + "\n    on_a_small_stack(work)\n").strip() == "fine"


def test_fibonacci() -> None:
    import cascade as cs

    @cs.task(mode="inline")
    def fib(n: int) -> object:
        return total(fib(n - 1), fib(n - 2)) if n > 1 else n

    @cs.task(mode="inline")
    def total(a: int, b: int) -> int:
        return a + b

    assert cs.run(fib(18)) == 2584


def test_ackermann() -> None:
    """Recursion in an argument of a tail call."""
    import cascade as cs

    @cs.task(mode="inline")
    def ackermann(m: int, n: int) -> object:
        if m == 0:
            return n + 1
        return ackermann(m - 1, ackermann(m, n - 1) if n else 1)

    assert cs.run(ackermann(2, 60)) == 123


def test_cancelled_when_deep(interpreter: Callable[..., str]) -> None:
    code = """
        import asyncio, gc, weakref
        import cascade as cs

        class Token: pass

        @cs.task
        async def bottom(token):
            reached.set()
            await asyncio.Event().wait()

        @cs.task(mode="inline")
        def depth(n, token): return keep(depth(n - 1, token), token) if n else bottom(token)

        @cs.task(mode="inline")
        def keep(a, b): return a

        async def main():
            global reached
            reached = asyncio.Event()
            token = Token()
            watch = weakref.ref(token)
            engine = cs.Engine()
            run = engine.start(depth(100_000, token))
            del token
            await reached.wait()
            run.cancel()
            try:
                await run
            except asyncio.CancelledError:
                pass
            del run
            gc.collect()
            assert watch() is None
            print("fine")

        asyncio.run(main())
    """
    assert interpreter(code).strip() == "fine"
