"""A priority queue whose items can be removed from anywhere."""

from heapq import heapify as _heapify, heappop as _heappop, heappush as _heappush


cdef class WaitQueue:
    """Items by key, the smallest key first; of equal keys, the item that was added first.

    A heap in which a removed item stays until it reaches the top, or until removed items are more than half of the
    heap. So every operation takes amortized logarithmic time.

    >>> queue = WaitQueue()
    >>> for name, key in [("b", 2), ("a", 1), ("c", 3)]:
    ...     queue.add(name, key)
    >>> queue.first(), queue.discard("a"), queue.first(), len(queue)
    ('a', None, 'b', 2)
    """

    def __cinit__(self):
        self.heap = []
        self.places = {}
        self.entries = 0

    cpdef add(self, item, key):
        """Add an item with its key; if it is in the queue, change its key."""
        cdef tuple entry = (key, self.entries, item)
        self.entries += 1
        self.places[item] = entry
        _heappush(self.heap, entry)
        self.tidy()

    cpdef discard(self, item):
        """Remove an item, if it is in the queue."""
        if self.places.pop(item, None) is not None:
            self.tidy()

    cpdef first(self):
        """Return the first item, or None."""
        cdef list heap = self.heap
        cdef tuple entry
        while heap:
            entry = <tuple>heap[0]
            if self.places.get(entry[2]) is entry:
                return entry[2]
            _heappop(heap)
        return None

    def first_key(self):
        """Return the key of the first item, or None."""
        return None if self.first() is None else self.heap[0][0]

    def key_of(self, item):
        """Return the key of an item, or None if it is not in the queue."""
        entry = self.places.get(item)
        return None if entry is None else (<tuple>entry)[0]

    def clear(self):
        """Remove all items."""
        self.heap.clear()
        self.places.clear()

    cdef tidy(self):
        cdef tuple entry
        if len(self.heap) > 2 * len(self.places) + 16:
            self.heap = [entry for entry in self.heap if self.places.get(entry[2]) is entry]
            _heapify(self.heap)

    def __iter__(self):
        return iter(self.places)

    def __contains__(self, item):
        return item in self.places

    def __len__(self):
        return len(self.places)
