"""Starting scopes that only hold amounts of limits; see `cascade._core.run.held`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cascade._core.run.held import HeldScope

if TYPE_CHECKING:
    from cascade._core.run.waiting import Launched
    from cascade.engine.host import Host
    from cascade.engine.run import Run

__all__ = ["start_held_scope"]


def start_held_scope(host: Host, run: Run, waiter: Launched, amounts: dict[str, Any]) -> Launched:
    """Start a scope once the limits grant what it asks for. Return its waiter, which lands with the value.

    Raises:
        LimitError: it asks for a limit that is not there, or for more than there is.
        PolicyError: an amount is not a number >= 0.
    """
    limits = host.services.limits
    request = limits.scope_request(run.id, amounts, run._label.selected, run._grants_around(waiter))
    scope = HeldScope(host, run, waiter)
    waiter.handle = scope
    admission = limits.admission
    grant = admission.try_acquire(request)
    if grant is not None:
        scope.grant(grant)
        return waiter
    claim = admission.submit(request, scope)
    if scope.held is None:
        scope.wait(claim)
    return waiter
