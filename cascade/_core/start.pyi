from typing_extensions import disjoint_base

from cascade._core.control import Deciding

@disjoint_base
class Starting(Deciding): ...
