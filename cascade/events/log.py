"""The event log: events as JSON, one a line."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator
from typing import IO, Any, Self, Union, cast

import msgspec

from cascade._support.public import public
from cascade.events.bus import Events, Subscription, event_types
from cascade.events.event import EVENTS, Event, RunFinished
from cascade.events.line_writer import Sink
from cascade.events.subscriber import Observer, Source

__all__ = ["EventLog"]

_encoder = msgspec.json.Encoder()


@public
class EventLog(Observer):
    r"""Writes the events of engines to a file, one JSON object a line, and reads them back.

    Lines are buffered, and written when the buffer is full, when a run has ended, by `flush` and by `close`. If the
    file cannot be written (its disk is full), the engine reports it once and the runs go on; the log tries again with
    each later event, and counts in `lost` those that it had no room for.

    Args:
        file: a path, whose file is opened at once and closed with the log; or an open file, binary or text, which is
            left open.
        types: the classes of events to write; `Event` means all.
        append: whether what is in the file at a path stays there. A line that was left unfinished in it is ended.
        buffer: bytes to keep until they are written; 0: each event is written at once.

    Raises:
        OSError: the file cannot be opened.
        TypeError, ValueError: an argument is not what it should be.

    >>> import io
    >>> from cascade.events import Events, RunStarted
    >>> class engine:
    ...     events = Events(lambda: None, lambda message, error: None)
    >>> file = io.StringIO()
    >>> with EventLog(file) as log:
    ...     log.attach(engine).lost
    ...     engine.events.emit(RunStarted(time=0.25, run=1, target="jobs.main"))
    0
    >>> file.getvalue()
    '{"event":"RunStarted","time":0.25,"run":1,"target":"jobs.main"}\n'
    """

    def __init__(
        self,
        file: str | os.PathLike[str] | IO[Any],
        types: type[Event] | Iterable[type[Event]] = (Event,),
        *,
        append: bool = True,
        buffer: int = 1 << 16,
    ) -> None:
        super().__init__()
        if type(buffer) is not int or buffer < 0:
            raise ValueError(f"expected buffer as an int of at least 0, got {buffer!r}")
        self._types = event_types(types if isinstance(types, type) else tuple(types), "types")
        self._sink = Sink(file, append=append, size=buffer)
        # Also a log that nobody closes is written when it is let go, or when Python ends.
        self._forgotten = weakref.finalize(self, self._sink.abandon)

    @property
    def lost(self) -> int:
        """How many events there was no room for while the file could not be written."""
        return self._sink.lost

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._sink.closed

    def attach(self, engine: Source) -> Self:
        """Write the events of an engine from now on. Several engines may share a log; a second time does nothing.

        Args:
            engine: the engine.

        Returns:
            The log itself.

        Raises:
            TypeError: ``engine`` has no events.
            ValueError: the log was closed.
        """
        if self.closed:
            raise ValueError("the event log is closed: it takes no more events")
        return super().attach(engine)

    def subscriptions(self, events: Events) -> Iterable[Subscription[Any]]:
        """Subscribe to what is to be written, and then to what causes it to be."""
        yield events.subscribe(self._types, self._write)
        yield events.subscribe(RunFinished, self._run_ended)

    def flush(self) -> None:
        """Write what is buffered.

        Raises:
            OSError: the file cannot be written.
        """
        self._sink.flush()

    def close(self) -> None:
        """Detach it from all engines, write what is buffered, and close the file if the log opened it. Again: nothing.

        Raises:
            OSError: the file cannot be written; the log is closed all the same.
        """
        self.detach()
        self._forgotten.detach()
        self._sink.close()

    @staticmethod
    def read(file: str | os.PathLike[str] | IO[Any], *, strict: bool = False) -> Iterator[Event]:
        r"""Read events back, one by one, from a file that a log has written.

        Args:
            file: a path, or an open file, binary or text, which is read from where it stands and left open.
            strict: what to do with lines that are no events. False: they are skipped, such as those of another program
                that writes to the same stream, of an event that a later version of Cascade has added, or of a process
                that was stopped in the middle of one. True: the first one is an error.

        Returns:
            An iterator; a file that it has opened is closed when it ends or is let go.

        Raises:
            OSError: the file cannot be opened.
            ValueError: a line is no event, and ``strict`` is True; raised by the iterator when it comes to it.

        >>> import io
        >>> text = '{"event":"RunStarted","time":0.25,"run":1,"target":"jobs.main"}\nhello\n'
        >>> list(EventLog.read(io.StringIO(text)))
        [RunStarted(time=0.25, run=1, target='jobs.main')]
        >>> list(EventLog.read(io.StringIO(text), strict=True))
        Traceback (most recent call last):
            ...
        ValueError: expected an event, got 'hello': JSON is malformed: invalid character (byte 0) - at line 2
        """
        events = _events(file, strict)
        next(events)  # opens the file: a wrong path is told here
        return cast(Iterator[Event], events)

    def _write(self, event: Event) -> None:
        try:
            line = _encoder.encode(event)
        except UnicodeEncodeError:
            line = _encoder.encode(_encodable(event))
        self._sink.write(line)

    def _run_ended(self, event: RunFinished) -> None:
        self._sink.flush()

    def __repr__(self) -> str:
        return f"<EventLog of {len(self._attached)} engines{', closed' if self.closed else ''}>"


def _events(source: str | os.PathLike[str] | IO[Any], strict: bool) -> Iterator[Event | None]:
    """Yield None when the file is open, and then its events."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            yield from _lines(file, strict, os.fspath(source))
    elif hasattr(source, "readline"):
        yield from _lines(source, strict, "")
    else:
        raise TypeError(f"expected a path or an open file, got `{type(source).__name__}` - at `file`")


def _lines(file: IO[Any], strict: bool, path: str) -> Iterator[Event | None]:
    decoder = msgspec.json.Decoder(Union[EVENTS])  # noqa: UP007 (made of a tuple)
    yield None
    for number, line in enumerate(file, 1):
        try:
            if line.strip():
                yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError) as error:
            if strict:
                shown = line.strip()[:80]
                where = f"line {number} of {path}" if path else f"line {number}"
                raise ValueError(f"expected an event, got {shown!r}: {error} - at {where}") from None


def _encodable(event: Event) -> Event:
    """An event whose texts UTF-8 can hold: file names in error messages may contain bytes that are no text."""
    texts = {name: getattr(event, name) for name in event.__struct_fields__}
    return msgspec.structs.replace(
        event,
        **{
            name: text.encode("utf-8", "backslashreplace").decode()
            for name, text in texts.items()
            if isinstance(text, str)
        },
    )
