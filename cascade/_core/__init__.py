"""The compiled core: all code that runs once for each node.

It imports no asyncio, and of the package only its exceptions.
"""
