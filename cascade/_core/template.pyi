from typing_extensions import disjoint_base

from cascade.graph.template import GraphTemplate, PlanTemplate

@disjoint_base
class Template:
    @property
    def graph(self) -> GraphTemplate: ...
    @property
    def plan(self) -> PlanTemplate: ...
    @property
    def size(self) -> int: ...
    @property
    def tail_calls(self) -> list[Template]: ...
