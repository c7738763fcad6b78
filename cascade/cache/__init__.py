"""Result caches: a task with a cache policy runs once for equal calls.

    ResultCache, cached             by key: task, code, closure, arguments     policy.py
    CachePolicy, CacheStore, Hit    protocols of policies and stores           protocol.py
    MemoryStore, DiskStore          the stores                                 memory_store.py; sqlite_store.py,
                                                                               sqlite_file.py
    AgeClock                        the time by which results age              age_clock.py
    FileExists                      results that are files                     file_exists.py, file_marks.py
    SingleFlight                    equal calls at the same time run once      single_flight.py
    IOThreads                       the threads in which stores are used       io_threads.py
    PendingResult                   a result that is being computed            pending_result.py
    fingerprint                     data as digests                            fingerprint.py, scalars.py, functions.py,
                                                                               composites.py, numpy_arrays.py
    register_key                    types that a program teaches               register.py, taught.py
    identity                        a callable with the globals it reads       identity.py, global_names.py, flow.py,
                                                                               origin.py
    ResourceKey                     injected resources in a key                resource_keys.py
    bind                            arguments by parameter                     arguments.py

Nothing is imported here: a memory store needs no SQLite.
"""

__all__: list[str] = []
