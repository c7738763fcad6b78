"""What users compose expressions with, beside tasks: gather, order, routers, inputs."""

__all__: list[str] = []
