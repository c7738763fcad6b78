"""Places: where in a run a node is, for events, notes and `cascade.current`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cascade._core.run.place import Place
    from cascade._core.shape.template import Template

__all__ = ["callers_of", "kind_of", "path_of", "title_of"]


def title_of(template: Template, number: int) -> str:
    """Return the title of a node, such as the name of its task."""
    return _known(template, number)[0]


def kind_of(template: Template, number: int) -> str:
    """Return the kind of a node, as in its graph: "sync", "async", "map"; of a container "container"."""
    return _known(template, number)[2]


def path_of(place: Place) -> str:
    """Return the path of a node from the target of its run.

    It leads through the calls that the node is a part of. "$.args[0].returned.args[1]": the second argument of what the
    task at "$.args[0]" has returned; "$.args[0].await": what it awaits; "$.args[0][3]": item 3 of the map there.
    """
    path = _known(place.template, place.number)[1]
    if not place.callers:
        return path
    parts = [_step(*caller) for caller in place.callers]
    if place.hidden:
        parts.insert(len(parts) // 2, f" … {place.hidden:,} callers … ")
    return "$" + "".join(parts) + path[1:]


def callers_of(place: Place) -> str:
    """Return the calls that a node is a part of, from the inside out, as a text to be added to what the node is.

    ", item 3 of map of task shop.price, returned by task shop.total"
    """
    from cascade.graph.describe import name_of

    texts: list[str] = []
    counts: list[int] = []
    hidden_at = len(place.callers) - len(place.callers) // 2 if place.hidden else -1
    for index, (template, number, how) in enumerate(reversed(place.callers)):
        text = name_of(template.graph, number)
        relation = f"item {how} of" if isinstance(how, int) else "awaited by" if how == "await" else "returned by"
        text = f"{relation} {text}"
        if index == hidden_at:
            texts.append(f"… {place.hidden:,} more …")
            counts.append(1)
        if texts and texts[-1] == text:
            counts[-1] += 1
        else:
            texts.append(text)
            counts.append(1)
    return "".join(
        f", {text}{f' ({count} times)' if count > 1 else ''}" for text, count in zip(texts, counts, strict=True)
    )


def _step(template: Template, number: int, how: int | str) -> str:
    path = _known(template, number)[1][1:]
    return f"{path}[{how}]" if isinstance(how, int) else f"{path}.{how}"


def _known(template: Template, number: int) -> tuple[str, str, str]:
    """Return the title, the path in its expression and the kind of a node, found once for each template."""
    places = template.places
    if places is None:
        places = template.places = {}
    if number not in places:
        from cascade.graph.labels import title
        from cascade.graph.model import Call
        from cascade.graph.path import locate

        graph = template.graph
        node = graph.nodes[number]
        kind = graph.calls[node.symbol].kind if type(node) is Call else "container"
        name = "cascade.map" if kind == "map" else title(graph, node)
        places[number] = name, locate(graph, number), kind
    return places[number]
