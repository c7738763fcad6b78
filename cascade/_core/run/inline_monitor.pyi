from typing_extensions import disjoint_base

@disjoint_base
class InlineMonitor:
    def __init__(self, callbacks: object) -> None: ...
