"""kma_utilization: how much of its page bytes each algorithm fills, over a trace."""

from plotting import (HEAD, LEFT, ROW, Legend, Sheet, data_block, event_axis, event_unit,
                      line_style, note_on, over_events, overlaid, shortened)

HEIGHT, FOOT = 760, 86  # pixels


def _percent(one):
    """None while no page is held."""
    return [100 * requested / paged if paged > 0 else None
            for requested, paged in zip(one.requested.mean, one.paged.mean)]


def _ceiling(percents):
    """Beyond 100 only for a figure that is: resident sets are sampled."""
    return 1.02 * max(100, *(value or 0 for values in percents for value in values))


def utilization_picture(trace_label, series):
    ranked = sorted(series, key=lambda name: -series[name].utilization_mean)
    legend = Legend(ranked, columns=1)
    sheet = Sheet(max(HEIGHT, HEAD + FOOT + 60 + ROW * len(ranked)),
                  f"Utilization over {shortened(trace_label, 60)}",
                  "Utilization is requested bytes / page bytes; mean: over the events that "
                  "leave something requested.", note_on(series))
    percents = {name: _percent(series[name]) for name in ranked}
    curves = []
    for name in overlaid(ranked[::-1]):
        sheet.add(data_block(f"used_{name}", over_events(series[name], percents[name])))
        curves.append(f"$used_{name} using 1:2 with lines {line_style(name)} title '{name}'")
    legend.head(sheet, HEAD + 8, ["mean %"])
    for number, name in enumerate(ranked):
        legend.entry(sheet, name, HEAD + 40 + ROW * number,
                     [f"{100 * series[name].utilization_mean:.1f}"])
    sheet.panel(LEFT, legend.panels_end, HEAD + 8, sheet.bottom - FOOT)
    events = series[ranked[0]].events
    sheet.add(event_axis(events, 8))
    sheet.add(f"set yrange [0:{_ceiling(percents.values()):g}]\nset ytics 20\n")
    sheet.side_label("utilization (%)")
    sheet.foot_label(f"{event_unit(events)[1]} replayed")
    sheet.plot(curves)
    return sheet.picture()
