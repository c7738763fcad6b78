"""The event log: events as JSON, one a line."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator
from typing import IO, Any, Self, Union, cast

import msgspec

from cascade._support.boundary import boundary
from cascade._support.public import public
from cascade.events.bus import Events, Subscription, event_types
from cascade.events.event import EVENTS, Event, RunFinished
from cascade.events.line_writer import LineWriter
from cascade.events.subscriber import Source, Subscriber

__all__ = ["EventLog"]

_encoder = msgspec.json.Encoder()


@public
class EventLog(Subscriber):
    r"""Writes the events of engines to a file, one JSON object a line, and reads them back.

    Lines are buffered. The buffer is written when it is full, when a run has ended, by `flush` and by `close`. If the
    file cannot be written (its disk is full), the engine reports it once and the runs continue; the log tries again
    with each later event, and counts in `lost` the events for which the buffer had no room.

    Args:
        file: a path, whose file is opened at once and closed with the log; or an open file, binary or text, which
            stays open.
        types: the classes of events to write; `Event` means all.
        append: whether the contents of the file at a path are kept. An unfinished last line of it is ended first.
        buffer: size of the buffer in bytes, >= 0; 0: each event is written at once.

    Raises:
        OSError: the file cannot be opened.
        TypeError: an argument has the wrong type.
        ValueError: ``file`` is a closed file, or ``buffer`` is not an int >= 0.

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

    @boundary
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
            raise ValueError(f"buffer must be an int >= 0, got {buffer!r}")
        self._types = event_types(types if isinstance(types, type) else tuple(types), "types")
        self._writer = LineWriter(file, append=append, size=buffer)
        self._without_form = 0
        # A log that was not closed is written when it is collected or the interpreter exits.
        self._finalizer = weakref.finalize(self, self._writer.abandon)

    @property
    def lost(self) -> int:
        """The number of events lost: the buffer was full while the file could not be written, or JSON has no form."""
        return self._writer.lost + self._without_form

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._writer.closed

    @boundary
    def attach(self, engine: Source) -> Self:
        """Write the events of an engine from now on. Several engines may share a log; attaching again does nothing.

        Args:
            engine: the engine.

        Returns:
            The log itself.

        Raises:
            TypeError: ``engine`` has no events.
            ValueError: the log was closed.
        """
        if self.closed:
            raise ValueError("cannot attach: the event log is closed")
        return super().attach(engine)

    def subscriptions(self, events: Events) -> Iterable[Subscription[Any]]:
        """Subscribe to the events that are written, then to the ends of runs, at which the buffer is written."""
        yield events.subscribe(self._types, self._write)
        yield events.subscribe(RunFinished, self._run_ended)

    def flush(self) -> None:
        """Write the buffer to the file.

        Raises:
            OSError: the file cannot be written.
        """
        self._writer.flush()

    def close(self) -> None:
        """Detach it from all engines, write the buffer, and close the file if it opened it. Idempotent.

        Raises:
            OSError: the file cannot be written; the log is closed all the same.
        """
        self.detach()
        self._finalizer.detach()
        self._writer.close()

    @staticmethod
    @boundary
    def read(
        file: str | os.PathLike[str] | IO[Any], *, strict: bool = False, types: Iterable[type[Event]] = ()
    ) -> Iterator[Event]:
        r"""Read events back, one by one, from a file that a log has written.

        Args:
            file: a path, or an open file, binary or text, which is read from its position and stays open.
            strict: what to do with lines that are not events. False: skip them. Such lines are written by another
                program to the same stream, by a later version of Cascade with new events, or by a process that was
                stopped in the middle of a line. True: the first one is an error.
            types: classes of events of your own that are to be read, too; without, they are lines of another program.

        Returns:
            An iterator over the events. It closes the file of a path when it ends or is collected.

        Raises:
            OSError: the file cannot be opened.
            TypeError: one of ``types`` is not a class of events.
            ValueError: a line is not an event and ``strict`` is True; raised by the iterator at that line.

        >>> import io
        >>> text = '{"event":"RunStarted","time":0.25,"run":1,"target":"jobs.main"}\nhello\n'
        >>> list(EventLog.read(io.StringIO(text)))
        [RunStarted(time=0.25, run=1, target='jobs.main')]
        >>> list(EventLog.read(io.StringIO(text), strict=True))
        Traceback (most recent call last):
            ...
        ValueError: line 2 must be an event, got 'hello': JSON is malformed: invalid character (byte 0)
        """
        own = tuple(dict.fromkeys(kind for kind in types if kind not in EVENTS))
        events = _events(file, strict, event_types(own, "types") if own else ())
        next(events)  # opens the file, so that a wrong path raises here
        return cast(Iterator[Event], events)

    def _write(self, event: Event) -> None:
        try:
            try:
                line = _encoder.encode(event)
            except UnicodeEncodeError:
                line = _encoder.encode(_encodable(event))
        except BaseException:  # of an event of a user's own, whose fields may be anything
            self._without_form += 1
            raise
        self._writer.write(line)

    def _run_ended(self, event: RunFinished) -> None:
        self._writer.flush()

    def __repr__(self) -> str:
        return f"<EventLog of {len(self._attached)} engines{', closed' if self.closed else ''}>"


def _events(
    source: str | os.PathLike[str] | IO[Any], strict: bool, types: tuple[type[Event], ...]
) -> Iterator[Event | None]:
    """Yield None when the file is open, and then its events."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            yield from _lines(file, strict, os.fspath(source), types)
    elif hasattr(source, "readline"):
        yield from _lines(source, strict, "", types)
    else:
        raise TypeError(f"file must be a path or an open file, got `{type(source).__name__}`")


def _lines(file: IO[Any], strict: bool, path: str, types: tuple[type[Event], ...]) -> Iterator[Event | None]:
    decoder = msgspec.json.Decoder(Union[(*EVENTS, *types)])
    yield None
    for number, line in enumerate(file, 1):
        try:
            if line.strip():
                yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError) as error:
            if strict:
                shown = line.strip()[:80]
                where = f"line {number} of {path}" if path else f"line {number}"
                own = (
                    ": give the classes of events of your own, types=(...)" if str(error).endswith("`$.event`") else ""
                )
                raise ValueError(f"{where} must be an event, got {shown!r}: {error}{own}") from None


def _encodable(event: Event) -> Event:
    """Return the event with lone surrogates escaped, which file names in error messages may contain."""
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    texts = {name: _escaped(text) for name, text in fields.items() if isinstance(text, str)}
    tags = {_escaped(key): _escaped(value) for key, value in event.tags.items()}
    return msgspec.structs.replace(event, **texts, tags=tags)


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
