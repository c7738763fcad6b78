"""Results that are kept: a task with a cache policy runs once for equal calls.

    ResultCache, cached             by key: task, code, closure, arguments     policy.py
    CachePolicy, CacheStore, Hit    what the engine and the policies call      protocol.py
    MemoryStore, DiskStore          where results lie                          memory.py; disk.py, over database.py
    FileExists                      results that are files                     file.py; marks.py: not finished yet
    Flights                         equal calls at the same time               flight.py, with making.py
    fingerprint                     data as digests                            fingerprint.py, over leaf.py, parts.py,
                                                                               function.py and arrays.py
    identity                        a callable, with the globals it reads      identity.py, over names.py (bytecode) and
                                                                               origin.py (whose code it is)
    Provided                        injected resources in a key                provided.py
    bind                            arguments by the parameters they are for   binding.py
    check_cache_store, ..._policy   tests for those of others                  conformance.py

Nothing is imported here: who keeps results in memory needs no SQLite, and who caches nothing needs none of it.
"""
