"""Places: where in a run a node is, for events, notes and `cascade.current`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.graph.path import STEPS

if TYPE_CHECKING:
    from cascade._core.run.trail import Trail
    from cascade._core.shape.template import Template

__all__ = ["path_of", "title_of"]


def title_of(template: Template, number: int) -> str:
    """Return the title of a node, such as the name of its task."""
    return _place(template, number)[0]


def path_of(template: Template, number: int, trail: Trail = ()) -> str:
    """Return the path of a node.

    Args:
        template: of the node.
        number: index of the node into the nodes of the graph.
        trail: the nodes of the async tasks that await what it is a part of, from the outside in. A path through them
            reads "$.args[0].await.args[1]": the second argument of what the task at "$.args[0]" awaits.
    """
    path = _place(template, number)[1]
    if not trail:
        return path
    if len(trail) > 2 * STEPS:
        steps = [*trail[:STEPS], *trail[-STEPS:]]
        parts = [_place(*step)[1][1:] for step in steps]
        parts[STEPS] = f" … {len(trail) - len(steps):,} steps … {parts[STEPS]}"
    else:
        parts = [_place(*step)[1][1:] for step in trail]
    return "$" + ".await".join([*parts, path[1:]])


def _place(template: Template, number: int) -> tuple[str, str]:
    """Return the title and the path of a node, found once for each template."""
    places = template.places
    if places is None:
        places = template.places = {}
    if number not in places:
        from cascade.graph.labels import title
        from cascade.graph.path import locate

        places[number] = title(template.graph, template.graph.nodes[number]), locate(template.graph, number)
    return places[number]
