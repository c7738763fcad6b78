from typing_extensions import disjoint_base

from cascade._core.run.aborting import Aborting

@disjoint_base
class Catching(Aborting): ...
