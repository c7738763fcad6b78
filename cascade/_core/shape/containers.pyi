from typing_extensions import disjoint_base

from cascade._core.shape.key import KeyWriter

@disjoint_base
class ContainerSearch(KeyWriter): ...
