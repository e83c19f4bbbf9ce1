"""The picture of a measurement: CPU per request and per chunk of each system, as bars on a logarithmic scale.

Run: python -m bench.picture docs/overhead.jsonl docs/overhead.svg
"""

import math
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

import msgspec

from bench.lines import Line

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP = 760, 130, 150, 18, 8
_PANELS = (("nonstream_1k", "CPU µs per request (1 KB, not streamed)"), ("stream_200", "CPU µs per streamed chunk"))
_OURS, _FLOOR, _OTHER = "#2f6fde", "#8a8f98", "#c9a227"
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.small{font-size:11px;fill:#6e7781}.title{font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}}"
)


def draw(lines: Sequence[Line]) -> str:
    """The picture as SVG text; systems from the cheapest to the dearest, each bar labelled with its figure."""
    parts: list[str] = []
    y = 30
    for case, title in _PANELS:
        shown = sorted((each for each in lines if each.case == case and each.cpu_us), key=lambda each: each.cpu_us or 0)
        if shown:
            parts.append(f'<text class="title" x="12" y="{y}">{escape(title)}</text>')
            parts += _bars(shown, y + 14)
            y += 14 + len(shown) * (_BAR + _GAP) + 34
    parts.append(f'<text class="small" x="12" y="{y - 8}">{escape(_footer(lines))}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 6}" viewBox="0 0 {_WIDTH} {y + 6}" '
        f'role="img" aria-label="CPU per request and per streamed chunk"><style>{_STYLE}</style>'
        + "".join(parts)
        + "</svg>\n"
    )


def _bars(shown: Sequence[Line], top: int) -> list[str]:
    figures = [each.cpu_us or 0.0 for each in shown]
    low = 10 ** math.floor(math.log10(figures[0]))
    decades = max(1.0, math.log10(figures[-1] / low))
    parts: list[str] = []
    for row, (each, figure) in enumerate(zip(shown, figures, strict=True)):
        y = top + row * (_BAR + _GAP)
        width = max(2.0, math.log10(figure / low) / decades * (_WIDTH - _LEFT - _RIGHT))
        colour = {"intertie": _OURS, "nginx": _FLOOR}.get(each.system, _OTHER)
        ratio = f"  ({each.ratio_to_nginx:,.1f} × nginx)" if each.ratio_to_nginx and each.system != "nginx" else ""
        label = f"{figure:,.0f}{ratio}" if figure >= 100 else f"{figure:.1f}{ratio}"
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(each.system)}</text>')
        parts.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3" fill="{colour}"/>')
        parts.append(f'<text x="{_LEFT + width + 8:.1f}" y="{y + 14}">{escape(label)}</text>')
    return parts


def _footer(lines: Sequence[Line]) -> str:
    versions = {each.system: each.version for each in lines if each.system != "direct"}
    date = max((each.date for each in lines), default="")
    return f"logarithmic · measured {date}, same run, same upstream · " + ", ".join(
        f"{system} {version}" for system, version in versions.items()
    )


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.write_text(draw([msgspec.json.decode(text, type=Line) for text in source.read_text().splitlines()]))
