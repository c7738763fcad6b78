from typing_extensions import disjoint_base

from cascade._core.run.waiting import Waiting

@disjoint_base
class MapState: ...

@disjoint_base
class Branching(Waiting): ...
