"""Pictures for Chromium's pretended camera: a film with one code in it."""

from __future__ import annotations

from pathlib import Path

import segno

WIDTH, HEIGHT = 640, 480
DOT = 6
PAPER, GROUND = 235, 120
"""Brightness of the label, and of the table that it lies on."""


def film(path: Path, content: str) -> Path:
    """Write a film (YUV4MPEG2) that shows the code of a text on a label."""
    modules = [list(row) for row in segno.make(content, error="m", micro=False).matrix_iter(scale=DOT, border=4)]
    size = len(modules)
    assert size <= HEIGHT, "the text is too long for the picture"
    left, top = (WIDTH - size) // 2, (HEIGHT - size) // 2
    rows = [bytearray([GROUND]) * WIDTH for _ in range(HEIGHT)]
    for y, row in enumerate(modules):
        rows[top + y][left : left + size] = bytes(16 if dark else PAPER for dark in row)
    luma, chroma = b"".join(rows), bytes([128]) * (WIDTH * HEIGHT // 2)
    header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420mpeg2\n".encode()
    path.write_bytes(header + 2 * (b"FRAME\n" + luma + chroma))
    return path
