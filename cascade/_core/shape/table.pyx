"""The template table: templates by structure key, bounded in entries and bytes.

A hash finds the bucket; the whole key is compared. When a bound is reached, the least recently used templates are
evicted; a run that still uses one keeps it alive.
"""

from libc.stdint cimport uint32_t

from cascade._core.shape.extract cimport Extraction
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.shape.template cimport Template, link


cdef class TemplateTable:
    """Templates by structure key.

    Args:
        structs: the types that graphs are made of: Call, Collection, Mapping, Record, SlotRef, NodeRef.
        max_entries: number of templates to keep at most.
        max_bytes: bytes that they may take together, approximately.
    """

    def __init__(self, tuple structs not None, *, Py_ssize_t max_entries=4096, int64_t max_bytes=1 << 28):
        if max_entries < 1 or max_bytes < 1:
            raise ValueError(f"max_entries and max_bytes must be >= 1, got {max_entries} and {max_bytes}")
        self.structs = structs
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.buckets = [None] * 64
        self.mask = 63

    def make(self, bytes key):
        """Make the graph and the plan of a key that is not in the table. For subclasses.

        Returns:
            ``(graph, plan, callback)``. The callback, a function without arguments or None, is called once the template
            is in the table.
        """
        raise NotImplementedError

    def on_evict(self, list templates):
        """Take note of templates that were evicted. For subclasses."""

    def __len__(self):
        return self.entries

    def __iter__(self):
        """The templates, least recently used first."""
        return iter(self.by_use())

    def lookup(self, target):
        """Return the template of a lazy result; make it if it is not in the table."""
        cdef Extraction extraction = Extraction.__new__(Extraction)
        if type(target) is not LazyResult:
            raise TypeError(f"target must be a lazy result, got `{type(target).__name__}`")
        extraction.run(<LazyResult>target)
        return self.get(extraction)

    cdef Template get(self, Extraction extraction):
        """The template of what was extracted; it is made if it is not in the table."""
        cdef uint64_t hash = extraction.hash()
        cdef Template template = self.find(extraction, hash)
        if template is not None:
            self.hit(template)
            return template
        self.misses += 1
        key = (<char*>extraction.key)[:extraction.key_size * 4]
        graph, plan, callback = self.make(key)
        template, gone = self.publish(link(key, hash, graph, plan, self.structs))
        # Last of all: a callback may do anything, and must find the table in its final state.
        if callback is not None:
            callback()
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
        """Add a template, unless its shape is there: another thread, or a destructor, may have been quicker.

        Returns the template that is in the table now, and a list of evicted ones or None.
        """
        cdef Py_ssize_t at
        cdef Template known
        self.widen()
        at = template.hash & self.mask  # from here on the collector cannot run: nothing it tracks is made
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
        found = []  # making the list may run the collector; filling it does not
        for template in self.buckets:
            while template is not None:
                found.append(template)
                template = (<Template>template).next
        found.sort(key=_used)
        return found

    cdef int widen(self) except -1:
        """Make room for one more, in as many buckets as there are entries, about."""
        cdef Template template, next
        cdef Py_ssize_t i, at, mask
        while self.entries > self.mask:
            mask = 2 * self.mask + 1
            buckets = [None] * (mask + 1)  # the collector may run here, and code that uses the table...
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
        """Evict the least recently used templates, an eighth more than necessary, so that not every miss evicts.

        ``wanted`` stays, however large it is: a run needs it, and would make it again. Returns the evicted ones.
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
        """Remove a template. Return whether it was in the table."""
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
