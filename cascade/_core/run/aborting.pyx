"""Aborting: a part of a run is stopped, and the rest goes on.

A failure that is caught, a race that is decided, and a scope whose time is over have one thing in common: what nothing
needs any longer is stopped, and the node in question goes on once all of that has ended. `abort` stops it in the way of
docs/internals/reentrancy.md:

1. what is beneath is found, which may fail for want of memory, and has changed nothing then; it allocates, so the
   collector is held off meanwhile;
2. pointers are moved, which cannot fail and runs no code of others, until the run is whole without what is stopped;
3. only then messages are returned, futures cancelled and values released, as all of that may run any code.

A `Catch` counts the waiters that were cancelled: they stand in `dying` until they land. From step 2 to `conclude`,
`Frame.awaited` of the catch's frame counts the whole of it as one. If that frame is stopped in turn, or the node of the
catch is of no use any longer, then another catch adopts what is still pending, and nothing is cancelled twice: a second
cancellation would interrupt the cleanup.

Most failures have nothing beneath them that goes on. `is_alone` sees that by counting, and spares the walk over all
waiters and frames of the run: a map of which every item fails costs no more than the items.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t

from types import CoroutineType as _CoroutineType

from cascade._core.run.branching cimport MapState
from cascade._core.run.demand cimport may_be_ready
from cascade._core.run.frame cimport NONE_CHOSEN, POISONED, UNDEMANDED
from cascade._core.run.mailbox cimport Mailbox, Received
from cascade._core.run.place cimport call_of, calls_of, place_of
from cascade._core.run.scheduler cimport ACTIVE
from cascade._core.run.stopped cimport Catch, Enclosing, Region, Stopped, cancel_future, may_be_caught, set_result
from cascade._core.run.unseen cimport find_unseen, put_back_unseen
from cascade._core.run.waiting cimport Launched

from cascade._core.run.unseen import return_messages

cdef extern from "Python.h":
    bint PyGC_Disable()
    void PyGC_Enable()

cdef enum:
    ABORTED = 2  # a mark of `Waiter.landed`


cdef class Aborting(Ending):
    """The part of a run that stops parts of it."""

    def _live_handles(self):
        """The futures that it waits for and that were not cancelled: a second time would interrupt their cleanup."""
        cdef Waiter waiter = self.waiters
        found = []
        while waiter is not None:
            if waiter.handle is not None and (self.dying is None or waiter not in self.dying):
                found.append(waiter.handle)
            waiter = waiter.next
        return found

    cdef int abort(self, Catch catch, list doomed, Frame failing) except -1:
        """Stop what is beneath nodes of a frame; then, at once or later, `conclude`.

        Args:
            catch: of the frame.
            doomed: nodes of it that nothing needs any longer, and the one that has failed; None: the frame as a whole.
            failing: the frame of the node that has failed, which may be in no list; None: nothing has failed.
        """
        cdef Stopped found
        cdef bint collects = PyGC_Disable()
        try:
            found = self.find_stopped(catch, doomed, failing)
        finally:
            if collects:
                PyGC_Enable()
        # All is known: from here on nothing can fail, and no code of others runs.
        self.unlink_stopped(found, catch)
        try:
            self.release_stopped(found, catch)
        except BaseException as wrong:  # memory is short, or an interrupt came: not all may have been cancelled
            return self.fail(wrong, None, 0)
        if catch.pending == 0:
            self.conclude(catch)
        return 0

    cdef Stopped find_stopped(self, Catch catch, list doomed, Frame failing):
        """Find what `abort` stops. The collector is held off: what it frees might land waiters that are walked over."""
        cdef Frame root = catch.frame
        cdef Frame frame = failing
        cdef Stopped found = Stopped.__new__(Stopped)
        cdef list path = []
        cdef bint is_alone
        while frame is not None and frame is not root:
            path.append(frame)
            frame = frame.parent
        found.root = root
        found.frames = path
        found.landed = found.withdrawn = found.cancelled = found.adopted = found.regions = found.maps = []
        found.nodes = doomed
        if doomed is not None and root.maps is not None:
            found.maps = [each for each in doomed if each in root.maps]
        is_alone = self.is_alone(catch, doomed, path)
        if doomed is not None and (
            not is_alone or found.maps or self.scheduler.limits_active or may_be_ready(root, doomed)
        ):
            found.doomed = bytearray(root.template.node_count)
            for each in doomed:
                found.doomed[each] = 1
        if not is_alone:
            self.find_beneath(found, catch)
        found.unseen = []
        for each in found.frames:
            find_unseen(<Frame>each, None, None, -1, found.unseen)
        find_unseen(root, doomed, catch.poisoned, catch.node, found.unseen)
        if doomed is None:
            found.frames.append(root)
        return found

    cdef bint is_alone(self, Catch catch, list doomed, list path) except -1:
        """Whether nothing is beneath but the frames on the way to what has failed."""
        cdef Frame root = catch.frame
        cdef Frame frame
        cdef object state
        cdef int32_t awaited = 0
        cdef Py_ssize_t i, lacking = 0
        cdef bytearray lacks = None
        if self.regions is not None:
            return False
        for each in path:
            frame = <Frame>each
            if frame.awaited != awaited:
                return False
            awaited = 1  # the frame before
        if doomed is None:
            return root.awaited == awaited
        if root.maps is not None:  # the items of a map are beneath it
            for each in doomed:
                state = root.maps.get(each)
                if type(state) is MapState and (
                    (<MapState>state).is_fed
                    or (<MapState>state).in_flight > (awaited if <Py_ssize_t>each == catch.node else 0)
                ):
                    return False
        for each in doomed:
            if <Py_ssize_t>each == catch.node:
                continue
            if root.needs[<Py_ssize_t>each] == POISONED:  # by another failure, whose catch is pending
                return False
            # A node that lacks an input has not started; nor has one that stands among those that are ready.
            if root.needs[<Py_ssize_t>each] == 0:
                if lacks is None:
                    lacks = bytearray(root.template.node_count)
                lacks[each] = 1
                lacking += 1
        if lacking:
            for i in range(root.ready_count):
                lacking -= lacks[root.ready[i] if root.ready[i] >= 0 else root.ready[i] + root.template.node_count]
        return lacking == 0

    cdef int find_beneath(self, Stopped found, Catch catch) except -1:
        """Find everything that is beneath, in all lists of the run."""
        cdef Waiter waiter
        cdef Frame frame
        cdef Region region
        found.landed = []
        found.withdrawn = []
        found.cancelled = []
        found.adopted = []
        found.known = {}
        found.dying = {} if self.dying is None else dict(self.dying)
        path, found.frames = found.frames, []
        for each in path:
            found.holds(<Frame>each, 0)
        waiter = self.first_landed
        while waiter is not None:
            self.find_waiter(found, catch, waiter, True)
            waiter = waiter.next_landed
        waiter = self.waiters
        while waiter is not None:
            self.find_waiter(found, catch, waiter, False)
            waiter = waiter.next
        for each in self.held or ():
            self.find_waiter(found, catch, <Waiter>each, True)
        frame = self.top
        while frame is not None:
            if frame is not found.root:
                found.holds(frame, 0)
            frame = frame.below
        if self.regions is not None:
            regions = {}  # in order, each once
            if catch.closing is not None:
                regions[catch.closing] = None
            for region in self.regions.values():
                if not region.aborted and region is not catch.region and found.holds(region.frame, region.node):
                    regions[region] = None
            for _, other in found.adopted:
                if (<Catch>other).region is not None:
                    regions[(<Catch>other).region] = None
            found.regions = list(regions)
            if found.regions:
                self.count_dying(found)
        return 0

    cdef int find_waiter(self, Stopped found, Catch catch, Waiter waiter, bint landed) except -1:
        cdef Catch other = None if self.dying is None else <Catch>self.dying.get(waiter)
        if other is not None:  # it was cancelled before
            if found.holds(other.frame, other.node):
                found.adopted.append((waiter, other))
                found.dying[waiter] = catch
        elif found.holds(waiter.frame, waiter.node):
            if landed:
                found.landed.append(waiter)
            elif waiter.handle is None:  # a timer, a mailbox, or a call that no worker has been given yet
                found.withdrawn.append(waiter)
            else:
                found.cancelled.append((waiter, waiter.handle))
                found.dying[waiter] = catch
        return 0

    cdef int count_dying(self, Stopped found) except -1:
        """Find which of the regions that are stopped have which waiters in them."""
        cdef Enclosing enclosing = Enclosing.__new__(Enclosing)
        cdef Region region
        cdef Catch other
        enclosing.prepare(found.regions)
        found.dying_in = {} if self.dying_in is None else dict(self.dying_in)
        for region in found.regions:
            region.dying = 0
        for each, _ in found.cancelled:
            inside = enclosing.regions_of((<Waiter>each).frame, (<Waiter>each).node)
            if inside:
                found.dying_in[each] = inside
            for region in inside:
                region.dying += 1
        for each, catch in found.adopted:
            other = <Catch>catch
            inside = enclosing.regions_of(other.frame, other.node) if other.region is None else [other.region]
            if inside:
                found.dying_in[each] = [*found.dying_in.get(each, ()), *inside]
            for region in inside:
                region.dying += 1
        return 0

    cdef void unlink_stopped(self, Stopped found, Catch catch) noexcept:
        """Take what is stopped out of the run: pointers and numbers, nothing else."""
        cdef Frame root = found.root
        cdef Frame frame
        cdef Waiter waiter, next, kept = None
        cdef Catch other
        cdef Region region
        if found.dying is not None:
            self.dying = found.dying or None
        if found.dying_in is not None:
            self.dying_in = found.dying_in or None
            for region in found.regions:
                region.aborted = True
                region.errors = None
        if catch.closing is not None:
            catch.closing.errors = catch.errors
        for _, each in found.adopted:
            other = <Catch>each
            if other.closing is not None:
                other.closing.errors = None  # from now on this catch takes them
            catch.pending += 1
            other.pending -= 1
            if other.pending == 0 and other.frame is root:
                root.awaited -= 1
        for each in found.landed:
            waiter = <Waiter>each
            waiter.landed = ABORTED
            if waiter.frame is root:
                root.awaited -= 1
            if self.held is not None:
                self.held.pop(waiter, None)
        if found.landed:
            waiter = self.first_landed
            self.first_landed = self.last_landed = None
            while waiter is not None:
                next = waiter.next_landed
                waiter.next_landed = None
                if waiter.landed != ABORTED:
                    if kept is None:
                        self.first_landed = waiter
                    else:
                        kept.next_landed = waiter
                    kept = self.last_landed = waiter
                waiter = next
        for each, _ in found.cancelled:
            catch.pending += 1
            if (<Waiter>each).frame is root:
                root.awaited -= 1
        for each in found.withdrawn:
            waiter = <Waiter>each
            if waiter.frame is root:
                root.awaited -= 1
            waiter.withdraw()
            waiter.landed = True
            self.unlink(waiter)
        for each in found.frames:
            frame = <Frame>each
            if frame.parent is root:
                root.awaited -= 1
        self.unstack(found.frames)
        if found.nodes is None:
            catch.frame = root.parent  # it counts the frame among what it awaits, until `conclude`
            catch.node = root.parent_node
            return
        if found.doomed is not None:
            root.purge_ready(found.doomed)
        for each in found.nodes:
            if root.needs[<Py_ssize_t>each] != POISONED:
                root.needs[<Py_ssize_t>each] = UNDEMANDED
                if root.template.by_need:
                    root.chosen[<Py_ssize_t>each] = NONE_CHOSEN
        root.awaited += 1  # for everything that was stopped, until `conclude`

    cdef void unstack(self, list frames) noexcept:
        """Take frames out of the stack of those that can go on. They are on top, as a rule."""
        cdef Frame frame, below, kept = None
        cdef Py_ssize_t stacked = 0
        for each in frames:
            frame = <Frame>each
            stacked += frame.stacked
            frame.stacked = False
        while stacked and self.top is not None and not self.top.stacked:
            frame = self.top
            self.top = frame.below
            frame.below = None
            stacked -= 1
        if stacked == 0:
            return
        frame = self.top
        self.top = None
        while frame is not None:
            below = frame.below
            frame.below = None
            if frame.stacked:
                if kept is None:
                    self.top = frame
                else:
                    kept.below = frame
                kept = frame
            frame = below

    cdef int release_stopped(self, Stopped found, Catch catch) except -1:
        """Release what was stopped, now that the run is whole without it."""
        cdef Waiter waiter
        cdef Frame frame
        cdef Region region
        cdef list origins = []
        cdef object _expansion = self.expansion
        cdef object completion = self.completion
        cdef object error = None  # one that nothing catches
        cdef Frame place = None
        cdef Py_ssize_t node = 0
        self.expansion = None
        self.completion = None
        self.item = 0
        for each in found.landed:
            waiter = <Waiter>each
            if waiter.origin is not None:
                origins.append(waiter.origin)
                waiter.origin.put_back((<Received>waiter.value).message, waiter.since)
                waiter.origin = None
        origins += put_back_unseen(found.unseen)
        self.abandon(completion)
        for each in found.landed:
            self.abandon((<Waiter>each).completion)
        for each in found.frames:
            frame = <Frame>each
            frame.awaiter = None
            if self.expressions is not None:
                self.expressions.pop(<size_t><PyObject*>frame, None)
            completion, frame.completion = frame.completion, None
            self.abandon(completion)
        for each in origins:
            (<Mailbox>each).serve()
        if self.scheduler.limits_active:
            self.scheduler.callbacks.forget_permits(
                self, [<size_t><PyObject*>each for each in found.frames], <size_t><PyObject*>found.root, found.doomed
            )
        if self.scheduler.notify_nodes:
            self.notify_stopped(found)
        for each in found.landed:
            waiter = <Waiter>each
            if waiter.error is not None and not self.note_failure(catch, waiter.error, waiter.frame, waiter.node):
                error, place, node = waiter.error, waiter.frame, waiter.node
            value = waiter.value
            waiter.clear()
            if type(value) is _CoroutineType:  # made by a worker, and never to be awaited
                value.close()
        for each in found.withdrawn:
            (<Waiter>each).clear()
        for each in found.frames:  # one after the other: released as a chain they would recurse
            frame = <Frame>each
            frame.parent = None
            frame.clear()
        for each in found.maps:
            if found.root.maps is not None:
                found.root.maps.pop(each, None)
        if found.cancelled:
            self.scheduler.callbacks.cancel(self, [handle for _, handle in found.cancelled])
        for region in found.regions:
            if region.dying == 0:
                self.leave_region(region)
        if error is not None:
            self.fail(error, place, node)
        return 0

    cdef int notify_stopped(self, Stopped found) except -1:
        """Report which calls were stopped. Those that were cancelled end later."""
        cdef list ended = []
        for each in found.frames:
            ended += calls_of(<Frame>each, None)
        self.scheduler.callbacks.nodes_stopped(
            self, ended, [] if found.nodes is None else calls_of(found.root, found.nodes),
            [call_of((<Waiter>each).frame, (<Waiter>each).node) for each, _ in found.cancelled]
        )
        return 0

    cdef bint note_failure(self, Catch catch, object error, Frame frame, Py_ssize_t node) except -1:
        """Take a failure of what was stopped. False: it is none that can be caught."""
        cdef object each
        error = self.as_raised(error)
        if not may_be_caught(error):
            return False
        self.scheduler.callbacks.annotate(error, self, place_of(frame, node), 0, self.written(frame, node))
        if catch.errors is not None:
            for each in catch.errors:
                if each is error:
                    return True
            catch.errors.append(error)
        return True

    cdef int abandon(self, object completion) except -1:
        """An expression whose value was to be completed will have none."""
        if completion is not None:
            self.scheduler.callbacks.abandon(completion)
        return 0

    cdef int settle_dying(
        self, Waiter waiter, Frame frame, object value, object error, object completion
    ) except -1:
        """A waiter has landed that was cancelled because of a catch. Once it is the last one, the catch goes on."""
        cdef Catch catch = <Catch>self.dying.pop(waiter)
        if not self.dying:
            self.dying = None
        catch.pending -= 1
        self.abandon(completion)
        if type(value) is _CoroutineType:
            value.close()
        if error is not None and not self.note_failure(catch, error, frame, waiter.node):
            self.fail(error, frame, waiter.node)
        if self.scheduler.notify_nodes:
            self.scheduler.callbacks.node_ended(self, call_of(frame, waiter.node))
        self.leave_regions(waiter)
        if catch.pending == 0:
            self.conclude(catch)
        return 0

    cdef int conclude(self, Catch catch) except -1:
        """Go on after everything that was stopped has ended: the nodes that have failed have the failure as value."""
        cdef Frame frame = catch.frame
        cdef Py_ssize_t each
        cdef list poisoned
        if self.phase != ACTIVE:
            return 0
        frame.awaited -= 1
        self.push(frame)
        if catch.poisoned is not None:
            poisoned = [each for each in catch.poisoned if frame.needs[each] == POISONED]  # else of no use by now
            frame.skipping = True
            for each in poisoned:
                Py_INCREF(catch.failed)
                frame.values[each] = <PyObject*>catch.failed
                frame.needs[each] = 0
            for each in poisoned:
                frame.resolve_failed(each)
        if catch.again:
            frame.push_ready(<int32_t>catch.node)
        if catch.region is not None:
            self.end_region(catch.region, None, catch.failed.error())
        return 0

    # --------------------------------------------------------------------------------------------------------- regions

    cdef int end_region(self, Region region, object value, object error, list unseen=None) except -1:
        """Hand over what became of a region; ``unseen``: the messages in its value that no task was given."""
        self.drop_region(region)
        if region.closed is not None:
            set_result(region.closed, region.errors)
        if unseen is not None and region.future.done():  # cancelled in this turn, so nothing takes the value
            return_messages(unseen)
        set_result(region.future, (value, error, unseen))
        return 0

    cdef int drop_region(self, Region region) except -1:
        """Forget a region. If its async task has ended, and this was the last that it has left behind, it lands."""
        cdef Launched waiter = region.waiter
        if self.regions is not None:
            self.regions.pop(region.future, None)
            self.regions = self.regions or None
        region.frame = None
        region.failing = None
        region.waiter = None
        if waiter is None:
            return 0
        waiter.children -= 1
        if self.held is None or waiter not in self.held:
            return 0
        if region.errors:
            error = ([] if waiter.error is None else [waiter.error]) + region.errors
            waiter.error = error[0] if len(error) == 1 else BaseExceptionGroup("several tasks failed", error)
        if waiter.children == 0:
            del self.held[waiter]
            self.held = self.held or None
            self.append_landed(waiter)
        return 0

    cdef int leave_regions(self, Waiter waiter) except -1:
        """A waiter that was cancelled has landed: the regions that it was in may have ended with that."""
        cdef Region region
        if self.dying_in is None:
            return 0
        inside = self.dying_in.pop(waiter, None)
        self.dying_in = self.dying_in or None
        for region in inside or ():
            region.dying -= 1
            if region.dying == 0:
                self.leave_region(region)
        return 0

    cdef int leave_region(self, Region region) except -1:
        """Everything that was stopped in a region has ended."""
        self.drop_region(region)
        if region.closed is not None:
            set_result(region.closed, region.errors)
        cancel_future(region.future)  # which an asyncio task may await that was not cancelled
        return 0

    cdef int release_regions(self) except -1:
        """The run ends, and awaits nothing any longer: nor has anything to await a region."""
        cdef dict regions = self.regions
        cdef Region region
        self.regions = self.dying_in = None
        if regions is not None:
            for region in regions.values():
                region.frame = None
                region.failing = None
                region.waiter = None
                if region.closed is not None:
                    set_result(region.closed, None)
                cancel_future(region.future)
        return 0

    cdef void release_held(self) noexcept:
        """The run stops: what was held back has landed, and its errors are recorded."""
        held, self.held = self.held, None
        for each in held or ():
            self.append_landed(<Waiter>each)

    # ---------------------------------------------------------------------------------------------------------- ending

    cdef int stop(self) except -1:
        """Regions end when what is in them does, also if the run as a whole stops."""
        cdef Stopped found
        cdef Region region
        cdef Waiter waiter = self.waiters
        if self.phase == ACTIVE:
            self.release_held()
        if self.phase != ACTIVE or self.regions is None:
            return Ending.stop(self)
        found = Stopped.__new__(Stopped)
        found.regions = [each for each in self.regions.values() if not (<Region>each).aborted]
        found.cancelled = []
        found.adopted = []
        while waiter is not None:
            if waiter.handle is not None:
                if self.dying is not None and waiter in self.dying:
                    found.adopted.append((waiter, self.dying[waiter]))
                else:
                    found.cancelled.append((waiter, waiter.handle))
            waiter = waiter.next
        self.count_dying(found)
        self.dying_in = found.dying_in
        for region in found.regions:
            region.aborted = True
        for region in self.regions.values():
            region.errors = None  # they are the run's
        try:
            return Ending.stop(self)
        finally:
            for region in found.regions:
                if region.dying == 0:
                    self.leave_region(region)

    cdef int discard_landed(self) except -1:
        """A scope that holds something lands when the last thing in it has: so there may be more each time."""
        cdef list landed
        cdef Waiter waiter
        while self.dying_in is not None and self.first_landed is not None:
            landed = []
            waiter = self.first_landed
            while waiter is not None:
                landed.append(waiter)
                waiter = waiter.next_landed
            try:
                Ending.discard_landed(self)
            finally:
                for each in landed:
                    self.leave_regions(<Waiter>each)
        return Ending.discard_landed(self)

    def _kill(self, error):
        """End the run at once, with this error, and await nothing: its event loop or its engine has failed."""
        try:
            Ending._kill(self, error)
        finally:
            self.dying = None
            self.release_regions()

    cdef void drop(self) noexcept:
        _dying, self.dying = self.dying, None
        self.release_held()
        Ending.drop(self)
        try:
            self.release_regions()
        except BaseException:
            pass
