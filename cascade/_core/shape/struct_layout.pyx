"""Struct layout: where the types of values keep what may be a lazy result.

Every value that is passed to a task must be searched for lazy results. Reading attributes would cost more than the
traversal, and could run user code, so what must be known of a type is found once: the offsets of the fields of frozen
structs, named tuples and frozen dataclasses with slots; the names of the fields of other frozen dataclasses; and
whether a type is a *record*, in which a lazy result is a mistake: it declares fields, or is a kind of container, but
cannot be made anew from the values of what it holds.
"""

import collections as _collections
import dataclasses as _dataclasses
import inspect as _inspect
import types as _types
import weakref as _weakref

import msgspec as _msgspec
from cpython.mem cimport PyMem_Free, PyMem_Malloc

from cascade._core.expr.symbol cimport struct_shape
from cascade._core.shape.key cimport SLOT, STRUCT

cdef extern from *:
    """
    #include <structmember.h>
    static Py_ssize_t cascade_member_offset(PyObject *descriptor) {
        return ((PyMemberDescrObject *)descriptor)->d_member->offset;
    }
    static Py_ssize_t cascade_item_offset(Py_ssize_t i) {
        return (Py_ssize_t)(offsetof(PyTupleObject, ob_item) + i * sizeof(PyObject *));
    }
    """
    Py_ssize_t cascade_member_offset(object descriptor) noexcept
    Py_ssize_t cascade_item_offset(Py_ssize_t i) noexcept

cdef extern from "Python.h":
    PyObject* PyLong_FromSize_t_ "PyLong_FromSize_t"(size_t) noexcept
    PyObject* PyDict_GetItemWithError_ "PyDict_GetItemWithError"(PyObject*, PyObject*) noexcept
    PyObject* PyTuple_GET_ITEM(PyObject*, Py_ssize_t) noexcept
    void Py_DECREF_ "Py_DECREF"(PyObject*) noexcept
    void PyErr_Clear() noexcept

cdef object _meta = type(_msgspec.Struct)
cdef dict _layouts = {}  # id of a type -> (weak reference to it, Layout)

VIEWS = type({}.keys()), type({}.values()), type({}.items())

# Kinds of containers that only an instance itself could be rebuilt from, and what stands in the namespace of classes
# that declare fields: dataclasses, attrs, pydantic 2 and 1.
cdef tuple _CONTAINERS = (
    list, tuple, dict, set, frozenset, _collections.deque, _collections.UserDict, _collections.UserList,
    _collections.ChainMap, _types.MappingProxyType, _types.SimpleNamespace, slice, *VIEWS,
)
cdef frozenset _DECLARATIONS = frozenset(
    ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__", "model_fields", "__fields__")
)


cdef class Layout:
    def __dealloc__(self):
        PyMem_Free(self.offsets)


cdef int op_of_type(PyObject* kind) noexcept:
    """The op of values of a type, from what was learned; then it is among those that were met lately."""
    cdef Known* known
    cdef PyObject* entry
    cdef PyObject* number = PyLong_FromSize_t_(<size_t>kind)
    if number is NULL:
        PyErr_Clear()
        return UNLEARNED
    entry = PyDict_GetItemWithError_(<PyObject*>_layouts, number)
    Py_DECREF_(number)
    if entry is NULL:
        PyErr_Clear()
        return UNLEARNED
    known = known_type(kind)
    known.type = kind
    known.layout = PyTuple_GET_ITEM(entry, 1)
    known.op = (<Layout>known.layout).op
    return known.op


cdef int learn(PyObject* kind) except -1:
    """Read the layout of a type. This may run user code, so no traversal may go on after it."""
    cdef Layout layout = Layout.__new__(Layout)
    struct = <object>kind
    number = id(struct)
    layout.op = RECORD if _is_record(struct) else SLOT
    if layout.op == RECORD:
        try:
            _lay_out_record(layout, struct)
        except MemoryError:
            raise
        except Exception:  # of a class that is not what it seems to be
            pass
    _layouts[number] = (_weakref.ref(struct, lambda _: _forget(number)), layout)
    return 0


def field_names(kind):
    """Return the names of the fields by which values of a type are taken apart; (): they are not."""
    cdef Layout layout
    if op_of_type(<PyObject*>kind) == UNLEARNED:
        learn(<PyObject*>kind)
    layout = <Layout>_layouts[id(kind)][1]
    return layout.shape.fields if layout.op == STRUCT else ()


def parts_of(value):
    """Return what a container holds itself, without the keys of a dict; []: it is none that may hold lazy results."""
    kind = type(value)
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        return [*value]
    if kind is dict:
        return [*value.values()]
    return [getattr(value, name) for name in field_names(kind)]


def _forget(size_t number):
    """A type has died: another one may have its address."""
    cdef Known* known = known_type(<PyObject*>number)
    if <size_t>known.type == number:
        known.type = NULL
        known.layout = NULL
    _layouts.pop(number, None)


cdef bint _is_record(object kind) except -1:
    """Whether values of a type declare what they hold, or are a kind of container."""
    return type(kind) is _meta or issubclass(kind, _CONTAINERS) or any(
        [not _DECLARATIONS.isdisjoint(base.__dict__) for base in kind.__mro__]
    )


cdef int _lay_out_record(Layout layout, object struct) except -1:
    """Find the fields of a type, if a value of it can be made from their values."""
    if type(struct) is _meta:
        _lay_out_struct(layout, struct)
    elif issubclass(struct, tuple) and hasattr(struct, "_fields"):
        _lay_out_named_tuple(layout, struct)
    elif _dataclasses.is_dataclass(struct) and not issubclass(struct, _CONTAINERS):
        _lay_out_dataclass(layout, struct)
    return 0


cdef int _lay_out_struct(Layout layout, object struct) except -1:
    fields = tuple(struct.__struct_fields__)
    if struct.__struct_config__.frozen and _find_members(layout, struct, fields):
        _take_apart(layout, struct, fields)
    return 0


cdef int _lay_out_named_tuple(Layout layout, object struct) except -1:
    cdef Py_ssize_t i
    fields = struct._fields
    if type(fields) is not tuple or not _is_made_of(struct, fields):
        return 0
    _allocate(layout, len(fields))
    for i in range(layout.count):
        layout.offsets[i] = cascade_item_offset(i)
    layout.is_tuple = True
    return _take_apart(layout, struct, fields)


cdef int _lay_out_dataclass(Layout layout, object struct) except -1:
    fields = tuple([field.name for field in _dataclasses.fields(struct)])
    if not struct.__dataclass_params__.frozen or not _is_made_of(struct, fields):
        return 0
    if not _find_members(layout, struct, fields):
        layout.names = fields
        layout.count = len(fields)
    return _take_apart(layout, struct, fields)


cdef int _take_apart(Layout layout, object struct, tuple fields) except -1:
    """From now on values of this type are containers of their fields."""
    layout.shape = struct_shape(struct.__module__, struct.__qualname__, fields)
    layout.op = STRUCT if fields else SLOT
    return 0


cdef bint _is_made_of(object struct, tuple fields) except -1:
    """Whether calling a type with its fields as keyword arguments, and with nothing else, makes a value of it."""
    try:
        parameters = _inspect.signature(struct).parameters.values()
    except (TypeError, ValueError):
        return False
    by_name = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return len(by_name) == len(parameters) and set(by_name) == set(fields)


cdef bint _find_members(Layout layout, object struct, tuple fields) except -1:
    """Find the offsets of the fields; whether all have one."""
    members = []
    for field in fields:
        for base in struct.__mro__:
            if field in base.__dict__:
                members.append(base.__dict__[field])
                break
    if len(members) != len(fields) or not all([type(member) is _types.MemberDescriptorType for member in members]):
        return False
    _allocate(layout, len(members))
    for i, member in enumerate(members):
        layout.offsets[<Py_ssize_t>i] = cascade_member_offset(member)
    return True


cdef int _allocate(Layout layout, Py_ssize_t count) except -1:
    layout.count = count
    layout.offsets = <Py_ssize_t*>PyMem_Malloc((count + 1) * sizeof(Py_ssize_t))
    if layout.offsets is NULL:
        raise MemoryError()
    return 0
