"""Results that are kept: a task with a cache policy runs once for equal calls.

    ResultCache, cached             by key: task, code, closure, arguments     policy.py
    CachePolicy, CacheStore, Hit    what the engine and the policies call      protocol.py
    MemoryStore, DiskStore          where results lie                          memory.py, disk.py
    FileExists                      results that are files                     file.py
    Flights                         equal calls at the same time               flight.py
    fingerprint                     data as digests                            fingerprint.py, over leaf.py, parts.py,
                                                                               function.py and arrays.py
    bind                            arguments by the parameters they are for   binding.py
    check_cache_store, ..._policy   tests for those of others                  conformance.py

Nothing is imported here: who keeps results in memory needs no SQLite, and who caches nothing needs none of it.
"""
