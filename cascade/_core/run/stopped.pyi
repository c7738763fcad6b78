from typing import final

from typing_extensions import disjoint_base

@disjoint_base
class Catch: ...

@disjoint_base
class Region: ...

@final
class Stopped: ...

@final
class Enclosing: ...
