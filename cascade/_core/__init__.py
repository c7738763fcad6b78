"""The compiled core: all that runs once a node. It imports no asyncio, and of the package only its exceptions."""
