"""Wrong conditions, order and routers."""

from __future__ import annotations

import cascade as cs


@cs.task
def pay(amount: int) -> str:
    return f"{amount}"


@cs.task
def double(n: int) -> int:
    return 2 * n


pay(3).run_if(True)  # error
double(3).after(pay(1))  # error
cs.lazy(pay(3)).run_if()  # error
cs.lazy(pay(3)).run_if(True, other="free")  # error
cs.lazy(pay(3)).run_if(True, "free")  # error
cs.lazy(pay("3")).run_if(True)  # error
cs.lazy(pay(3)).runif(True)  # error
cs.lazy(pay(3)).after(pay(1)).runif(True)  # error
number: int = cs.run(cs.lazy(pay(3)).run_if(True))  # error
text: str = cs.run(cs.lazy(pay(3)).run_if(True, otherwise=None))  # error
texts: str = cs.run(cs.lazy(pay(3)).run_if(True, otherwise=double(3)))  # error
cs.run(cs.lazy(double(3)).after(pay(1))).upper()  # error
node: cs.LazyResult[int] = cs.lazy(pay(3))  # error
double(cs.lazy(pay(3)))  # error

double(cs.Router("a", {"a": pay(1)}))  # error
routed: int = cs.run(cs.Router("a", {"a": pay(1)}))  # error
defaulted: str = cs.Router("a", {"a": pay(1)}, default=3)  # error
cs.Router("a")  # error
cs.Router("a", [pay(1)])  # error
cs.Router("a", pay(1))  # error
cs.Router("a", {"a": pay(1)}, "none")  # error
cs.Router("a", {"a": pay(1)}, otherwise="none")  # error
cs.Router("a", {"a": pay("1")})  # error

cs.sequence(3)  # error
cs.sequence(pay(1), pay(2))  # error
ordered: list[int] = cs.sequence([pay(1), pay(2)])  # error
cs.pipeline(5, [double, 7])  # error
cs.pipeline(5, double)  # error
cs.pipeline(5)  # error

both: tuple[str, str] = cs.gather(pay(1), double(2))  # error
lists: list[str] = cs.gather(pay(1), pay(2))  # error
first: int = cs.run(cs.gather(pay(1), double(2)))[0]  # error
third = cs.run(cs.gather(pay(1), double(2)))[2]  # error
one, two, three = cs.run(cs.gather(pay(1), double(2)))  # error
double(cs.gather(double(1)))  # error
cs.gather(pay("1"), double(2))  # error
several: tuple[str, ...] = cs.gather(*(double(n) for n in range(3)))  # error: pyright
