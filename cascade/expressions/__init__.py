"""What users compose expressions with, beside tasks: gather, order, routers, inputs."""
