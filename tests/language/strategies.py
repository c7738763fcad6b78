"""Random expressions, as descriptions for the oracle."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from hypothesis import strategies as st

from language.descriptions import Box, Call, Literal, Node, TaskSpec, is_lazy
from support.values import Hostile, HostileKey, canonical

ALL_KINDS = ("inline", "thread", "async", "suspending", "coroutine")


class Boom(Exception):
    """The failure of a task that was told to fail."""


# -- what tasks do ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Digest:
    """Give a short value that depends on all arguments and their types."""

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        return hashlib.blake2b(repr(canonical((args, kwargs))).encode("utf-8", "surrogatepass"), digest_size=6).digest()


@dataclass(frozen=True, eq=False)
class Pick:
    """Pass one argument on, itself."""

    index: int

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        values = [*args, *kwargs.values()]
        return values[self.index % len(values)] if values else None


@dataclass(frozen=True, eq=False)
class Give:
    """Give a value that has nothing to do with the arguments."""

    value: object

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        return self.value


@dataclass(frozen=True, eq=False)
class Fail:
    """Raise."""

    error: type[BaseException]
    label: int

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        raise self.error(self.label)


@dataclass(frozen=True, eq=False)
class Recurse:
    """Call itself `times` more; not as a tail call, another task waits for the result each time."""

    name: str
    kind: str
    times: int
    tail: bool
    end: object

    def __call__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        if not self.times:
            return self.end(args, kwargs)  # type: ignore[operator]
        again = Recurse(self.name, self.kind, self.times - 1, self.tail, self.end)
        call = Call(
            TaskSpec(self.name, again, self.kind),
            tuple(Literal(value) for value in args),
            {name: Literal(value) for name, value in kwargs.items()},
        )
        if self.tail:
            return call
        return Call(TaskSpec("join", Digest(), self.kind), (call, Literal(self.times)))


# -- literals --------------------------------------------------------------------------------------------------

hashables = st.one_of(
    # Equal values of different types, and values that are not equal to themselves.
    st.sampled_from([0, 1, False, True, 0.0, -0.0, 1.0, None, "", "a", b"a", "1", math.nan, 2**70, ..., (), (1,)]),
    st.integers(-3, 3),
    st.text(max_size=3),
    st.builds(HostileKey),
)
literal_values = st.recursive(
    hashables | st.builds(Hostile) | st.sampled_from([ValueError("a value"), len, int]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(hashables, inner, max_size=3),
        st.sets(st.integers(0, 5) | st.text(max_size=1), max_size=3),
    ),
    max_leaves=4,
)
names = st.one_of(
    st.sampled_from(["a", "b", "self", "x y", "", "a=1", "a,b", "é", "e\u0301", "\0", "\n", "日本", "args", "kwargs"]),
    st.text(st.characters(exclude_categories=()), max_size=4),
)


# -- expressions -----------------------------------------------------------------------------------------------


@st.composite
def acts(draw: st.DrawFn, pool: list[Node], name: str, kind: str, failing: bool) -> object:
    """One thing for a task to do; it may go on with an expression that is a part of this one too."""
    choices = ["digest", "digest", "pick", "give", "recurse"]
    choices += ["fail"] if failing else []
    lazies = [node for node in pool if is_lazy(node)]
    choices += ["next"] if lazies else []
    match draw(st.sampled_from(choices)):
        case "pick":
            return Pick(draw(st.integers(0, 3)))
        case "give":
            return Give(draw(literal_values))
        case "next":
            return Give(draw(st.sampled_from(lazies)))
        case "fail":
            error = draw(st.sampled_from([Boom, Boom, StopIteration, KeyError, StopAsyncIteration]))
            return Fail(error, draw(st.integers(0, 10**6)))
        case "recurse":
            last = Fail(Boom, 7) if failing and draw(st.booleans()) else Digest()
            return Recurse(name, kind, draw(st.integers(1, 6)), draw(st.booleans()), last)
    return Digest()


@st.composite
def calls(draw: st.DrawFn, pool: list[Node], kinds: tuple[str, ...], failing: bool) -> Call:
    """A call whose arguments are literals and nodes made before."""
    children = st.one_of(st.builds(Literal, literal_values), *([st.sampled_from(pool)] * 3 if pool else []))
    name, kind = draw(st.sampled_from(["f", "g", "h"])), draw(st.sampled_from(kinds))
    spec = TaskSpec(name, draw(acts(pool, name, kind, failing)), kind, draw(st.booleans()))
    args = draw(st.lists(children, max_size=3))
    return Call(spec, tuple(args), draw(st.dictionaries(names, children, max_size=2)))


def _hashable(node: Node) -> bool:
    if isinstance(node, Literal):
        try:
            hash(node.value)
        except Exception:
            return False
        return True
    if isinstance(node, Box) and node.kind not in ("gather", "frozenset"):
        return node.kind in ("tuple", "struct") and all(map(_hashable, node.items))
    return True


@st.composite
def boxes(draw: st.DrawFn, pool: list[Node], ordered: bool) -> Box:
    """A container of nodes made before and literals. In a set of several lazy results none comes first."""
    kind = draw(st.sampled_from(["list", "tuple", "dict", "struct", "set", "frozenset", "gather"]))
    children = st.one_of(st.builds(Literal, literal_values), *([st.sampled_from(pool)] * 3 if pool else []))
    if kind == "struct":
        return Box(kind, (draw(children), draw(children)))
    items = draw(st.lists(children, max_size=3))
    if kind == "dict":
        keys = draw(st.lists(hashables, min_size=len(items), max_size=len(items)))
        pairs = dict(zip(keys, items, strict=True))
        return Box(kind, tuple(pairs.values()), tuple(pairs))
    if kind in ("set", "frozenset"):
        items = [item for item in items if _hashable(item)][: 1 if ordered else None]
    if kind == "gather":
        items = [item for item in items if is_lazy(item)]
    return Box(kind, tuple(items))


@st.composite
def expressions(
    draw: st.DrawFn, kinds: tuple[str, ...] = ("inline",), failing: bool = False, ordered: bool = True, size: int = 8
) -> Node:
    """An expression grown from the leaves up: each new node may use all nodes before it, also more than once."""
    pool: list[Node] = []
    for _ in range(draw(st.integers(0, size - 1))):
        maker = calls(pool, kinds, failing) if draw(st.integers(0, 2)) else boxes(pool, ordered)
        pool.append(draw(maker))
    root = draw(calls(pool, kinds, failing))
    if pool and draw(st.booleans()):
        return Call(root.task, (*root.args, *pool[-2:]), root.kwargs)
    return root
