"""Functions that compose expressions from lazy results: gather, order, routers, inputs."""

__all__: list[str] = []
