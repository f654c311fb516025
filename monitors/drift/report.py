"""The newest measurement as a page (HTML with plots) and as text (Markdown with bars)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

from monitors.drift.job import Measurement, Plan

_BARS: Final = " ▁▂▃▄▅▆▇█"
_PLOTTED: Final = 24
_STYLE: Final = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; color: #222; }
table { border-collapse: collapse; } td, th { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; }
td:nth-child(-n+3), th:nth-child(-n+3) { text-align: left; }
.critical { color: #b00020; font-weight: 600; } .warning { color: #b36b00; font-weight: 600; }
.watch { color: #7a6a00; }
figure { display: inline-block; margin: .5rem 1rem .5rem 0; } figcaption { font-size: 12px; }
"""


def worst_first(found: Sequence[Measurement]) -> list[Measurement]:
    """By PSI, those without one last, then by the share of missing values."""
    return sorted(found, key=lambda m: (-m.drift.psi if m.drift.psi == m.drift.psi else 1.0, -m.drift.missing))


def unhealthy(found: Sequence[Measurement]) -> list[Measurement]:
    """Features with more than 5 % missing, no variation, or more than 1 % outliers."""
    return [m for m in found if m.drift.missing > 0.05 or m.drift.constant or m.drift.outliers > 0.01]


def markdown(plan: Plan, found: Sequence[Measurement]) -> str:
    """Tables; distributions as bars, one character a bin."""
    lines = ["# Feature drift", "", _windows(plan), "", *_counts(found), "", "## Worst first", ""]
    lines += [
        "| symbol | feature | period | PSI | KS | level | now | reference |",
        "|---|---|---|---:|---:|---|---|---|",
    ]
    for m in worst_first(found)[:50]:
        if m.drift.psi == m.drift.psi:
            lines.append(
                f"| {'.'.join(m.key)} | {m.object}.{m.feature} | {m.period} | {m.drift.psi:.3f} | {m.drift.ks:.3f} "
                f"| {m.drift.level} | {_bars(m.drift.shares)} | {_bars(m.drift.reference_shares)} |"
            )
    lines += ["", "## Feature health", ""]
    lines += [
        "| symbol | feature | period | rows | missing | constant | outliers |",
        "|---|---|---|---:|---:|---|---:|",
    ]
    for m in sorted(unhealthy(found), key=lambda m: -m.drift.missing):
        lines.append(
            f"| {'.'.join(m.key)} | {m.object}.{m.feature} | {m.period} | {m.drift.rows} | {m.drift.missing:.1%} "
            f"| {'yes' if m.drift.constant else ''} | {m.drift.outliers:.2%} |"
        )
    return "\n".join(lines) + "\n"


def page(plan: Plan, found: Sequence[Measurement]) -> str:
    """One HTML file without anything from outside."""
    told = [m for m in worst_first(found) if m.drift.psi == m.drift.psi]
    rows = "".join(
        f"<tr><td>{html.escape('.'.join(m.key))}<td>{html.escape(m.object)}<td>{html.escape(m.feature)}<td>{m.period}"
        f"<td>{m.drift.psi:.3f}<td>{m.drift.ks:.3f}<td class={m.drift.level}>{m.drift.level}<td>{m.drift.mean:.4g}"
        f"<td>{m.drift.reference_mean:.4g}<td>{m.drift.rows}<td>{m.drift.reference_rows}"
        for m in told
    )
    ill = "".join(
        f"<tr><td>{html.escape('.'.join(m.key))}<td>{html.escape(m.object)}<td>{html.escape(m.feature)}<td>{m.period}"
        f"<td>{m.drift.missing:.1%}<td>{'yes' if m.drift.constant else ''}<td>{m.drift.outliers:.2%}"
        for m in sorted(unhealthy(found), key=lambda m: -m.drift.missing)
    )
    head = "<tr><th>symbol<th>view<th>feature<th>period"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Feature drift</title><style>{_STYLE}</style>"
        f"<h1>Feature drift</h1><p>{html.escape(_windows(plan))}</p><p>{'<br>'.join(_counts(found))}</p>"
        f"<h2>Distributions, worst first</h2>{''.join(_figure(m) for m in told[:_PLOTTED])}"
        f"<h2>Feature health</h2><table>{head}<th>missing<th>constant<th>outliers{ill}</table>"
        f"<h2>All</h2><table>{head}<th>PSI<th>KS<th>level<th>mean<th>reference<th>rows<th>reference{rows}</table></html>\n"
    )


def _windows(plan: Plan) -> str:
    spans = [f"{name} {_span(w.start, w.end)}" for name, w in plan.periods.items()]
    return f"{', '.join(spans)}; reference {_span(plan.reference.start, plan.reference.end)} (UTC)"


def _span(start: object, end: object) -> str:
    return f"{start:%Y-%m-%d %H:%M} … {end:%Y-%m-%d %H:%M}"


def _counts(found: Sequence[Measurement]) -> list[str]:
    levels = [m.drift.level for m in found]
    said = ", ".join(f"{levels.count(level)} {level}" for level in ("critical", "warning", "watch", "ok") if level)
    return [
        f"{len(found)} measurements: {said}, {levels.count('few')} without a PSI (below 500 values, or a price level)"
    ]


def _bars(values: Sequence[float]) -> str:
    """One block a bin, full at three times the equal share."""
    full = 3 / max(1, len(values))
    return "".join(_BARS[min(8, round(8 * value / full))] for value in values).replace(" ", "·")


def _figure(m: Measurement) -> str:
    """Both distributions as bars side by side, per bin of equal reference share."""
    width, height, bins = 260, 90, max(1, len(m.drift.shares))
    top = max(*m.drift.shares, *m.drift.reference_shares, 1e-9)
    step = width / bins
    bars = "".join(
        f'<rect x="{i * step + shift * step * 0.45:.1f}" y="{height * (1 - value / top):.1f}" '
        f'width="{step * 0.42:.1f}" '
        f'height="{height * value / top:.1f}" fill="{colour}"/>'
        for shift, values, colour in ((0, m.drift.reference_shares, "#9aa7b5"), (1, m.drift.shares, "#2467b3"))
        for i, value in enumerate(values)
    )
    name = html.escape(f"{'.'.join(m.key)} {m.object}.{m.feature}, {m.period}")
    return (
        f'<figure><svg width="{width}" height="{height}" role="img" aria-label="{name}">{bars}</svg>'
        f"<figcaption>{name}<br><span class={m.drift.level}>PSI {m.drift.psi:.3f}</span>, KS {m.drift.ks:.3f}; "
        f"grey reference, blue now</figcaption></figure>"
    )
