from typing import Any

from typing_extensions import disjoint_base

from cascade._core.run.ending import Ending

@disjoint_base
class Aborting(Ending):
    def _live_handles(self) -> list[Any]: ...
