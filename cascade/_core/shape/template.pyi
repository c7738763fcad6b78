from typing import Any

from typing_extensions import disjoint_base

@disjoint_base
class GraphTypes:
    def __init__(
        self, call: type, collection: type, mapping: type, record: type, slot_ref: type, node_ref: type
    ) -> None: ...

@disjoint_base
class Template:
    places: dict[int, tuple[str, str]] | None
    @property
    def graph(self) -> Any: ...  # cascade.graph.model.GraphTemplate, which the core does not know
    @property
    def plan(self) -> Any: ...  # cascade.graph.model.PlanTemplate
    @property
    def size(self) -> int: ...
    @property
    def structure_key(self) -> bytes: ...
    @property
    def tail_calls(self) -> list[Template]: ...
    @property
    def inputs(self) -> tuple[int, ...]: ...
    @property
    def resources(self) -> tuple[str, ...]: ...
    @property
    def loose(self) -> tuple[str, ...]: ...
