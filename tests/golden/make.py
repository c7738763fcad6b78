"""`python tests/golden/make.py` writes the golden file of this format version, and what must be read from it.

A golden file is remade only together with the number of the format, once a version with that format is out: what it
shows is that files that exist can still be read.
"""

from __future__ import annotations

import sys
from pathlib import Path

GOLDEN = Path(__file__).parent
sys.path.insert(0, str(GOLDEN.parent))


def main() -> None:
    from cascade.templates.reader import FORMAT
    from cascade.templates.writer import rewrite
    from support import shapes
    from support.template_files import encoding_of

    path = GOLDEN / f"format-{FORMAT}.templates"
    path.unlink(missing_ok=True)
    encodings = dict(map(encoding_of, [*list(shapes.expressions())[:-1], *shapes.language()]))
    rewrite(path, lambda _: encodings)
    Path(f"{path}.lock").unlink()
    lines = [f"{digest.hex()} {len(encoding)}\n" for digest, encoding in encodings.items()]
    path.with_suffix(".txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
