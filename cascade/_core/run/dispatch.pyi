from typing_extensions import disjoint_base

from cascade._core.run.branching import Deciding

@disjoint_base
class Starting(Deciding): ...
