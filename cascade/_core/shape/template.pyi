from collections.abc import Collection
from typing import Any

from typing_extensions import disjoint_base

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
    def resources_outside_calls(self) -> tuple[str, ...]: ...
    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]: ...
