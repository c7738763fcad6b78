"""Resources: what tasks are given by name, set up when it is needed and torn down after its last use.

Nothing here imports asyncio but what sets up and tears down; to define resources, as worker processes do, takes none.

    provider.py     `cs.resource`: a function that makes a resource, its scope, and what it needs; ready-made values
    connector.py    connections to message brokers, as resources
    binding.py      a name, its provider, and the bindings of all that this needs: what is set up once a scope
    registry.py     which provider stands for a name now; overrides; what cannot be set up is found here
    scope.py        one lifetime: what is set up in it, in which order, and its end
    instance.py     one resource in one scope, from set-up to teardown
    generator.py    the two halves of a generator: up to its yield, and from there to its end
"""
