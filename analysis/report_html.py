"""The parts of the report that are in the HTML itself: readable without JavaScript.

Whatever comes from a file goes through `text`; nothing else may build markup from it.
"""

import html
import json

import report_text as said
import results
from common import counted
from measure import RECORDED, RECORDED_NOTE
from plotting import size_text


def text(value):
    return html.escape(str(value), quote=True)


def element(tag, content, **attributes):
    """`content` is markup; attributes are text. A trailing _ keeps names off Python's."""
    words = "".join(f' {name.rstrip("_").replace("_", "-")}="{text(value)}"'
                    for name, value in attributes.items() if value is not None)
    return f"<{tag}{words}>{content}</{tag}>"


def swatch(name, names):
    return f'<i class="swatch" style="--c: var(--a{names.index(name)})"></i>'


def scrolling(table, label):
    """Wide tables scroll within themselves, also from the keyboard."""
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)


# ---- the worst events

EVENT_COLUMNS = ("command", "size", "ns", "pages_got", "pages_freed", "splits", "joins", "steps",
                 "instructions")
EVENT_FORMS = {"ns": "{:,.1f}", "command": "{}"}


def _event_columns(row):
    """Events of a text are told by their lines, those of a compact trace by their numbers."""
    compact = any(event["line"] is None for event in row.worst)
    return ("event" if compact else "line", *EVENT_COLUMNS)


def _event(event, row):
    cells = []
    for name in _event_columns(row):
        value = event.get(name)
        shown = "–" if value is None else EVENT_FORMS.get(name, "{:,}").format(value)
        cells.append(element("td", text(shown), data_name=name.replace("_", " "),
                             data_value="" if value is None else json.dumps(value)))
    why = element("td", text(said.explain(event, row)), class_="why")
    return element("tr", "".join(cells) + why)


def _events_of(row, names):
    head = "".join(element("th", name.replace("_", " "), scope="col")
                   for name in (*_event_columns(row), "what happened"))
    body = "".join(_event(event, row) for event in row.worst)
    worst = row.worst[0]
    summary = (f"{swatch(row.algorithm, names)}{element('b', text(row.algorithm))} "
               f"<span>{worst['ns']:,.0f} ns, {text(worst['command'])} of "
               f"{worst['size']:,} bytes in {said.place(worst)}</span>")
    table = element("table", element("thead", element("tr", head)) + element("tbody", body),
                    class_="events")
    return element("details", element("summary", summary) +
                   scrolling(table, f"Worst events of {row.algorithm}"),
                   data_algorithm=row.algorithm)


def worst_events(run, names):
    known = sorted((row for row in run.passed if row.worst),
                   key=lambda row: row.worst[0]["ns"])
    if not known:
        return element("p", "No times were taken.", class_="note")
    return "".join(_events_of(row, names) for row in known)


# ---- the head of the page

def tiles(run):
    found = [said.verdict(question, run.contestants) for question in said.QUESTIONS]
    return "".join(element("div", element("h3", text(one.question.heading)) +
                           element("p", text(one.first.algorithm), class_="winner") +
                           element("p", text(one.text())) +
                           element("p", text(one.certainty), class_="certainty"),
                           class_="tile", data_question=one.question.name)
                   for one in found if one is not None)


def _with_strong_name(found, sentence):
    name = found.first.algorithm
    return element("strong", text(name)) + text(sentence[len(name):])


def answer(comparison):
    run = comparison.main
    where = text(results.label(run.trace, run.page_size))
    others = [other for other in comparison.runs if other is not run]
    found = [said.verdict(question, run.contestants) for question in said.QUESTIONS]
    if not any(found):
        return f"No algorithm passed on {where}: there is nothing to compare."
    body = " ".join(_with_strong_name(one, said.sentences(one, others)) for one in found if one)
    return f"On {where} ({counted_events(run)}): {body}"


def counted_events(run):
    return f"{run.events:,} {'event' if run.events == 1 else 'events'}"


def _leader_rows(comparison, runs):
    head = element("th", "workload", scope="col") + "".join(
        element("th", text(question.heading), scope="col") for question in said.QUESTIONS)
    body = ""
    for run in runs:
        number = comparison.runs.index(run)
        link = element("a", text(results.label(run.trace, run.page_size)),
                       href=f"#run-{number}", data_run=number)
        cells = element("th", link, scope="row")
        for question in said.QUESTIONS:
            one = said.verdict(question, run.contestants)
            cells += element("td", "–" if one is None else
                             f"{element('b', text(one.first.algorithm))} {text(one.text())}"
                             f"<br>{element('small', text(one.certainty))}")
        body += element("tr", cells)
    return element("table", element("thead", element("tr", head)) + element("tbody", body),
                   class_="leaders")


def leaders(comparison):
    """Who is first on each workload: also the way to its section."""
    found = ""
    for recorded, title in ((False, "Who is ahead on each workload"),
                            (True, "Who is ahead on each recorded trace")):
        runs = [run for run in comparison.runs if run.recorded == recorded]
        if runs:
            table = scrolling(_leader_rows(comparison, runs), title)
            found += element("details", element("summary", title) + table, class_="ahead",
                             open="")
    return found


def recording(run):
    """What the trace says of how it came about."""
    if not run.recorded:
        return ""
    about = run.facts["about"]
    parts = [f"Recorded{' in the kernel' if about.get('origin') == 'kernel' else ''}"]
    parts += [about["command"]] if about.get("command") else []
    system = " ".join(about[key] for key in ("system", "machine") if about.get(key))
    parts += [part for part in (system, about.get("recorded", "").replace("T", " ")) if part]
    lost = run.facts["lost"]
    parts += [f"{counted(lost, 'event')} lost"] if lost else []
    return element("p", text(": ".join(parts[:2]) + "".join(f"; {part}" for part in parts[2:]) +
                             "."), class_="note recording")


RECORDED_METHOD = """<dt>Recorded traces</dt>
<dd>What a kernel or a program asked for while it did its work, in the same order; the time
between is left out. There are many and they are long, so their times come from fewer processes,
and their instructions are counted in sum, not for each call. """


def recorded_method(comparison):
    if not any(run.recorded for run in comparison.runs):
        return ""
    linux = any(row.kind == RECORDED for run in comparison.runs for row in run.rows)
    return RECORDED_METHOD + (text(RECORDED_NOTE) if linux else "") + "</dd>\n"


def facts(found):
    machine, build, settings = found["machine"], found["build"], found["settings"]
    memory = machine.get("memory_bytes")
    pairs = [("machine", f"{machine['cpu']}, {counted(machine['cores'], 'core')}"
              + (f", {size_text(memory)}" if memory else "")),
             ("system", machine["kernel"]),
             ("compiler", build["compiler"]),
             ("flags", build["flags"]),
             ("kma", build["version"]
              + (f", commit {build['commit']}" if build["commit"] else "")
              + (", with changes" if build["modified"] else "")),
             ("date", found["date"].replace("T", " ").replace("Z", " UTC")),
             ("passes", str(settings["passes"]))]
    return "".join(element("div", element("dt", text(name)) + element("dd", text(value)))
                   for name, value in pairs)


# ---- instructions against time

def correlation(entries):
    if not entries:
        return element("p", "No instructions were counted.", class_="note")
    head = "".join(element("th", name, scope="col") for name in
                   ("workload", "rows", "malloc", "free", "what it means"))
    body = ""
    for entry in entries:
        where = ("all together" if entry["trace"] is None
                 else results.label(entry["trace"], entry["page_size"]))
        cells = element("th", text(where), scope="row") + element("td", text(entry["rows"]))
        for call in ("malloc", "free"):
            rho = entry[call]
            cells += element("td", "–" if rho is None else f"{rho:.2f}",
                             data_value="" if rho is None else json.dumps(rho))
        body += element("tr", cells + element("td", text(said.correlation_text(entry)),
                                              class_="why"))
    table = element("table", element("thead", element("tr", head)) + element("tbody", body),
                    class_="correlation")
    return scrolling(table, "Rank correlations")
