"""Random expressions, as descriptions for the oracle: of all words of the graph language, or plain ones."""

from __future__ import annotations

import keyword
import math
import operator
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from language.acts import Again, Awaits, Boom, Digest, Either, Fail, Give, Pick, Recurse, Stream
from language.descriptions import (
    PARAMS,
    RECORDS,
    RESOURCES,
    Box,
    Call,
    Data,
    Extra,
    Fallback,
    Flaky,
    Guard,
    Input,
    Literal,
    Map,
    Node,
    Operator,
    Outcome,
    Pipeline,
    Race,
    Recover,
    Resource,
    Router,
    Scope,
    Sequence,
    TaskSpec,
    derive,
    is_call,
    is_lazy,
    takes_timeouts,
    under_conditions,
)
from support.values import Hostile, HostileKey

KINDS = ("inline", "thread", "async", "suspending", "coroutine")

_identifiers = st.sampled_from(["a", "b", "x", "item", "self", "é", "k y"])
_truths = st.sampled_from([True, True, True, 1, "yes", False, None, 0])


@dataclass(frozen=True)
class Rules:
    """What may occur.

    Attributes:
        kinds: of tasks.
        failing: things that fail.
        exact: nothing that ends later than at once, so that one order of calls is the right one.
        plain: calls and containers alone, no other words.
    """

    kinds: tuple[str, ...] = ("inline",)
    failing: bool = False
    exact: bool = True
    plain: bool = False


@dataclass
class Pool:
    """What an expression can be made of."""

    nodes: list[Node] = field(default_factory=list)
    cached: list[tuple[TaskSpec, int]] = field(default_factory=list)

    @property
    def lazies(self) -> list[Node]:
        """The lazy results."""
        return [node for node in self.nodes if is_lazy(node)]

    def children(self) -> st.SearchStrategy[Node]:
        """Literals, and nodes made before."""
        known = [st.sampled_from(self.nodes)] * 3 if self.nodes else []
        return st.one_of(st.builds(Literal, literal_values), *known)


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


# -- tasks ------------------------------------------------------------------------------------------------------------


@st.composite
def acts(draw: st.DrawFn, pool: Pool, spec: tuple[str, str], rules: Rules) -> object:
    """One thing for a task to do."""
    choices = ["digest", "digest", "pick", "give", "recurse"]
    choices += ["fail"] if rules.failing else []
    choices += ["next", "container"] if pool.lazies else []
    if not rules.plain:
        choices += ["again", "either"] if pool.lazies else ["again"]
    elif pool.lazies and not rules.exact and spec[1] in ("async", "suspending", "coroutine"):
        choices += ["await"] * 4  # of plain calls, which hold no limit that another one needs
    match draw(st.sampled_from(choices)):
        case "pick":
            return Pick(draw(st.integers(0, 3)))
        case "give":
            return Give(draw(literal_values))
        case "await":
            return Awaits(tuple(draw(st.lists(st.sampled_from(pool.lazies), min_size=1, max_size=3))))
        case "again":
            through = draw(st.sampled_from(["router", "condition", "otherwise", "map"]))
            return Again(spec, draw(st.integers(1, 3)), through)
        case "fail":
            error = draw(st.sampled_from([Boom, Boom, StopIteration, KeyError, StopAsyncIteration]))
            return Fail(error, draw(st.integers(0, 10**6)))
        case "recurse":
            last = Fail(Boom, 7) if rules.failing and draw(st.booleans()) else Digest()
            return Recurse(*spec, draw(st.integers(1, 6)), draw(st.booleans()), last)
        case "next":
            return Give(draw(st.sampled_from(pool.lazies)))
        case "container":
            return Give(draw(boxes(pool.nodes, rules.exact)))
        case "either":
            lazies = draw(st.lists(st.sampled_from(pool.lazies), min_size=1, max_size=3))
            skipped = Guard(Literal(0), lazies[0])
            several = Box("list", (lazies[0], Box("dict", (skipped,), ("a",))))
            return Either((*lazies, "a value", skipped, several))
    return Digest()


@st.composite
def specs(draw: st.DrawFn, pool: Pool, rules: Rules) -> TaskSpec:
    """A task."""
    name, kind = draw(st.sampled_from(["f", "g", "h"])), draw(st.sampled_from(rules.kinds))
    return TaskSpec(name, draw(acts(pool, (name, kind), rules)), kind, draw(st.booleans()))


def _is_parameter(name: str) -> bool:
    if max(name, default="") > "\u024f":  # one Python draws what another one reads, which may know fewer letters
        return False
    return name.isidentifier() and not keyword.iskeyword(name) and name != "args"


# -- expressions -----------------------------------------------------------------------------------------------


@st.composite
def calls(draw: st.DrawFn, pool: Pool, rules: Rules) -> Call:
    """A call whose arguments are literals and nodes made before."""
    args = draw(st.lists(pool.children(), max_size=3))
    kwargs = draw(st.dictionaries(names, pool.children(), max_size=2))
    spec = draw(specs(pool, rules))
    if all(map(_is_parameter, kwargs)) and draw(st.booleans()):
        spec = replace(spec, fixed=tuple(kwargs))
    return Call(spec, tuple(args), kwargs)


def _hashable(node: Node) -> bool:
    if isinstance(node, Literal):
        try:
            hash(node.value)
        except Exception:
            return False
        return True
    if isinstance(node, Box) and node.kind not in ("gather", "frozenset"):
        return node.kind in ("tuple", *RECORDS) and all(map(_hashable, node.items))
    return not isinstance(node, Data) or _hashable(node.node)


@st.composite
def boxes(draw: st.DrawFn, pool: list[Node], ordered: bool) -> Box:
    """A container of nodes made before and literals. In a set of several lazy results none comes first."""
    kind = draw(st.sampled_from(["list", "tuple", "dict", *RECORDS, "set", "frozenset", "gather"]))
    children = st.one_of(st.builds(Literal, literal_values), *([st.sampled_from(pool)] * 3 if pool else []))
    if kind in RECORDS:
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


def _giving(draw: st.DrawFn, pool: Pool, rules: Rules, value: object) -> Node:
    """A node with that value, which may need others before it has it."""
    if draw(st.integers(0, 3)) == 0:
        return Literal(value)
    needs = draw(st.lists(st.sampled_from(pool.nodes), max_size=1)) if pool.nodes else []
    return Call(TaskSpec("tell", Give(value), draw(st.sampled_from(rules.kinds))), tuple(needs))


@st.composite
def operators(draw: st.DrawFn, pool: Pool, rules: Rules) -> Operator:
    """An operator on a lazy result, which has a value unless failures are wanted."""
    if rules.failing and pool.lazies and draw(st.integers(0, 3)) == 0:
        lazy, other = draw(st.sampled_from(pool.lazies)), draw(pool.children())
        name = draw(st.sampled_from(["add", "sub", "getitem", "eq", "lt", "neg", "imag", "name"]))
        return Operator(name, (lazy, other) if hasattr(operator, name) and name != "neg" else (lazy,))
    needs = draw(st.lists(st.sampled_from(pool.nodes), max_size=1)) if pool.nodes else []
    kind = draw(st.sampled_from(rules.kinds))

    def giving(value: object) -> Call:
        return Call(TaskSpec("tell", Give(value), kind), tuple(needs))

    match draw(st.sampled_from(["binary", "reflected", "unary", "item", "slice", "attribute"])):
        case "binary":
            name = draw(
                st.sampled_from(["add", "sub", "mul", "eq", "ne", "lt", "le", "gt", "ge", "and_", "or_", "xor"])
            )
            return Operator(name, (giving(draw(st.integers(-3, 3))), _giving(draw, pool, rules, 2)))
        case "reflected":
            name = draw(st.sampled_from(["add", "sub", "mul", "and_", "or_", "xor", "lshift"]))
            return Operator(name, (Literal(draw(st.integers(0, 3))), giving(draw(st.integers(0, 3)))))
        case "unary":
            return Operator(draw(st.sampled_from(["neg", "pos", "invert", "abs"])), (giving(draw(st.integers(-3, 3))),))
        case "item":
            return Operator("getitem", (giving({"a": [1, 2], 0: "b"}), _giving(draw, pool, rules, "a")))
        case "slice":
            return Operator("getitem", (giving([1, 2, 3]), Literal(slice(1, None))))
    return Operator(draw(st.sampled_from(["real", "imag"])), (giving(draw(st.integers(0, 3))),))


@st.composite
def marked(draw: st.DrawFn) -> Data:
    """Something that is marked as data: a literal, or lazy results, which are handed over as they are.

    What a task does with such a lazy result may well be to return it: then it is evaluated, wherever that is. So it is
    recorded as a call of a group of its own.
    """
    if draw(st.booleans()):
        return Data(Literal(draw(literal_values)))
    spec = TaskSpec("kept", Give(draw(hashables)), "inline", group=10**6 + draw(st.integers(0, 10**6)))
    lazy = Call(spec)
    match draw(st.sampled_from(["bare", "list", "dict"])):
        case "bare":
            return Data(lazy)
        case "list":
            return Data(Box("list", (Literal(1), lazy)))
    return Data(Box("dict", (Box("tuple", (lazy,)),), ("a",)))


@st.composite
def routers(draw: st.DrawFn, pool: Pool, rules: Rules) -> Router:
    """A router; its selector gives a key that has a route, or it has a default, unless failures are wanted."""
    keys = tuple(dict.fromkeys(draw(st.lists(hashables, min_size=1, max_size=3))))
    routes = [draw(pool.children()) for _ in keys]
    default = draw(st.none() | pool.children())
    if rules.failing and pool.nodes and draw(st.integers(0, 3)) == 0:
        selector = draw(st.sampled_from(pool.nodes))
    else:
        wanted = draw(st.sampled_from(keys) | hashables if default or rules.failing else st.sampled_from(keys))
        selector = _giving(draw, pool, rules, wanted)
    return Router(selector, keys, tuple(routes), default)


@st.composite
def guards(draw: st.DrawFn, pool: Pool, rules: Rules) -> Guard:
    """A condition on a node made before."""
    if rules.failing and draw(st.integers(0, 3)) == 0:
        condition = draw(st.sampled_from(pool.nodes))
    else:
        condition = _giving(draw, pool, rules, draw(_truths))
    otherwise = draw(st.none() | pool.children() | pool.children())
    return Guard(condition, draw(st.sampled_from(pool.lazies)), otherwise)


@st.composite
def maps(draw: st.DrawFn, pool: Pool, rules: Rules) -> Map:
    """A map; what is zipped are lists of nodes, literals, and tasks that give lists."""
    used = draw(st.lists(_identifiers, min_size=1, max_size=3, unique=True))
    length = draw(st.integers(0, 3))
    zipped: dict[str, Node] = {}
    for name in used[:2]:
        values = draw(st.lists(literal_values, min_size=length, max_size=length))
        # Items of an async iterable come later than at once.
        kinds = ["box", "box", "literal", "range", "task", *(() if rules.exact else ("stream", "stream of a task"))]
        match draw(st.sampled_from(kinds)):
            case "box":
                items = draw(st.lists(pool.children(), min_size=length, max_size=length))
                zipped[name] = Box(draw(st.sampled_from(["list", "tuple"])), tuple(items))
            case "literal":
                zipped[name] = Literal(tuple(values))
            case "range":
                zipped[name] = Literal(range(length))
            case "stream":
                zipped[name] = Literal(Stream(values, draw(st.booleans())))
            case "stream of a task":
                stream = Stream(values, draw(st.booleans()))
                zipped[name] = Call(TaskSpec("items", Give(stream), draw(st.sampled_from(rules.kinds))))
            case "task":
                zipped[name] = Call(TaskSpec("items", Give(values), draw(st.sampled_from(rules.kinds))))
    if rules.failing and draw(st.integers(0, 5)) == 0:
        wrong = draw(st.sampled_from(["text", 3, None, b"", {"a": 1}, [1, 2, 3, 4], (1,)]))
        zipped[used[0]] = Call(TaskSpec("items", Give(wrong), draw(st.sampled_from(rules.kinds))))
    consts = {name: draw(pool.children()) for name in used[2:]}
    spec = draw(specs(pool, rules))
    order = tuple(draw(st.permutations([*zipped, *consts])))
    if all(map(_is_parameter, order)) and draw(st.booleans()):
        spec = replace(spec, fixed=order)
    return Map(spec, zipped, consts, draw(st.sampled_from([None, None, 1, 2])), order)


@st.composite
def policies(
    draw: st.DrawFn, pool: Pool, rules: Rules, known: bool = False, timed: bool = False, scoped: bool = False
) -> Extra:
    """A policy that changes neither values nor calls.

    Args:
        pool: what its amounts may be given by.
        rules: what may occur.
        known: its amounts are literals.
        timed: it may be a timeout.
        scoped: it is that of a scope: calls beneath it cannot have what it holds.
    """
    roles = ["retry", "constraints", "timeout"] if timed and not rules.exact else ["retry", "constraints"]
    role = draw(st.sampled_from(roles))
    if role == "retry":
        # A second attempt comes later, so that others go first.
        never = rules.exact or (scoped and rules.failing)
        on = OSError if never else draw(st.sampled_from([Exception, Boom, LookupError]))
        give_up_on = draw(st.sampled_from([(), (Boom,)]))
        return Extra("retry", {"max_attempts": draw(st.integers(1, 3)), "on": on, "give_up_on": give_up_on})
    if role == "timeout":
        return Extra("timeout", 1000)
    limits = st.just("hall") if scoped else st.sampled_from(["gpu", "mem"])
    amounts = draw(st.dictionaries(limits, st.integers(0, 1), max_size=2))
    most = 9999 if rules.failing and draw(st.integers(0, 5)) == 0 else 1
    wanted = [amount * most for amount in amounts.values()]
    items = [Literal(amount) if known else _giving(draw, pool, rules, amount) for amount in wanted]
    return Extra("constraints", Box("dict", tuple(items), tuple(amounts)))


def _is_flaky(node: Node) -> bool:
    node = under_conditions(node)
    return isinstance(node, Scope) or (isinstance(node, Call) and isinstance(node.task.act, Flaky))


@st.composite
def derived(draw: st.DrawFn, pool: Pool, rules: Rules) -> Node:
    """What a modifier makes of a node made before; or that with another modifier."""
    node = draw(st.sampled_from(pool.lazies))
    for _ in range(draw(st.integers(1, 2))):
        # What is flaky has the policy that it needs: which of two copies gives up first depends on who is first.
        if (is_call(node) or not rules.exact) and not _is_flaky(node) and draw(st.booleans()):
            extra = draw(policies(pool, rules, timed=takes_timeouts(node), scoped=not is_call(node)))
        else:
            extra = Extra("after", draw(st.sampled_from(pool.lazies)))
        node = derive(node, extra)
    return node


@st.composite
def governed(draw: st.DrawFn, pool: Pool, rules: Rules) -> Call | Map:
    """A call of a task, or a map with one, that has policies of its own."""
    node = draw(maps(pool, rules) if draw(st.booleans()) else calls(pool, rules))
    # A lazy result that the task of a map has would be one of each item.
    return replace(node, extras=(draw(policies(pool, rules, isinstance(node, Map))),))


@st.composite
def flaky(draw: st.DrawFn, pool: Pool, rules: Rules) -> Node:
    """A call, or a map, whose task fails at first and is called again until it does not."""
    times = draw(st.integers(1, 3))
    spec = draw(specs(pool, rules))
    spec = TaskSpec(spec.name, Flaky(times, draw(st.sampled_from([Boom, KeyError])), spec.act), spec.kind, spec.fresh)
    on = KeyError if rules.failing and draw(st.integers(0, 3)) == 0 else Exception
    retry = Extra("retry", {"max_attempts": draw(st.integers(times + 1, times + 2)), "on": on})
    if draw(st.booleans()):
        return derive(Call(spec, tuple(draw(st.lists(pool.children(), max_size=2)))), retry)
    return Map(spec, {"x": Box("list", tuple(draw(st.lists(pool.children(), max_size=3))))}, extras=(retry,))


@st.composite
def cached(draw: st.DrawFn, pool: Pool, rules: Rules) -> Node:
    """A call whose result is kept; often one that others have asked for."""
    if not pool.cached or draw(st.integers(0, 2)) == 0:
        made = draw(specs(pool, rules))
        group = len(pool.cached)
        pool.cached.append((TaskSpec(made.name, made.act, made.kind, made.fresh, group), group))
    spec, group = draw(st.sampled_from(pool.cached))
    few = st.sampled_from([1, True, "a", None]).map(Literal)
    if draw(st.integers(0, 2)):
        args = draw(st.lists(few | st.sampled_from(pool.nodes) if pool.nodes else few, max_size=1))
        return derive(Call(spec, tuple(args)), Extra("cache", group))
    return Map(spec, {"x": Box("list", tuple(draw(st.lists(few, max_size=3))))}, extras=(Extra("cache", group),))


# -- failures as values ------------------------------------------------------------------------------------------------

_caught = st.sampled_from([Exception, Exception, Boom, (Boom, KeyError), LookupError])


def _says_yes(error: Exception) -> bool:
    return True


def _is_boom(error: Exception) -> bool:
    return type(error) is Boom


def _says_nothing(error: Exception) -> bool:
    raise LookupError("a predicate")


_predicates = st.sampled_from([_says_yes, _is_boom, _says_nothing])


@st.composite
def failing(draw: st.DrawFn, pool: Pool, rules: Rules) -> Node:
    """A call that fails, after all that it takes has its value: what is called before that is known."""
    # Where other things fail, too, what it takes might.
    inputs = st.builds(Literal, literal_values) if rules.failing else pool.children()
    error = draw(st.sampled_from([Boom, KeyError]))
    spec = TaskSpec("bad", Fail(error, draw(st.integers(0, 9))), draw(st.sampled_from(rules.kinds)))
    return Call(spec, tuple(draw(st.lists(inputs, max_size=2))))


@st.composite
def catching(draw: st.DrawFn, pool: Pool, rules: Rules) -> Node:
    """A recover, fallback or outcome. By the exact rules of anything; else of what surely fails, or surely does not."""
    sure = not rules.exact and draw(st.booleans())
    if sure:
        value, on = draw(failing(pool, rules)), Exception
    else:
        value = draw(pool.children() if rules.exact or not rules.failing else st.builds(Literal, literal_values))
        on = draw(_caught | _predicates if rules.failing else _caught)
    match draw(st.sampled_from(["recover", "recover", "fallback", "outcome"])):
        case "recover":
            kinds = rules.kinds if rules.exact else [kind for kind in rules.kinds if kind != "coroutine"] or ["inline"]
            spec = TaskSpec("handle", draw(acts(pool, ("f", "inline"), rules)), draw(st.sampled_from(kinds)))
            return Recover(value, spec, on, draw(st.booleans()))
        case "fallback":
            return Fallback(value, draw(pool.children()), on)
    return Outcome(value)


@st.composite
def races(draw: st.DrawFn, pool: Pool, rules: Rules) -> Race:
    """A race. By the exact rules of anything; else of one, or with a literal first, which has won whatever is there."""
    if rules.exact:
        return Race(tuple(draw(st.lists(pool.children(), min_size=1, max_size=3))))
    if draw(st.booleans()):
        return Race((draw(pool.children()),))
    return Race((Literal(draw(literal_values)), *draw(st.lists(pool.children(), max_size=2))))


@st.composite
def scopes(draw: st.DrawFn, pool: Pool, rules: Rules) -> Node:
    """A scope: one with policies is evaluated later than at once, and so not by the exact rules."""
    made: Node = Scope(draw(pool.children()))
    if rules.exact:
        return made
    match draw(st.sampled_from(["plain", "flaky", "cached", "policies"])):
        case "flaky":
            times = draw(st.integers(1, 3))
            spec = draw(specs(pool, rules))
            act = Flaky(times, draw(st.sampled_from([Boom, KeyError])), spec.act)
            few = tuple(draw(st.lists(st.builds(Literal, literal_values), max_size=2)))
            call = Call(TaskSpec(spec.name, act, spec.kind, spec.fresh), few)
            made = derive(Scope(call), Extra("retry", {"max_attempts": draw(st.integers(times + 1, times + 2))}))
        case "cached":
            made = derive(made, Extra("cache", f"scope {len(pool.nodes)}"))
        case "policies":
            for _ in range(draw(st.integers(1, 2))):
                made = derive(made, draw(policies(pool, rules, timed=True, scoped=True)))
    return made


@st.composite
def towers(draw: st.DrawFn, rules: Rules, size: int = 5) -> Node:
    """Expressions in scopes with policies, one in another, with nothing beside them: one order of calls is right."""
    node = draw(programs(rules, size))
    for level in range(draw(st.integers(1, 3))):
        match draw(st.sampled_from(["scope", "scope", "scope", "call", "recover", "fallback", "outcome", "race"])):
            case "scope":
                node = derive(Scope(node), draw(_tower_policies(level)))
            case "call":
                node = Call(draw(specs(Pool(), rules)), (node, Literal(level)))
            case "recover":
                spec = TaskSpec("handle", draw(acts(Pool(), ("f", "inline"), rules)))
                node = Recover(node, spec, draw(_caught | _predicates), draw(st.booleans()))
            case "fallback":
                node = Fallback(node, draw(programs(rules, 3)), draw(_caught | _predicates))
            case "outcome":
                node = Outcome(node)
            case "race":
                node = Race((node,))
    return node


@st.composite
def _tower_policies(draw: st.DrawFn, level: int) -> Extra:
    match draw(st.sampled_from(["retry", "retry", "timeout", "cache", "constraints"])):
        case "retry":
            on = draw(st.sampled_from([Exception, Boom, LookupError]))
            give_up_on = draw(st.sampled_from([(), (Boom,)]))
            return Extra("retry", {"max_attempts": draw(st.integers(1, 3)), "on": on, "give_up_on": give_up_on})
        case "timeout":
            return Extra("timeout", 1000)
        case "cache":
            return Extra("cache", f"tower {level}")
    return Extra("constraints", Box("dict", (Literal(draw(st.sampled_from([0, 1, 1, 9999]))),), ("hall",)))


@st.composite
def sequences(draw: st.DrawFn, pool: Pool, rules: Rules) -> Sequence:
    """Nodes made before, one after another."""
    return Sequence(tuple(draw(st.lists(st.sampled_from(pool.lazies), max_size=3))) if pool.lazies else ())


@st.composite
def pipelines(draw: st.DrawFn, pool: Pool, rules: Rules) -> Pipeline:
    """A value that tasks are called with in turn."""
    return Pipeline(draw(pool.children()), tuple(draw(st.lists(specs(pool, rules), min_size=1, max_size=3))))


def _words(draw: st.DrawFn, pool: Pool, rules: Rules) -> Node:
    if rules.plain:
        return draw(calls(pool, rules)) if draw(st.integers(0, 2)) else draw(boxes(pool.nodes, rules.exact))
    words = ["call", "call", "router", "map", "sequence", "pipeline", "cached", "governed", "input", "box"]
    words += ["operator", "data", "catching", "catching", "race", "scope"]
    words += ["guard", "guard", "derived", "derived"] if pool.lazies else []
    words += [] if rules.exact else ["flaky", "resource"]
    word = draw(st.sampled_from(words))
    if word in _WORDS:
        return draw(_WORDS[word](pool, rules))
    match word:
        case "input":
            return Input(draw(st.sampled_from([*PARAMS, "unknown"])))
        case "resource":
            return Resource(draw(st.sampled_from([*RESOURCES])))
        case "data":
            return draw(marked())
    return draw(boxes(pool.nodes, rules.exact))


_WORDS = {
    "call": calls,
    "router": routers,
    "guard": guards,
    "map": maps,
    "sequence": sequences,
    "pipeline": pipelines,
    "cached": cached,
    "governed": governed,
    "flaky": flaky,
    "derived": derived,
    "operator": operators,
    "catching": catching,
    "race": races,
    "scope": scopes,
}


@st.composite
def programs(draw: st.DrawFn, rules: Rules = Rules(), size: int = 8) -> Node:
    """An expression grown from the leaves up: each new node may use all nodes before it, also more than once."""
    pool = Pool()
    for _ in range(draw(st.integers(0, size - 1))):
        pool.nodes.append(_words(draw, pool, rules))
    if not rules.plain and pool.lazies and draw(st.integers(0, 3)) == 0:
        return pool.lazies[-1]
    root = draw(calls(pool, rules))
    if rules.plain and draw(st.booleans()):
        return root
    return Call(root.task, (*root.args, *pool.nodes[-2:]), root.kwargs)
