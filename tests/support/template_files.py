"""Files of templates as somebody else might write them: right in every checksum, wrong in whatever one likes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cascade as cs
from cascade.graph.model import GraphTemplate, PlanTemplate
from cascade.templates.codec import Stored, encode
from cascade.templates.reader import ENTRY, HEADER, checksum, header
from cascade.templates.store import digest_of_key

NATIVE = "cascade.protocols.NativeSolver"


def forge(path: Path, encodings: Iterable[tuple[bytes, bytes]], version: str = "forged") -> Path:
    """Write a file that has these encodings under these digests."""
    entries, bodies = [], b""
    encodings = list(encodings)
    start = HEADER.size + ENTRY.size * len(encodings)
    for digest, encoding in encodings:
        entries.append(ENTRY.pack(digest, checksum(encoding), start + len(bodies), len(encoding)))
        bodies += encoding
    index = b"".join(sorted(entries))
    path.write_bytes(header(len(entries), start + len(bodies), version, index) + index + bodies)
    return path


def resealed(data: bytes, count: int) -> bytes:
    """Give a damaged file the checksums that its bytes should have, as far as there is anything to go by."""
    index = data[HEADER.size : HEADER.size + ENTRY.size * count]
    entries = []
    for at in range(0, len(index) - ENTRY.size + 1, ENTRY.size):
        digest, _, offset, size = ENTRY.unpack_from(index, at)
        entries.append(ENTRY.pack(digest, checksum(data[offset : offset + size]), offset, size))
    index = b"".join(entries)
    bodies = data[HEADER.size + len(index) :]
    return header(len(entries), HEADER.size + len(index) + len(bodies), "forged", index) + index + bodies


def template_of(target: cs.LazyResult, solver: object = None) -> tuple[bytes, bytes, GraphTemplate, PlanTemplate]:
    """Give an expression's key, digest, graph and plan, made cold."""
    template = cs.Templates(solver=solver).lookup(target)
    key = template.structure_key
    return key, digest_of_key(key), template.graph, template.plan


def encoding_of(target: cs.LazyResult) -> tuple[bytes, bytes]:
    """Give an expression's digest and the encoding of its template."""
    _, digest, graph, plan = template_of(target)
    return digest, encode(Stored(graph, plan, NATIVE))
