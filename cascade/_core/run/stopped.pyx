"""What is stopped of a run, and what awaits its end: a catch, and the regions that it is in."""

cimport cython
from cpython.object cimport PyObject

from cascade._core.run.held cimport HeldScope
from cascade._core.shape.key cimport DICT
from cascade._core.shape.template cimport Node, Template

from cascade.exceptions import InternalError

cdef extern from "Python.h":
    ctypedef struct TypeObject "PyTypeObject":
        pass
    bint PyType_IsSubtype(TypeObject*, TypeObject*) noexcept
    PyObject* Py_TYPE "(PyObject*)Py_TYPE"(PyObject*) noexcept


cdef class Catch:
    """Something that was stopped, until all of it has ended."""


cdef class Region:
    """A part of a run whose end an asyncio task of the engine awaits."""


@cython.final
cdef class Stopped:
    """What is stopped of a run: all that is beneath some nodes of one frame, the root.

    Attributes:
        nodes: of the root, beneath which things are stopped; None: the root as a whole is.
        doomed: of each node of the root, whether it is one of them; None: none is among those that are ready.
        known: by address of a frame, whether it is beneath.
        frames: those that are, without the root.
        landed: waiters that were to be looked at.
        withdrawn: waiters that nothing has to be awaited for.
        cancelled: waiters with a future, and that.
        adopted: waiters that were cancelled before, and the catch that awaits them.
        regions: of asyncio tasks that are stopped, too.
        maps: nodes of the root that are maps and have begun.
        unseen: messages that were received and that no task is given any more.
        dying, dying_in: as those of the run will be; None: as they are.
    """

    cdef bint holds(self, Frame frame, Py_ssize_t node) except -1:
        """Whether a node of a frame is beneath. Frames are looked at once each, however deep they are."""
        cdef list path = None
        cdef bint verdict = False
        while frame is not None:
            if frame is self.root:
                verdict = self.nodes is None or (node >= 0 and self.doomed[node])
                break
            found = self.known.get(<size_t><PyObject*>frame)
            if found is not None:
                verdict = found
                break
            if path is None:
                path = []
            path.append(frame)
            node = frame.parent_node
            frame = frame.parent
        if path is not None:
            for each in path:
                self.known[<size_t><PyObject*>each] = verdict
                if verdict:
                    self.frames.append(each)
        return verdict


@cython.final
cdef class Enclosing:
    """Which regions a waiter is in: the innermost ones, as the others have the asyncio tasks of these in them.

    Attributes:
        scopes: by frame, and by number of a node, the regions of the scopes that the node is beneath.
        known: by frame, the regions that it is in as a whole.
    """

    cdef int prepare(self, list regions) except -1:
        cdef Region region
        cdef dict by_frame = {}
        self.scopes = {}
        self.known = {}
        for region in regions:
            if region.node < 0:
                self.known[region.frame] = [region]
            else:
                by_frame.setdefault(region.frame, {})[region.node] = region
        for frame, inside in by_frame.items():
            self.scopes[frame] = {}
            for region in inside.values():
                self.mark(region, inside, self.scopes[frame])
        return 0

    cdef int mark(self, Region region, dict others, dict places) except -1:
        """Note all nodes that are beneath a scope, and the scopes among them, but not what is beneath those."""
        cdef Template template = region.frame.template
        cdef Node* node = &template.nodes[region.node]
        cdef list stack = [template.operands[node.first_operand]]
        cdef set seen = set()
        cdef Py_ssize_t i, at
        while stack:
            at = stack.pop()
            if at < 0 or at >= template.node_count or at in seen:
                continue
            seen.add(at)
            places.setdefault(at, []).append(region)
            if at in others:
                continue
            node = &template.nodes[at]
            for i in range(node.operands * (2 if node.op == DICT else 1) + node.roles):
                stack.append(template.operands[node.first_operand + i])
        return 0

    cdef list regions_of(self, Frame frame, Py_ssize_t node):
        """The innermost regions that a node of a frame is in."""
        cdef list path = []
        cdef list found = []
        while frame is not None:
            if frame in self.scopes:
                found = self.scopes[frame].get(node, found)
                if found:
                    break
            known = self.known.get(frame)
            if known is not None:
                found = known
                break
            path.append(frame)
            node = frame.parent_node
            frame = frame.parent
        for each in path:
            self.known[each] = found
        return found


cdef bint may_be_caught(object error) noexcept:
    """Whether an exception is a failure: not what ends the process, a cancellation, or a defect of the engine."""
    # An exception may answer anything when it is asked for its class.
    cdef TypeObject* kind = <TypeObject*>Py_TYPE(<PyObject*>error)
    return PyType_IsSubtype(kind, <TypeObject*>Exception) and not PyType_IsSubtype(kind, <TypeObject*>InternalError)


cdef int set_result(object future, object result) except -1:
    """Give an asyncio future its result, if anything still awaits it."""
    if type(future) is HeldScope:
        value, error, _ = result
        return (<HeldScope>future).end(value, error, False)
    try:
        if not future.done():
            future.set_result(result)
    except RuntimeError:  # its event loop is closed
        pass
    return 0


cdef int cancel_future(object future) except -1:
    """Cancel an asyncio future, if anything still awaits it."""
    if type(future) is HeldScope:  # everything in it has ended
        return (<HeldScope>future).end(None, None, True)
    try:
        future.cancel()
    except RuntimeError:  # its event loop is closed
        pass
    return 0
