"""The canonical form of a structure key, which means the same in every process.

In a key, a number of this process stands for a name. The canonical form numbers names in the order of their first use,
and spells each out at its first use; `cascade.graph.key_reader.digest` hashes it. This runs once for each shape that a
process meets while it uses templates from files, before a file is read.
"""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from cascade._core.shape.key cimport CALL, KEY, KEY_OPAQUE, OPERAND_SHIFT, STRUCT

from cascade.exceptions import TemplateError

cdef enum:
    ROOM = 8192


def expand(bytes key, object call, object struct, object literals, object update):
    """Pass the canonical form of a key to ``update``, in pieces.

    Args:
        key: native unsigned 32 bit tokens.
        call: called with the number of a call's symbol and the token's index, returns ``(symbol, operands, spelling)``.
        struct: the same for structs.
        literals: called with the key, returns a reader of its dict keys: called with the token at which one begins, the
            reader returns the index of the token after it, and the `Key`. Called only if there are dict keys.
        update: called with each piece, as bytes.
    """
    cdef const unsigned char* raw = <const unsigned char*>key
    cdef const uint32_t* tokens = <const uint32_t*>raw
    cdef Py_ssize_t size = len(key) // 4
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t used = 0
    cdef uint32_t op, operand
    cdef unsigned char piece[ROOM]
    cdef dict calls = {}, structs = {}, call_numbers = {}, struct_numbers = {}
    cdef bytes spelling
    cdef object literal = None
    cdef Py_ssize_t length
    while at < size:
        op = tokens[at] & ((1 << OPERAND_SHIFT) - 1)
        operand = tokens[at] >> OPERAND_SHIFT
        spelling = None
        if op == CALL:
            operand, spelling = _symbol(operand, at, calls, call_numbers, call)
        elif op == STRUCT:
            operand, spelling = _symbol(operand, at, structs, struct_numbers, struct)
        elif op > KEY:
            raise TemplateError(f"unknown op {op} - at token {at}")
        elif op == KEY and operand != KEY_OPAQUE:
            if literal is None:
                literal = literals(key)
            after, read = literal(at)
            value = read.value
            spelling = len(value).to_bytes(4, "little") + value
            at = after - 1
        at += 1
        piece[used] = <unsigned char>op
        piece[used + 1] = operand & 0xFF
        piece[used + 2] = operand >> 8 & 0xFF
        piece[used + 3] = operand >> 16 & 0xFF
        piece[used + 4] = operand >> 24
        used += 5
        length = 0 if spelling is None else len(spelling)
        if used + length > ROOM - 5:
            update(piece[:used])
            used = 0
        if length > ROOM - 5:
            update(spelling)
        elif length:
            memcpy(&piece[used], <const unsigned char*>spelling, length)
            used += length
    update(piece[:used])


cdef tuple _symbol(object number, Py_ssize_t at, dict met, dict numbers, object name):
    """The number of a symbol in the order of first use, and its spelling if this is the first use, else None."""
    found = met.get(number)
    if found is not None:
        return found, None
    symbol, _, spelling = name(number, at)
    found = numbers.get(symbol)
    if found is not None:
        met[number] = found
        return found, None
    met[number] = numbers[symbol] = found = len(numbers)
    return found, spelling
