from contextvars import Context
from typing import Any

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.place import Place
from cascade._core.run.regions import Regions
from cascade._core.run.scheduler import Scheduler
from cascade._core.shape.template import Template

@disjoint_base
class Evaluation(Regions):
    _extras: Any
    _max_iterations: int
    def __init__(self, scheduler: Scheduler, target: LazyResult, context: Context) -> None: ...
    @property
    def _is_ready(self) -> bool: ...
    @property
    def _is_running(self) -> bool: ...
    @property
    def _context(self) -> Context: ...
    def _begin(self) -> None: ...
    def _next_target(self) -> tuple[Template, int] | None: ...
    def _running_place(self) -> Place | None: ...
