"""Tasks that tell that they ran, for tests of what runs and in which order."""

from __future__ import annotations

import cascade as cs


class Notes(list[str]):
    """What has run so far, and the tasks that write it down."""

    def note(self, name: str, *inputs: object) -> cs.LazyResult:
        """Describe a call that is written down when it runs, and gives its name."""

        @cs.task(mode="inline", name="note")
        def note(*values: object) -> str:
            self.append(name)
            return name

        return note(*inputs)

    def fail(self) -> cs.LazyResult:
        """Describe a call that must not run."""

        @cs.task(mode="inline", name="fail")
        def fail() -> None:
            raise AssertionError("what nobody needs has run")

        return fail()
