"""What a fuzzer does to files of templates, and what must come of it.

`attack` takes any bytes as the encoding of a template, and as a file. Either they are refused with a `TemplateError`,
or they are as good as what they stand for: nothing else may happen, in bounded time and memory.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import msgspec

import cascade as cs
from cascade._core.shape.table import TemplateTable
from cascade.exceptions import TemplateError
from cascade.graph.kinds import KINDS
from cascade.graph.model import STRUCTS, GraphTemplate, PlanTemplate
from cascade.graph.solver import check
from cascade.inspect.table import explain
from cascade.inspect.tree import tree
from cascade.templates.codec import Stored, decode, encode
from cascade.templates.reader import TemplateFile
from cascade.templates.store import examine, prove
from support import shapes
from support.template_files import forge, resealed, template_of

LIMITS = [0, 1, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**27, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**64 - 1]
LIMITS += [-1, -32, -33, -(2**31), -(2**31) - 1, -(2**63)]
BYTES = [b"\xdd\x3b\x9a\xca\x00", b"\xdc\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\x7f\xff\xff\xff", b"\x9f", b"\x90"]
TEXTS = ["", "\0", "\0d800", "s", "n", "k", "c", "l", "m", "r", "call", "struct", "list", "set", "tuple"]
TEXTS += [*KINDS, "inline", "int", "float", "none", "str"]


class Linked(TemplateTable):
    """A table that links whatever it is given."""

    def __init__(self, graph: GraphTemplate, plan: PlanTemplate) -> None:
        super().__init__(STRUCTS)
        self.given = graph, plan, None

    def make(self, key: bytes) -> tuple[GraphTemplate, PlanTemplate, None]:
        return self.given


f, g = shapes.define("f"), shapes.define("g")
TARGETS = [
    *[*shapes.expressions()][:-2],
    *[*shapes.language()][:20],
]
TEMPLATES = [template_of(target) for target in TARGETS]
SEEDS = [encode(Stored(graph, plan, "solver")) for _, _, graph, plan in TEMPLATES]
PLACE = Path(tempfile.mkdtemp(prefix="cascade-fuzz-"))


def attack(data: bytes) -> str:
    """Try everything on these bytes. Returns how far they got."""
    far = attack_encoding(data)
    attack_file(data)
    return far


def attack_encoding(data: bytes) -> str:
    """Take them as the encoding of a template."""
    try:
        stored = decode(data, exact=False)
    except TemplateError:
        return "not decoded"
    exact = encode(stored) == data
    try:
        assert decode(data) == stored and exact
    except TemplateError:
        assert not exact
    proved = 0
    for target, (key, digest, graph, _) in zip(TARGETS, TEMPLATES, strict=True):
        try:
            prove(key, stored)
        except TemplateError:
            assert True
        else:
            proved += 1
            assert stored.graph == graph
            attack_look_up(target, digest, data, exact)
    try:
        check(stored.graph, stored.plan)
    except TemplateError:
        assert not proved
        return "decoded"
    # Whatever the check lets pass, the linker can take.
    assert len(Linked(stored.graph, stored.plan).lookup(TARGETS[0]).graph.nodes) == len(stored.graph.nodes)
    assert explain(stored.graph, stored.plan) and tree(stored.graph)
    return "proved" if proved else "checked"


def attack_look_up(target: cs.LazyResult, digest: bytes, data: bytes, exact: bool) -> None:
    """Take them as what a file has for a shape."""
    templates = cs.Templates()
    assert templates.load(forge(PLACE / "one", [(digest, data)]), strict=exact) == 1
    assert templates.lookup(target).graph == cs.Templates().lookup(target).graph
    assert templates.stats.loaded == 1


def attack_file(data: bytes) -> None:
    """Take them as a file, as they are and with the checksums that they should have."""
    for content in (data, resealed(data, len(data) % 7)):
        place = PLACE / "file"
        place.write_bytes(content)
        try:
            file = TemplateFile(place)
            for entry in file:
                file.find(entry.digest)
            examine(file)
        except TemplateError as error:
            assert "file`" in str(error)


# -- mutations ---------------------------------------------------------------------------------------------------------


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change something, as bytes or, more often, as what they mean."""
    if chance.random() < 0.7:
        try:
            value = msgspec.msgpack.decode(data)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            value = None
        if isinstance(value, list):
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                value = mutate_value(value, chance)
            try:
                return msgspec.msgpack.encode(value)
            except (OverflowError, RecursionError, ValueError, TypeError):
                return data
    changed = bytearray(data or b"\0")
    at = chance.randrange(len(changed))
    end = at + chance.randrange(1, 20)
    match chance.randrange(6):
        case 0:
            changed[at] ^= 1 << chance.randrange(8)
        case 1:
            changed[at : at + 1] = chance.choice(BYTES)
        case 2:
            del changed[at:end]
        case 3:
            changed[at:at] = changed[at:end]
        case 4:
            other = chance.choice(SEEDS)
            start = chance.randrange(len(other))
            changed[at:end] = other[start : start + end - at]
        case 5:
            changed[at] = chance.randrange(256)
    return bytes(changed[: 1 << 16])


def mutate_value(value: Any, chance: random.Random) -> Any:
    """Change one thing somewhere in nested lists."""
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        return [*value[:at], mutate_value(value[at], chance), *value[at + 1 :]]
    if isinstance(value, list):
        other = msgspec.msgpack.decode(chance.choice(SEEDS))
        part = chance.choice(chance.choice(other[:2]))
        choices = [[], value[1:], value[:-1], value * 2, value[::-1], part, [*value, part], other[chance.randrange(2)]]
        return chance.choice(choices)[:5000] if isinstance(part, list) else value[1:]
    if isinstance(value, bool) or value is None:
        return chance.choice([0, "", None, [], True])
    if isinstance(value, int):
        return chance.choice([value + 1, value - 1, value ^ 1 << chance.randrange(40), *LIMITS])
    if isinstance(value, bytes):
        return chance.choice([b"", value + b"\0", value[1:], b"\1\0\0\0" * 4, b"-0", b"f" * 100, b"0x1"])
    return chance.choice([*TEXTS, f"{value}x"])
