"""The template table: exact, bounded, counting.

A hash finds the bucket, the whole key decides. What was used longest ago goes first when the bounds are reached; a run
that still uses it keeps it alive.
"""

from libc.stdint cimport uint32_t

from cascade._core.shape.extract cimport Extraction
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.shape.template cimport Template, link


cdef class TemplateTable:
    """Templates by structure key.

    Args:
        structs: those that `make` gives graphs of: Call, Collection, Mapping, Record, SlotRef, NodeRef.
        max_entries: how many templates to keep.
        max_bytes: how much memory, about, they may take together.
    """

    def __init__(self, tuple structs not None, *, Py_ssize_t max_entries=4096, int64_t max_bytes=1 << 28):
        if max_entries < 1 or max_bytes < 1:
            raise ValueError(f"expected bounds of at least 1, got max_entries={max_entries}, max_bytes={max_bytes}")
        self.structs = structs
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.buckets = [None] * 64
        self.mask = 63

    def make(self, bytes key):
        """The graph and the plan for a key that is not in the table, and whom to call once they are. For subclasses.

        The last is a function without arguments, or None.
        """
        raise NotImplementedError

    def on_evict(self, list templates):
        """What was let go of because the bounds were reached. For subclasses."""

    def __len__(self):
        return self.entries

    def __iter__(self):
        """The templates, the least recently used first."""
        return iter(self.by_use())

    def lookup(self, target):
        """The template of a lazy result, which is made if it is not there."""
        cdef Extraction extraction = Extraction.__new__(Extraction)
        if type(target) is not LazyResult:
            raise TypeError(f"expected a lazy result, got `{type(target).__name__}`")
        extraction.run(<LazyResult>target)
        return self.get(extraction)

    cdef Template get(self, Extraction extraction):
        """The template of what was extracted, which is made if it is not there."""
        cdef uint64_t hash = extraction.hash()
        cdef Template template = self.find(extraction, hash)
        if template is not None:
            self.hit(template)
            return template
        self.misses += 1
        key = (<char*>extraction.key)[:extraction.key_size * 4]
        graph, plan, tell = self.make(key)
        template, gone = self.publish(link(key, hash, graph, plan, self.structs))
        # Last: who is told may do anything, and finds the table as it is to be.
        if tell is not None:
            tell()
        if gone is not None:
            self.on_evict(gone)
        return template

    cdef Template find(self, Extraction extraction, uint64_t hash):
        cdef Template template = <Template>self.buckets[hash & self.mask]
        while template is not None:
            if template.hash == hash and template.matches(extraction):
                return template
            template = template.next
        return None

    cdef tuple publish(self, Template template):
        """Take a template in, unless its shape is there: another thread, or collected garbage, may have been quicker.

        Returns the one that is there now, and a list of those that had to go, or None.
        """
        cdef Py_ssize_t at
        cdef Template known
        self.widen()
        at = template.hash & self.mask  # from here on nothing is made that the collector knows: no other code runs
        known = <Template>self.buckets[at]
        while known is not None:
            if known.hash == template.hash and known.has(<char*>template.key, template.key_size * sizeof(uint32_t)):
                return known, None
            known = known.next
        template.next = <Template>self.buckets[at]
        self.buckets[at] = template
        self.entries += 1
        self.size += template.size
        self.clock += 1
        template.used = self.clock
        if self.entries > self.max_entries or self.size > self.max_bytes:
            return template, self.evict(template)
        return template, None

    def by_use(self):
        found = []  # making it may collect garbage; filling it does not
        for template in self.buckets:
            while template is not None:
                found.append(template)
                template = (<Template>template).next
        found.sort(key=_used)
        return found

    cdef int widen(self) except -1:
        """Have room for one more, in buckets that hold one each, more or less."""
        cdef Template template, next
        cdef Py_ssize_t i, at, mask
        while self.entries > self.mask:
            mask = 2 * self.mask + 1
            buckets = [None] * (mask + 1)  # garbage may be collected here, and the table be used in that...
            if mask != 2 * self.mask + 1:
                continue
            for i in range(self.mask + 1):  # ...but not here
                template = <Template>self.buckets[i]
                while template is not None:
                    next = template.next
                    at = template.hash & mask
                    template.next = <Template>(<list>buckets)[at]
                    (<list>buckets)[at] = template
                    template = next
            self.buckets = <list>buckets
            self.mask = mask
        return 0

    cdef list evict(self, Template wanted):
        """Let go of what was used longest ago; an eighth more than must be, so that it is not done on every miss.

        Returns what that is.

        What is wanted now stays, however large it is: a run would only build it again.
        """
        cdef Template template
        cdef list gone = []
        cdef Py_ssize_t keep = self.max_entries - self.max_entries // 8
        cdef int64_t bytes_kept = self.max_bytes - self.max_bytes // 8
        for template in self.by_use():
            if self.entries <= keep and self.size <= bytes_kept:
                break
            if template is not wanted and self.remove(template):
                gone.append(template)
        return gone

    cdef bint remove(self, Template template) noexcept:
        """Take a template out; whether it was there."""
        cdef Py_ssize_t at = template.hash & self.mask
        cdef Template before = None
        cdef Template each = <Template>self.buckets[at]
        while each is not None and each is not template:
            before = each
            each = each.next
        if each is None:
            return False
        if before is None:
            self.buckets[at] = template.next
        else:
            before.next = template.next
        template.next = None
        self.entries -= 1
        self.size -= template.size
        self.evictions += 1
        return True


def _used(Template template):
    return template.used
