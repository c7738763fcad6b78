"""Conditions, order and routers."""

from __future__ import annotations

from typing import Literal, assert_type

import cascade as cs


@cs.task
def pay(amount: int) -> str:
    return f"{amount}"


@cs.task
def enough(amount: int) -> bool:
    return amount > 3


@cs.task
async def kind(amount: int) -> Literal["small", "large"]:
    return "small" if amount < 3 else "large"


@cs.task
def double(n: int) -> int:
    return 2 * n


@cs.task
def countdown(n: int) -> str:
    return cs.lazy(countdown(n - 1)).run_if(n > 0, otherwise="lift-off")


@cs.task
def poll(job: str, n: int) -> float | None:
    return cs.lazy(poll(job, n + 1)).after(cs.wait(1)) if n < 3 else 0.5


@cs.task(mode="inline")
def step(state: str, n: int) -> str:
    return cs.Router(state, {"red": step("green", n - 1), "green": step("red", n - 1)}) if n else state


assert_type(cs.lazy(pay(3)), cs.LazyResult[str])
assert_type(cs.lazy(cs.lazy(pay(3))), cs.LazyResult[str])
assert_type(cs.run(cs.lazy(pay(3)).run_if(enough(3))), str)
assert_type(cs.run(cs.lazy(pay(3)).run_if(True, otherwise="free")), str)
assert_type(cs.run(cs.lazy(pay(3)).run_if(enough(3), otherwise=double(3))), str | int)
assert_type(cs.run(cs.lazy(pay(3)).run_if(enough(3), otherwise=None)), str | None)
assert_type(cs.run(cs.lazy(pay(3)).run_if(enough(3), otherwise=cs.lazy(double(3)))), str | int)
assert_type(cs.run(cs.lazy(pay(3)).run_if(enough(3), otherwise=cs.lazy(double(3)).after(pay(1)))), str | int)
assert_type(cs.run(cs.lazy(pay(3)).after(pay(1), double(2))), str)
assert_type(cs.run(cs.lazy(pay(3)).after(pay(1)).run_if(enough(3)).after(pay(2))), str)
assert_type(cs.run(cs.lazy(double(3)).after(pay(1))) + 1, int)
assert_type(cs.run([cs.lazy(pay(1)).after(pay(2)), cs.lazy(pay(3)).after(pay(4))]), list[str])
node: cs.LazyResult[str] = cs.lazy(pay(3)).run_if(enough(3))
value: str = cs.lazy(pay(3)).after(pay(1))
assert_type(double(cs.lazy(double(3)).after(pay(1))), int)
assert_type(cs.gather(cs.lazy(double(3)).after(pay(1)), pay(3)), tuple[int, str])
assert_type(cs.gather(pay(3), cs.lazy(double(3)).run_if(True)), tuple[str, int])
assert_type(cs.gather(cs.lazy(pay(3)), cs.lazy(double(3)), cs.lazy(enough(3))), tuple[str, int, bool])
assert_type(cs.gather(cs.lazy(pay(3)).after(pay(1)), double(3), enough(3)), tuple[str, int, bool])
assert_type(cs.gather(pay(3), double(3), enough(3), pay(1), cs.wait(2)), tuple[str, int, bool, str, float])

assert_type(cs.lazy(pay(3)).task.name, str)
assert_type(len(cs.lazy(pay(3)).args), int)

# Routers.
assert_type(cs.Router(kind(3), {"small": pay(1), "large": pay(2)}), str)
assert_type(cs.Router("a", {"a": 1, "b": double(2)}), int)
assert_type(cs.Router(1, {1: pay(1)}, default="none"), str)
assert_type(cs.Router(1, {1: pay(1)}, default=double(3)), str | int)
assert_type(cs.Router(kind(3), {"small": pay(1)}, default=None), str | None)
assert_type(cs.run(cs.Router(kind(3), {"small": pay(1)})), str)
assert_type(cs.Router(1, {1: double.map(n=[1])}, default=[]), list[int])
assert_type(cs.run(cs.lazy(double.map(n=[1])).run_if(enough(3), otherwise=[])), list[int])
assert_type(double(cs.Router(enough(3), {True: double(1), False: 2})), int)
routes = {"small": pay(1)}
routes["large"] = pay(2)
assert_type(cs.Router(kind(3), routes), str)
assert_type(cs.run(cs.lazy(cs.Router(kind(3), routes)).after(pay(1))), str)

# Order.
assert_type(cs.sequence([pay(1), pay(2)]), list[str])
assert_type(cs.sequence(double(n) for n in range(3)), list[int])
assert_type(cs.run(cs.sequence([pay(1)]))[0].upper(), str)
assert_type(cs.pipeline(3, [double, double]), int)
assert_type(cs.pipeline(double(1), [double, double.with_retry(3)]), int)
piped: str = cs.pipeline(3, [double, pay])

# Several values.
assert_type(cs.gather(), tuple[()])
assert_type(cs.gather(pay(1)), tuple[str])
assert_type(cs.gather(pay(1), double(2)), tuple[str, int])
assert_type(cs.run(cs.gather(pay(1), double(2), enough(3), "x")), tuple[str, int, bool, str])
assert_type(cs.gather(*(double(n) for n in range(3))), tuple[int, ...])
assert_type(cs.gather(*[pay(1), pay(2)]), tuple[str, ...])
text, number = cs.run(cs.gather(pay(1), double(2)))
assert_type(text, str)
assert_type(number, int)
assert_type(cs.gather(cs.gather(pay(1)), [double(2)]), tuple[tuple[str], list[int]])
assert_type(cs.run(cs.lazy(cs.gather(pay(1), double(2))).run_if(True)), tuple[str, int])


# A function may say that it returns a lazy result: the task has its value.
@cs.task
def ping(n: int) -> cs.LazyResult[None]:
    return cs.lazy(ping(n + 1)).after(cs.wait(1))


@cs.cached
def pong(n: int) -> cs.LazyResult[int]:
    return cs.lazy(double(n))


assert_type(ping(3), None)
assert_type(pong(3), int)
assert_type(double(pong(3)), int)
assert_type(cs.run([cs.lazy(ping(3)).after(cs.wait(1))]), list[None])
