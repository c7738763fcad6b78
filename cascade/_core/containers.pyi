from typing_extensions import disjoint_base

from cascade._core.key import KeyWriter

@disjoint_base
class ContainerSearch(KeyWriter): ...
