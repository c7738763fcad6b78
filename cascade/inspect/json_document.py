"""Templates as JSON, for people and for other programs.

All fields have names, except in references, which are many: ["n", 3] is a node, ["s", 3] a slot. Texts are escaped as
in template files (`cascade.templates.codec`); bytes of dict keys are in base64.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from cascade._support.notebooks import Types
from cascade._support.public import public
from cascade.exceptions import TemplateError
from cascade.graph.model import (
    Call,
    CallKind,
    CallMode,
    CallSymbol,
    Collection,
    CollectionKind,
    GraphTemplate,
    Key,
    Mapping,
    NodeRef,
    PlanTemplate,
    Record,
    SlotRef,
    StructSymbol,
)
from cascade.graph.solver import check
from cascade.inspect.mime import picture_bundle, too_many
from cascade.inspect.picture import Picture
from cascade.inspect.render import picture
from cascade.templates.codec import escaped, unescaped

__all__ = ["FORMAT", "Shape", "dump", "from_json"]

FORMAT: Final = 1


@public
class Shape(Struct, frozen=True, gc=False):
    """A template without an engine: returned by `cascade.from_json`, accepted by `cascade.explain`.

    Attributes:
        graph: the nodes and their operands, a `cascade.graph.model.GraphTemplate`.
        plan: the order and the priorities of the nodes, a `cascade.graph.model.PlanTemplate`.
    """

    graph: GraphTemplate
    plan: PlanTemplate

    def __reduce__(self) -> tuple[Any, ...]:
        """As its JSON document: a pickle then names no class of the model."""
        return from_json, (dump(self),)

    def _repr_mimebundle_(self, include: Types = None, exclude: Types = None) -> dict[str, str]:
        """What a notebook shows: a picture."""
        return picture_bundle(self._text, self._draw, include, exclude)

    def _text(self) -> str:
        return f"<Shape of {len(self.graph.nodes):,} node{'' if len(self.graph.nodes) == 1 else 's'}>"

    def _draw(self) -> Picture | str:
        return too_many(len(self.graph.nodes)) or picture(self.graph, self.plan)


# Copies of the structs of the model, with names for their fields in JSON.


class _CallSymbol(Struct, forbid_unknown_fields=True):
    module: str
    qualname: str
    kind: CallKind
    mode: CallMode
    injected: tuple[str, ...]
    positional: int
    names: tuple[str, ...]
    roles: tuple[str, ...]


class _StructSymbol(Struct, forbid_unknown_fields=True):
    module: str
    qualname: str
    fields: tuple[str, ...]


class _Call(Struct, forbid_unknown_fields=True, tag="call", tag_field="node"):
    symbol: int
    task: SlotRef
    args: tuple[SlotRef | NodeRef, ...]


class _Collection(Struct, forbid_unknown_fields=True, tag="collection", tag_field="node"):
    kind: CollectionKind
    items: tuple[SlotRef | NodeRef, ...]


class _Mapping(Struct, forbid_unknown_fields=True, tag="mapping", tag_field="node"):
    keys: tuple[Key | SlotRef, ...]
    values: tuple[SlotRef | NodeRef, ...]


class _Record(Struct, forbid_unknown_fields=True, tag="record", tag_field="node"):
    symbol: int
    type: SlotRef
    fields: tuple[SlotRef | NodeRef, ...]


class _Graph(Struct, forbid_unknown_fields=True):
    calls: tuple[_CallSymbol, ...]
    structs: tuple[_StructSymbol, ...]
    nodes: tuple[_Call | _Collection | _Mapping | _Record, ...]
    slots: int


class _Plan(Struct, forbid_unknown_fields=True):
    order: tuple[int, ...]
    priority: tuple[int, ...]


class _Document(Struct, forbid_unknown_fields=True):
    format: int
    graph: _Graph
    plan: _Plan


class _Beginning(Struct):
    format: int


_NAMED: dict[type[Struct], type[Struct]] = {
    CallSymbol: _CallSymbol,
    StructSymbol: _StructSymbol,
    Call: _Call,
    Collection: _Collection,
    Mapping: _Mapping,
    Record: _Record,
    PlanTemplate: _Plan,
}
_PLAIN = {named: plain for plain, named in _NAMED.items()}
_beginning = msgspec.json.Decoder(_Beginning)
_decoder = msgspec.json.Decoder(_Document)


def dump(shape: Shape) -> str:
    """Return a template as JSON; the inverse of `from_json`.

    >>> graph = GraphTemplate((CallSymbol("m", "f", "sync", "auto", (), 0, ()),), (), (Call(0, SlotRef(0), ()),), 1)
    >>> shape = Shape(graph, PlanTemplate((0,), (1,)))
    >>> from_json(dump(shape)) == shape
    True
    """
    graph = escaped(shape.graph)
    named = _Graph(_changed(graph.calls, _NAMED), _changed(graph.structs, _NAMED), _changed(graph.nodes, _NAMED),
                   graph.slots)  # fmt: skip
    (plan,) = _changed((shape.plan,), _NAMED)
    return msgspec.json.encode(_Document(FORMAT, named, plan)).decode()


@public
def from_json(text: str | bytes) -> Shape:
    """Return the template of a JSON document. It is checked in full, and contains neither code nor data.

    Args:
        text: a document of `cascade.to_json`, or of any other source.

    Returns:
        A `Shape`, which `cascade.explain`, `cascade.visualize` and `cascade.to_json` take.

    Raises:
        TemplateError: it is not such a document, has a newer format, or its template is not valid; the message names
            the place.

    >>> import cascade as cs
    >>> cs.from_json('{"format": 1, "graph": {}}')
    Traceback (most recent call last):
        ...
    cascade.TemplateError: Object missing required field `calls` - at `$.graph`
    """
    if not isinstance(text, (str, bytes)):
        raise TemplateError(f"text must be JSON as `str` or `bytes`, got `{type(text).__name__}`")
    try:
        form = _beginning.decode(text).format
        if form > FORMAT:
            raise TemplateError(
                f"format {_short(form)} is newer than format {FORMAT}, which is what this version reads - at `$.format`"
            )
        if form != FORMAT:
            raise TemplateError(f"format must be {FORMAT}, got {_short(form)} - at `$.format`")
        document = _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        place = "" if " - at `" in str(error) or "(byte " in str(error) else " - at `$`"
        raise TemplateError(f"{error}{place}") from None
    (plan,) = _changed((document.plan,), _PLAIN)
    graph = GraphTemplate(
        _changed(document.graph.calls, _PLAIN), _changed(document.graph.structs, _PLAIN),
        _changed(document.graph.nodes, _PLAIN), document.graph.slots,
    )  # fmt: skip
    graph = unescaped(graph)
    check(graph, plan)
    return Shape(graph, plan)


def _changed(structs: tuple[Any, ...], kinds: dict[type[Struct], type[Struct]]) -> Any:
    """Return copies of structs, each of the corresponding class."""
    return tuple([kinds[type(one)](*msgspec.structs.astuple(one)) for one in structs])


def _short(number: int) -> str:
    return str(number) if number.bit_length() <= 64 else f"of {number.bit_length()} bits"
