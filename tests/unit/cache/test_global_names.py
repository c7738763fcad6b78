"""What a function reads of its module counts; what it changes there is its own; which program `__main__` is."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable
from contextvars import Context, ContextVar
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.cache.fingerprint import fingerprint
from cascade.cache.global_names import accesses
from cascade.cache.identity import identity
from cascade.cache.policy import ResultCache

SOURCE = """
    import threading
    from decimal import Decimal
    import settings
    import cascade as cs

    RATE = 1.1
    TABLE = {"a": [1]}
    LOCK = threading.Lock()
    calls = []
    count = 0

    class Config:
        LIMIT = 3
        def __init__(self): self.rate = 1
        def top(self, x): return x

    config = Config()
    state = Config()

    def helper(x):
        return x * RATE

    def deep(x):
        return helper(x) if x else again(x)

    def again(x):
        return deep(x)

    @cs.task
    def work(x):
        return helper(x)

    def direct(x): return x * RATE
    def by_table(x): return TABLE["a"]
    def by_module(x): return settings.RATE
    def by_class(x): return Config.LIMIT
    def by_object(x): return config.rate
    def by_method(x): return config.top(x)
    def by_task(x): return work(x)
    def inside(x): return [y * RATE for y in (lambda: range(x))()]
    def locked(x):
        with LOCK:
            return x
    def counting(x):
        global count
        state.seen = state.rate
        count += 1
        calls.append(x)
        calls[0] = TABLE.setdefault
        return x
"""


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    settings = types.ModuleType("settings")
    settings.RATE = 2  # type: ignore[attr-defined]
    module = types.ModuleType("program")
    for one in (settings, module):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    exec(textwrap.dedent(SOURCE), module.__dict__)
    return module


CHANGES: dict[str, tuple[list[str], Callable[[Any], object]]] = {
    "a constant": (["direct", "inside", "deep", "again", "by_task"], lambda m: setattr(m, "RATE", 2)),
    "its type alone": (["direct", "deep"], lambda m: setattr(m, "RATE", 1.1 + 0j)),
    "a table": (["by_table"], lambda m: m.TABLE["a"].append(1)),
    "a module's": (["by_module"], lambda m: setattr(m.settings, "RATE", 3)),
    "a class's": (["by_class"], lambda m: setattr(m.Config, "LIMIT", 4)),
    "an object's": (["by_object"], lambda m: setattr(m.config, "rate", 2)),
    "a method's": (["by_method"], lambda m: setattr(m.Config, "top", m.direct)),
    "the code of a helper": (["deep", "again", "by_task"], lambda m: setattr(m.helper, "__code__", m.locked.__code__)),
    "another helper": (["deep", "again", "by_task"], lambda m: setattr(m, "helper", m.locked)),
    "a default of a helper": (["deep", "by_task"], lambda m: setattr(m.helper, "__defaults__", (1,))),
    "nothing any more": (["direct", "deep", "by_task"], lambda m: delattr(m, "RATE")),
    "a name of a builtin": (["inside"], lambda m: setattr(m, "range", list)),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("digest", [fingerprint, lambda fn: identity(fn, "f")], ids=["fingerprint", "identity"])
def test_what_a_function_reads_counts(program: Any, what: str, digest: Callable[[Any], bytes]) -> None:
    names, change = CHANGES[what]
    before = {name: digest(vars(program)[name]) for name in names}
    assert before == {name: digest(vars(program)[name]) for name in names}
    change(program)
    for name in names:
        assert digest(vars(program)[name]) != before[name], name


def test_globals_that_it_changes_or_that_have_no_fingerprint_do_not(program: Any) -> None:
    before = [identity(fn, "f") for fn in (program.counting, program.locked)]
    program.count = 7
    program.calls.append(1)
    program.calls[0] = object()
    program.state.seen = 7
    assert [identity(fn, "f") for fn in (program.counting, program.locked)] == before
    program.LOCK = None  # this is another kind of thing
    assert identity(program.locked, "f") != before[1]


def test_what_must_not_be_looked_at(program: Any) -> None:
    class Proxy:
        """Of an object that is only there while a request is served."""

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("outside of a request")

    program.config = Proxy()
    for name in ("by_object", "by_method"):
        assert len(identity(vars(program)[name], "f")) == 32
    program.TABLE = {"again": []}
    program.TABLE["again"].append(program.TABLE)
    program.HANDLERS = {program.direct, program.deep}
    exec("def loop(x): return HANDLERS, TABLE\nHANDLERS.add(loop)", vars(program))
    assert identity(program.loop, "f") == identity(program.loop, "f")


def test_reads_and_changes() -> None:
    def f(x: Any) -> Any:
        global assigned
        assigned = 1
        stored[0] += 1  # type: ignore[name-defined] # noqa: F821
        kept[x if x else 1][2] = read[x]  # type: ignore[name-defined] # noqa: F821
        del deleted[1]  # type: ignore[name-defined] # noqa: F821
        attribute.a.b = 3  # type: ignore[name-defined] # noqa: F821
        added.append(x)  # type: ignore[name-defined] # noqa: F821
        sliced[1:2] = [3]  # type: ignore[name-defined] # noqa: F821
        try:
            removed.pop()  # type: ignore[name-defined] # noqa: F821
        except KeyError:
            stored.get(1)  # type: ignore[name-defined] # noqa: F821
        return lambda: held.got + called(x)  # type: ignore[name-defined] # noqa: F821

    reads, changes, calls = accesses(f.__code__)
    assert {path[0] for path in reads} >= {"read", "held", "called", "attribute"}
    assert ("held", "got") in reads and ("stored",) not in reads and ("added", "append") in reads
    own = {("assigned",), ("stored",), ("deleted",), ("attribute", "a", "b"), ("sliced",)}
    assert own <= set(changes) <= own | {("kept",)}
    assert set(calls) == {("added",), ("removed",)}  # changes, if these are containers


def test_a_helper_with_a_state_of_its_own(program: Any) -> None:
    exec(
        textwrap.dedent("""
            def counted(fn):
                n, seen = 0, []
                def wrapper(*args):
                    nonlocal n
                    n += 1
                    seen.append(args)
                    return fn(*args)
                return wrapper
            helper = counted(helper)
        """),
        vars(program),
    )
    before = fingerprint(program.deep)
    program.helper(1)
    assert fingerprint(program.deep) == before
    program.RATE = 3
    assert fingerprint(program.deep) != before


def test_the_key_of_a_task_follows(program: Any) -> None:
    policy = ResultCache()
    task = cs.task(program.direct)
    before = policy.key(task, (1,), {})
    program.RATE = 5
    assert policy.key(task, (1,), {}) != before
    program.RATE = 1.1
    assert policy.key(task, (1,), {}) == before


def test_what_is_known_is_not_looked_at_again(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["direct", "deep", "by_module", "by_class", "by_object", "by_method", "by_task", "inside", "locked"]
    digests = {name: identity(vars(program)[name], "f") for name in names}
    monkeypatch.setattr("cascade.cache.identity.Walk", None)
    assert {name: identity(vars(program)[name], "f") for name in names} == digests


def tool(x: int) -> int:
    """One."""
    return x


class Toolbox:
    def use(self, x: int) -> int:
        """One."""
        return x


TOOLBOX = Toolbox()


def describes(x: int) -> str:
    """Describe a tool, such as to a model."""
    return f"{tool.__doc__}{TOOLBOX.use(x)}"


SAID = [
    ("__doc__", "Two."), ("__name__", "other"), ("__qualname__", "other"), ("__module__", "other"),
    ("__annotations__", {"x": "str"}),
]  # fmt: skip


@pytest.mark.parametrize("whose", [tool, Toolbox.use, describes], ids=["helper", "method", "itself"])
@pytest.mark.parametrize(("name", "said"), SAID)
def test_what_a_function_on_the_way_says_of_itself_counts(
    monkeypatch: pytest.MonkeyPatch, whose: Any, name: str, said: Any
) -> None:
    before = [identity(describes, "f") for _ in range(2)]
    monkeypatch.setattr(whose, name, said)
    assert identity(describes, "f") not in before
    monkeypatch.undo()
    if name != "__annotations__" or sys.version_info < (3, 14):  # later, to set them drops the function that makes them
        assert {identity(describes, "f"), *before} == {before[0]}


USER: ContextVar[Any] = ContextVar("USER")
LANGUAGE: ContextVar[str] = ContextVar("LANGUAGE", default="en")


def context() -> tuple[Any, str]:
    return USER.get("nobody"), LANGUAGE.get()


@cs.task(mode="inline")
def inline_context() -> tuple[Any, str]:
    return context()


@cs.task
async def async_context() -> tuple[Any, str]:
    return context()


@cs.task(mode="thread")
def thread_context() -> tuple[Any, str]:
    return USER.get("nobody"), LANGUAGE.get()


@pytest.mark.parametrize("task", [inline_context, async_context, thread_context], ids=["inline", "async", "thread"])
@pytest.mark.parametrize("on_disk", [False, True])
async def test_context_variables_count_by_their_values_in_the_run(tmp_path: Path, task: Any, on_disk: bool) -> None:
    store: Any = cs.DiskStore(tmp_path / "store.db") if on_disk else cs.MemoryStore()
    call = task().with_cache(cs.ResultCache(store=store))
    settings = [(None, "en"), ("ann", "en"), ("bob", "en"), ("nobody", "en"), (None, "de"), (None, "en")]
    async with cs.Engine() as engine:
        for user, language in settings:
            run = Context()
            if user is not None:
                run.run(USER.set, user)
            if language != "en":
                run.run(LANGUAGE.set, language)
            for _ in range(2):
                assert await run.run(engine.start, call) == (user or "nobody", language)
        assert len(store) == 5  # the default that the function gives is not the value "nobody"
        run.run(USER.set, object())
        with pytest.raises(cs.CacheKeyError, match=r"context variable 'USER', which `.*` reads, must have"):
            await run.run(engine.start, call)
    store.close()


SCRIPT = """
import cascade as cs, sys
RATE = {rate}
def factor(x): return x * RATE
@cs.cached(store=cs.DiskStore(sys.argv[1]))
@cs.task(mode="inline")
def price(x): return factor(x) if {deep} else __file__
print(cs.run(price(10)))
"""


def run(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run([sys.executable, *command], input=stdin, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_two_scripts_share_nothing(tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    scripts = [tmp_path / name for name in ("a.py", "b.py")]
    for script, rate in zip(scripts, (1.1, 2), strict=True):
        script.write_text(SCRIPT.format(rate=rate, deep=True))
    assert [run(str(script), store) for script in scripts] == ["11.0", "20"]
    for script in scripts:  # the same text, and another program
        script.write_text(SCRIPT.format(rate=1, deep=False))
    assert [run(str(script), store) for script in scripts * 2] == [str(script) for script in scripts] * 2
    assert len(cs.DiskStore(store)) == 4


def test_two_modules_of_one_name_share_nothing(tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    # The module lies in the working directory, which a safe path leaves out.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    for _ in range(2):
        for folder in (tmp_path / "a", tmp_path / "b"):
            folder.mkdir(exist_ok=True)
            # What a call returns does not count, so that the programs differ by nothing else.
            text = SCRIPT.format(rate=1, deep=False).replace("__file__", "__import__('os').getcwd()")
            (folder / "shop.py").write_text(text)
            command = [sys.executable, "-m", "shop", store]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
            assert done.stdout.strip() == str(folder)
    assert len(cs.DiskStore(store)) == 2


def test_what_is_typed_in_is_known_in_its_process_only(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    text = SCRIPT.format(rate=1, deep=True)
    for kept in (1, 2):
        assert run("-", str(store), stdin=text) == "10"
        assert len(cs.DiskStore(store)) == kept
    for _ in range(2):
        assert run("-c", text, str(store)) == "10"
        assert len(cs.DiskStore(store)) == 3


class Slotted:
    __slots__ = ("rate",)

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def add(self, x: int) -> int:
        return x + self.rate


RATES: Any = (1, 2)
SLOTTED = Slotted(2)


@cs.cached
def sum_of_rates() -> int:
    return sum(RATES)


@cs.cached
def by_slot(x: int) -> int:
    return x * SLOTTED.rate


def helpers_of(rate: int) -> Any:
    made = types.ModuleType("helpers_of_a_test")
    exec(f"RATE = {rate}\ndef add(x): return x + RATE", vars(made))
    return made


HELPERS = helpers_of(2)


@cs.cached
def by_module(x: int) -> int:
    added: int = HELPERS.add(x)
    return added


def test_a_tuple_that_another_takes_the_place_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cs.run(sum_of_rates()) == 3
    monkeypatch.setitem(globals(), "RATES", (1, 20))
    assert cs.run(sum_of_rates()) == 21


def test_what_is_in_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cs.run(by_slot(10)) == 20
    monkeypatch.setattr(SLOTTED, "rate", 3)
    assert cs.run(by_slot(10)) == 30


def test_a_method_that_is_called_as_those_that_change_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cs.run(by_module(10)) == 12
    monkeypatch.setattr(HELPERS, "RATE", 3)
    assert cs.run(by_module(10)) == 13
    monkeypatch.setattr(HELPERS, "add", lambda x: -x)
    assert cs.run(by_module(10)) == -10


REACHED = """
    import functools
    import settings
    import other

    class Base:
        SHARED = 1
        def __init__(self): self._rate = 2

    class Descriptor:
        def __get__(self, owner, kind): return owner._rate

    class Config(Base):
        described = Descriptor()
        def __call__(self, x): return x * self._rate
        def top(self, x): return self.deeper(x)
        def deeper(self, x): return x * self._rate
        def shared(self, x): return x * self.SHARED
        def again(self, x): return self.again(x - 1) if x > 20 else x * self._rate
        @classmethod
        def made(cls, x): return x * cls.SHARED
        @property
        def rate(self): return self._rate
        @functools.cached_property
        def kept(self): return self._rate

    class Hooked:
        def __init__(self): self._values = {"rate": 2}
        def __getattr__(self, name): return self._values[name]

    config = Config()
    hooked = Hooked()
    bound = config.top

    def alias(x):
        m = settings
        return x * m.RATE
    def walrus(x): return x * (m := settings).RATE + m.RATE
    def either(x): return x * (settings if x else other).RATE
    def one_of_two(x):
        if x:
            m = settings
        else:
            m = other
        return x * m.RATE
    def in_a_loop(x):
        m = other
        for _ in range(2):
            total = x * m.RATE
            m = settings
        return total
    def tried(x):
        m = settings
        try:
            raise KeyError
        except KeyError:
            return x * m.RATE
    def imported(x):
        import settings as m
        return x * m.RATE
    def imported_whole(x):
        import settings
        return x * settings.RATE
    def imported_name(x):
        from settings import RATE
        return x * RATE
    def by_getattr(x): return x * getattr(settings, "RATE")
    def by_getattr_or(x): return x * getattr(settings, "RATE", 5)
    def by_default(x, *, m=settings): return x * m.RATE
    def in_comprehension(x):
        m = settings
        return sum([m.RATE for _ in range(x)])
    def in_inner(x):
        m = settings
        def inner(): return m.RATE
        return x * inner()
    def with_class(m):
        def closed(x): return x * m.SHARED
        return closed
    def with_module(m):
        def closed(x): return x * m.RATE
        return closed
    def times(m, x): return x * m.RATE
    def with_partial(call):
        def closed(x): return call(x)
        return closed
    in_cell = with_module(settings)
    class_in_cell = with_class(Config)
    partial_in_cell = with_partial(functools.partial(times, settings))
    def by_property(x): return x * config.rate
    def by_kept(x): return x * config.kept
    def by_descriptor(x): return x * config.described
    def by_hook(x): return x * hooked.rate
    def by_call(x): return config(x)
    def by_self(x): return config.top(x)
    def by_recursion(x): return config.again(x)
    def by_bound(x): return bound(x)
    def by_base(x): return config.shared(x)
    def by_cls(x): return Config.made(x)
    def by_kind(x): return x * config.__class__.SHARED
"""

OBJECT = {"by_property", "by_kept", "by_descriptor", "by_call", "by_self", "by_bound", "by_recursion"}
CLASS = {"class_in_cell", "by_base", "by_cls", "by_kind"}


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    program = types.ModuleType("program")
    modules = [types.ModuleType("settings"), types.ModuleType("other"), program]
    for one in modules:
        one.RATE = 2  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, one.__name__, one)
    exec(textwrap.dedent(REACHED), vars(program))
    return program


WAYS = [line.split("(")[0].split()[-1] for line in textwrap.dedent(REACHED).splitlines() if line.startswith("def ")]
MAKERS = {"with_class", "with_module", "with_partial", "times"}
WAYS = [name for name in WAYS if name not in MAKERS] + ["in_cell", "class_in_cell", "partial_in_cell"]


@pytest.mark.parametrize("name", WAYS)
def test_by_whatever_way_it_is_reached_it_counts(reached: Any, name: str) -> None:
    fn = vars(reached)[name]
    before = [fingerprint(fn), identity(fn, "f")]
    assert before == [fingerprint(fn), identity(fn, "f")]
    old = fn(10)
    reached.config.__dict__.pop("kept", None)
    assert before == [fingerprint(fn), identity(fn, "f")]
    if name in OBJECT:
        reached.config._rate = 3
    elif name in CLASS:
        reached.Base.SHARED = 3
    elif name == "by_hook":
        reached.hooked._values["rate"] = 3
    else:
        reached.settings.RATE = 3
    assert fn(10) != old
    after = [fingerprint(fn), identity(fn, "f")]
    assert after[0] != before[0] and after[1] != before[1]
    reached.config._rate, reached.Base.SHARED, reached.settings.RATE = 2, 1, 2
    reached.hooked._values["rate"] = 2
    reached.config.__dict__.pop("kept", None)
    assert before == [fingerprint(fn), identity(fn, "f")]


def test_what_is_changed_by_another_name_is_its_own_state(reached: Any) -> None:
    source = """
        calls, kept = [], {}
        class Counter:
            def __init__(self): self.count, self.seen = 0, []
            def add(self, x):
                self.count += 1
                self.seen.append(x)
                return x
        counter = Counter()
        def own(x):
            mine = calls
            mine.append(x)
            table = kept
            table[x] = x
            return counter.add(x)
        def chain(node):
            while node:
                node = node.left if node.right else node.right
            return node
    """
    exec(textwrap.dedent(source), vars(reached))
    before = identity(reached.own, "f")
    reached.own(10)
    assert reached.counter.count == len(reached.calls) == len(reached.kept) == 1
    assert identity(reached.own, "f") == before
    assert len(identity(reached.chain, "f")) == 32  # ways without an end


def test_what_holds_is_not_looked_at_again(reached: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["alias", "imported_name", "by_property", "by_self", "by_cls", "by_recursion"]
    digests = {name: identity(vars(reached)[name], "f") for name in names}
    monkeypatch.setattr("cascade.cache.identity.Walk", None)
    assert {name: identity(vars(reached)[name], "f") for name in names} == digests


CONTENTS = """
    import collections, types

    class Dict(dict): pass
    class Ordered(collections.OrderedDict): pass
    class Default(collections.defaultdict): pass
    class Tally(collections.Counter): pass
    class User(collections.UserDict): pass
    class List(list): pass
    class Set(set): pass
    class Frozen(frozenset): pass
    class Queue(collections.deque): pass
    class Tuple(tuple): pass
    class Int(int): pass
    class Float(float): pass
    class Complex(complex): pass
    class Str(str): pass
    class Bytes(bytes): pass
    class Array(bytearray): pass
    class Slotted(Dict): __slots__ = ("rate",)
    class Descriptor:
        rate = 1
        def __get__(self, owner, kind): return self.rate
    class Place:
        described = Descriptor()

    class Kept(list):
        def add(self, x): self.append(x)

    held = {"a": 1}
    kept = Kept()
    kept_too = collections.UserList()
    value = None
    def read(): return repr(value), vars(value) if hasattr(value, "__dict__") else ""
    def has(): return hasattr(Place, "rate")
    def described(): return Place.described
    def keep():
        kept.append(1)
        kept_too.append(1)
"""

# How the value of a global is made, and what changes it.
VALUES = [
    ("types.MappingProxyType(held)", "held['a'] = 2"),
    ("collections.ChainMap({}, held)", "held['a'] = 2"),
    ("collections.UserDict(held)", "value['a'] = 2"),
    ("collections.UserList([1])", "value.append(2)"),
    ("collections.UserString('a')", "value.data = 'b'"),
    ("User(held)", "value['a'] = 2"),
    ("Dict(held)", "value['a'] = 2"),
    ("Dict(held)", "value.rate = 2"),
    ("Ordered(a=1, b=2)", "value.move_to_end('a')"),
    ("Default(int, a=1)", "value.default_factory = str"),
    ("Tally('a')", "value['a'] = 2"),
    ("List([1])", "value.append(2)"),
    ("Set([1])", "value.add(2)"),
    ("Frozen([1])", "value = Frozen([2])"),
    ("Queue([1])", "value.append(2)"),
    ("Tuple([1])", "value = Tuple([2])"),
    ("Int(1)", "value = Int(2)"),
    ("Float(0.0)", "value = Float(-0.0)"),
    ("Complex(1)", "value = Complex(2)"),
    ("Str('a')", "value = Str('b')"),
    ("Bytes(b'a')", "value = Bytes(b'b')"),
    ("Array(b'a')", "value[0] = 0"),
]


@pytest.fixture
def contents() -> dict[str, Any]:
    made: dict[str, Any] = {"__name__": "a_program"}
    exec(textwrap.dedent(CONTENTS), made)
    return made


@pytest.mark.parametrize(("value", "change"), VALUES)
def test_containers_of_other_classes_count_by_content(contents: dict[str, Any], value: str, change: str) -> None:
    exec(f"value = {value}", contents)
    before, old = [identity(contents["read"], "f") for _ in range(2)], repr(contents["read"]())
    exec(change, contents)
    assert repr(contents["read"]()) != old
    assert identity(contents["read"], "f") not in before and before[0] == before[1]


def test_a_slot_of_a_container_counts(contents: dict[str, Any]) -> None:
    exec("value = Slotted()", contents)
    digests = [identity(contents["read"], "f")]
    for rate in (1, 2):
        contents["value"].rate = rate
        digests.append(identity(contents["read"], "f"))
    assert len(set(digests)) == 3


def test_whether_a_class_has_an_attribute_and_what_its_descriptors_read(contents: dict[str, Any]) -> None:
    for name, change in (("has", "Place.rate = 1"), ("described", "Descriptor.rate = 2")):
        fn = contents[name]
        before, old = identity(fn, "f"), fn()
        exec(change, contents)
        assert fn() != old and identity(fn, "f") != before


def test_a_list_of_another_class_that_a_function_fills_is_its_state(contents: dict[str, Any]) -> None:
    before = identity(contents["keep"], "f")
    contents["keep"]()
    assert len(contents["kept"]) == len(contents["kept_too"]) == 1
    assert identity(contents["keep"], "f") == before


LATE = """
import cascade as cs, sys
@cs.cached(store=cs.DiskStore(sys.argv[1]))
@cs.task(mode="inline")
def price(x):
    from {package} import rates
    return x * rates.RATE
print(cs.run(price(10)))
"""


@pytest.mark.parametrize("package", ["shop", "."])
def test_a_module_that_is_not_imported_yet_counts_by_its_text(tmp_path: Path, package: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "sell.py").write_text(LATE.format(package=package))
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import shop.sell"
    store = tmp_path / "store.db"
    for rate in (2, 2, 30, 2):
        (tmp_path / "shop" / "rates.py").write_text(f"RATE = {rate}")
        assert run("-c", script, str(store)) == str(10 * rate)
    assert len(cs.DiskStore(store)) == 2
