from typing import final

@final
class Frame: ...
