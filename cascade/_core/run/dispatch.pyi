from typing_extensions import disjoint_base

from cascade._core.run.branching import Branching

@disjoint_base
class Dispatching(Branching): ...
