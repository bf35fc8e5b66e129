"""Reliability curves as an SVG, for a document."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from models.evaluate import Evaluation

# In pixels.
_SIDE: Final = 420
_MARGIN: Final = 48
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73")


def chart(curves: Mapping[str, Evaluation]) -> str:
    """Reliability curves by name as an SVG: predicted to the right, observed upward, 95 % intervals."""
    bins = [held for evaluation in curves.values() for held in evaluation.reliability]
    top = max(max(held.predicted, held.high) for held in bins)
    step = next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if top / step <= 6 or step == 0.2)
    scale = (_SIDE - 2 * _MARGIN) / top

    def at(predicted: float, observed: float) -> tuple[str, str]:
        return f"{_MARGIN + predicted * scale:.1f}", f"{_SIDE - _MARGIN - observed * scale:.1f}"

    def line(begin: tuple[str, str], end: tuple[str, str], style: str) -> str:
        return f'<line x1="{begin[0]}" y1="{begin[1]}" x2="{end[0]}" y2="{end[1]}" {style}/>'

    parts = [line(at(0, 0), at(top, top), 'stroke="#999" stroke-dasharray="4 4"')]
    for tick in np.arange(0, top + 1e-9, step):
        x, y = at(tick, tick)
        label = f"{tick:.1%}" if step < 0.01 else f"{tick:.0%}"
        parts += [
            line(at(0, tick), at(top, tick), 'stroke="#eee"'),
            f'<text x="{x}" y="{_SIDE - _MARGIN + 16}" text-anchor="middle">{label}</text>',
            f'<text x="{_MARGIN - 6}" y="{y}" text-anchor="end" dominant-baseline="middle">{label}</text>',
        ]
    for row, ((name, evaluation), colour) in enumerate(zip(curves.items(), _COLOURS, strict=False)):
        points = [at(held.predicted, held.observed) for held in evaluation.reliability]
        track = " ".join(",".join(point) for point in points)
        parts.append(f'<polyline points="{track}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for held, (x, y) in zip(evaluation.reliability, points, strict=True):
            ends = at(held.predicted, held.low), at(held.predicted, held.high)
            parts += [line(*ends, f'stroke="{colour}"'), f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>']
        parts.append(f'<text x="{_MARGIN + 10}" y="{_MARGIN + 4 + 18 * row}" fill="{colour}">{name}</text>')
    parts += [
        f'<text x="{_SIDE / 2}" y="{_SIDE - 6}" text-anchor="middle">predicted</text>',
        f'<text x="14" y="{_SIDE / 2}" text-anchor="middle" transform="rotate(-90 14 {_SIDE / 2})">observed</text>',
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIDE} {_SIDE}" width="{_SIDE}" height="{_SIDE}"'
    return f'{head} font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>\n' + (
        "\n".join(parts) + "\n</svg>\n"
    )
