"""What the literature says of these algorithms, and how each claim is judged.

A claim is judged from counts and memory alone, which are the same on every run; the
reason says what in this suite makes a claim hold or fail.
"""

import dataclasses
import statistics
import typing

HOLDS, IN_PART, FAILS = "holds", "holds in part", "does not hold here"
NOT_MEASURED = "not measured"

LEAST_BUDDY_BLOCK = 32  # bytes; kma_buddy.h

# A workload of less is a matter of a page more or fewer.
LEAST_PEAK_PAGES = 10


@dataclasses.dataclass
class Judgement:
    heading: list
    rows: list
    verdict: str
    short: str   # what was measured, in a line
    reason: str


@dataclasses.dataclass(frozen=True)
class Claim:
    key: str
    title: str
    source: tuple           # (authors and year, all that is printed)
    says: str
    algorithms: tuple
    judge: typing.Callable  # of Evidence
    races: tuple = ()       # (ours, theirs): times that are shown beside
    steady: tuple = ("",)   # of the steady states those whose name has one of these in it

    def wants(self, workload):
        return workload.live == 0 or any(part in workload.name for part in self.steady)


class Evidence:
    """The facts a claim asked for."""

    def __init__(self, claim, workloads, facts):
        self.workloads = [workload for workload in workloads if claim.wants(workload)]
        self.facts = facts

    def of(self, algorithm, workload):
        return self.facts[algorithm, workload.name]

    def each(self, *algorithms):
        """(workload, facts of each algorithm)"""
        for workload in self.workloads:
            yield (workload, *(self.of(algorithm, workload) for algorithm in algorithms))

    def longest_trace(self):
        traces = [workload for workload in self.workloads if workload.live == 0]
        return max(traces, key=lambda workload: self.of(self.anyone, workload).calls)

    @property
    def anyone(self):
        return next(iter(self.facts))[0]


def verdict_of(held):
    return HOLDS if all(held) else IN_PART if any(held) else FAILS


def listed(words):
    words = [str(word) for word in words]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# A third more calls in the same time.
A_THIRD_FASTER = 1 / 1.33


def judge_lazy(evidence):
    rows, ratios = [], {}
    for workload, plain, lazy in evidence.each("bud", "lzbud"):
        ratio = ratios[workload.name] = lazy.instructions / plain.instructions
        rows.append([workload.name, f"{plain.per_call:.3f}", f"{lazy.per_call:.3f}",
                     f"{plain.instructions:.1f}", f"{lazy.instructions:.1f}", f"{ratio:.2f}"])
    missed = [name for name, ratio in ratios.items() if ratio > A_THIRD_FASTER]
    longest = evidence.longest_trace()
    plain, lazy = evidence.of("bud", longest), evidence.of("lzbud", longest)
    reason = (f"Instructions decide; a third faster is a ratio of at most {A_THIRD_FASTER:.2f}. "
              f"On {longest.name} the buddy system splits and joins only {plain.per_call:.3f} "
              "times a call, since a free list mostly has a block of the order, and that is all "
              "that laziness was meant to save. It saves more: a block that is kept needs no "
              "change of the page's bitmap and no look at its buddy.")
    if missed:
        reason += (f" Not a third faster: {listed(missed)}. Where a trace empties, or few blocks "
                   "are live, a class has little slack: frees join as in the buddy system, and "
                   "the counts of the classes are kept on top of it.")
    return Judgement(
        ["workload", "splits + joins a call: bud", "lzbud", "instructions a call: bud", "lzbud",
         "ratio"], rows, verdict_of([name not in missed for name in ratios]),
        f"{min(ratios.values()):.2f} to {max(ratios.values()):.2f} of the instructions a call, "
        f"{ratios[longest.name]:.2f} on {longest.name}; a third faster on "
        f"{len(ratios) - len(missed)} of {len(ratios)} workloads", reason)


def judge_bound(evidence):
    page_size = evidence.of("lzbud", evidence.workloads[0]).summary["page_size"]
    orders = (page_size // LEAST_BUDDY_BLOCK).bit_length() - 1
    rows, joins, removals = [], [], []
    for workload, plain, lazy in evidence.each("bud", "lzbud"):
        joins.append(lazy.most_joins)
        removals.append(lazy.most_steps)
        rows.append([workload.name, str(plain.most_joins), str(lazy.most_joins),
                     str(2 * orders), str(lazy.most_steps)])
    return Judgement(
        ["workload", "most joins of a free: bud", "lzbud", "bound", "list removals: lzbud"], rows,
        verdict_of([most <= 2 * orders for most in joins]),
        f"at most {max(joins)} joins in a free, bound 2 x {orders}",
        f"Two joins for each of the {orders} classes below a page of {page_size} bytes: a free "
        "runs at most two chains. What the paper does not have: here a page without allocated "
        f"blocks is taken apart and given back. That took up to {max(removals)} list removals in "
        f"one free, and could take {page_size // LEAST_BUDDY_BLOCK}, though no join.")


def judge_exact_fit(evidence):
    powers = next(workload for workload in evidence.workloads if workload.live)
    rows = []
    for name in ("p2fl", "mck2"):
        facts = evidence.of(name, powers)
        rows.append([name, f"{facts.block_bytes:.3f}", f"{facts.waste('internal'):.1%}",
                     f"{facts.utilization:.3f}", str(facts.summary["pages"]["peak"])])
    header, none = evidence.of("p2fl", powers), evidence.of("mck2", powers)
    longest = evidence.longest_trace()
    return Judgement(
        [powers.name, "block bytes for a byte requested", "internal waste", "utilization mean",
         "peak pages"], rows,
        verdict_of([none.block_bytes == 1, header.block_bytes >= 1.9]),
        f"powers of two: {none.block_bytes:.2f} block bytes a byte, with a header "
        f"{header.block_bytes:.2f}",
        "A request of a power of two and a header are just too much for that power: the block "
        "is twice as large. For sizes that are spread evenly the header hardly matters: "
        f"{evidence.of('p2fl', longest).block_bytes:.3f} against "
        f"{evidence.of('mck2', longest).block_bytes:.3f} on {longest.name}.")


def judge_faster_than_first_fit(evidence):
    rows, ratios = [], {}
    for workload, first_fit, mck2 in evidence.each("rm", "mck2"):
        ratio = ratios[workload.name] = mck2.instructions / first_fit.instructions
        rows.append([workload.name, f"{first_fit.steps_per_call:.2f}",
                     f"{mck2.steps_per_call:.2f}", f"{first_fit.instructions:.1f}",
                     f"{mck2.instructions:.1f}", f"{ratio:.2f}"])
    longest = evidence.longest_trace()
    return Judgement(
        ["workload", "steps a call: rm", "mck2", "instructions a call: rm", "mck2", "ratio"],
        rows, verdict_of([ratio < 1 for ratio in ratios.values()]),
        f"{min(ratios.values()):.2f} to {max(ratios.values()):.2f} of the instructions a call, "
        f"{ratios[longest.name]:.2f} on {longest.name}",
        "Taking the first buffer of a list against finding a hole that is large enough. First "
        "fit here descends a tree, of two or three levels; a list as of old would be walked for "
        "longer.")


def judge_utilization(evidence):
    names = ("rm", "bud", "p2fl")
    rows, held, unordered = [], [], {"mean": [], "at peak": []}
    for workload, *facts in evidence.each(*names):
        if facts[0].summary["pages"]["peak"] < LEAST_PEAK_PAGES:
            continue
        figures = {"mean": [one.utilization for one in facts],
                   "at peak": [one.summary["utilization_at_peak"] for one in facts]}
        rows.append([workload.name] + [f"{value:.3f}" for values in figures.values()
                                       for value in values])
        for moment, values in figures.items():
            held.append(values[0] > values[1] > values[2])
            if not held[-1]:
                unordered[moment].append(workload.name)
    short = "; ".join(f"{moment}: "
                      + (f"another order on {listed(found)}" if found else "in that order")
                      for moment, found in unordered.items())
    return Judgement(
        ["workload", "mean: rm", "bud", "p2fl", "at peak: rm", "bud", "p2fl"], rows,
        verdict_of(held), short,
        "A resource map wastes nothing within blocks. Power-of-two lists and buddies round "
        "alike, and lose about the same in blocks, up to a half on sizes that a header doubles; "
        "they differ in what lies idle. The power-of-two lists of the book keep their memory "
        "for ever; here they give a page back when it is empty, and a page of one size empties "
        "sooner than one that a single small block holds for all sizes. So over a trace that "
        "also shrinks they draw level with the buddy system. Powers of two fit a buddy exactly, "
        "and there the buddy system is best: the resource map keeps a word in each page, so "
        "that two blocks of half a page do not share one.")


def variation(path):
    """The sizes' standard deviation in parts of their mean."""
    with open(path, encoding="ascii") as file:
        sizes = [int(line.split()[2]) for line in file if line.startswith("REQUEST")]
    return statistics.pstdev(sizes) / statistics.fmean(sizes)


# "Within 1 to 3 percent", and the coefficient of variation from which first fit is better.
CLOSE, MUCH_VARIATION = 0.03, 1.0


def judge_fits(evidence):
    rows, close, foretold, apart = [], [], [], []
    for workload, first, best in evidence.each("rm", "rm_best"):
        if first.summary["pages"]["peak"] < LEAST_PEAK_PAGES:
            continue
        varies = variation(workload.path)
        expected = "first fit" if varies >= MUCH_VARIATION else "best fit"
        better = "first fit" if first.utilization > best.utilization else "best fit"
        difference = first.utilization / best.utilization - 1
        apart.append(abs(difference))
        close.append(abs(difference) <= CLOSE)
        foretold.append(expected == better)
        rows.append([workload.name, f"{varies:.2f}", expected, better,
                     f"{first.utilization:.3f}", f"{best.utilization:.3f}", f"{difference:+.1%}"])
    return Judgement(
        ["workload", "variation", "better, by the paper", "here", "utilization: first fit",
         "best fit", "first over best"], rows, verdict_of(close + foretold),
        f"{sum(close)} of {len(close)} workloads within {CLOSE:.0%}, at most {max(apart):.0%} "
        f"apart; the better one as foretold on {sum(foretold)} of {len(foretold)}",
        "The paper explains first fit's lead, where sizes vary much, by the large holes that it "
        "lets grow at the far end of one large memory. Here no hole crosses a page, so there is "
        "no such gain, while best fit spares the few holes that are nearly a page. What remains "
        "to first fit is that its high pages drain, which counts where a trace empties.")


BARKLEY_LEE = ("Barkley and Lee 1989",
               'R. E. Barkley and T. P. Lee, "A Lazy Buddy System Bounded by Two Coalescing '
               'Delays per Class", SOSP 1989')
MCKUSICK_KARELS = ("McKusick and Karels 1988",
                   'M. K. McKusick and M. J. Karels, "Design of a General Purpose Memory '
                   'Allocator for the 4.3BSD UNIX Kernel", USENIX Summer 1988')
VAHALIA = ("Vahalia 1996",
           "U. Vahalia, UNIX Internals: The New Frontiers, Prentice Hall 1996, chapter 12")
SHORE = ("Shore 1975",
         'J. E. Shore, "On the External Storage Fragmentation Produced by First-Fit and '
         'Best-Fit Allocation Strategies", CACM 18(8), 1975')

CLAIMS = [
    Claim("lazy-faster", "The lazy buddy system is faster", BARKLEY_LEE,
          "DELAY-2 is about 33 % faster than the standard buddy system.",
          ("bud", "lzbud"), judge_lazy, races=(("lzbud", "bud"),)),
    Claim("lazy-bound", "Two coalescing delays per class", BARKLEY_LEE,
          "The time of a free is bounded by two coalescing delays per class.",
          ("bud", "lzbud"), judge_bound),
    Claim("mck-exact", "Powers of two fit exactly", MCKUSICK_KARELS,
          "A block has no header, so a request of a power of two takes just that.",
          ("p2fl", "mck2"), judge_exact_fit, steady=("powers",)),
    Claim("mck-faster", "McKusick-Karels is faster than first fit", MCKUSICK_KARELS,
          "Taking a buffer from a list of its power of two is quicker than first fit.",
          ("rm", "mck2"), judge_faster_than_first_fit, races=(("mck2", "rm"),),
          steady=("powers",)),
    Claim("utilization", "Who uses memory best", VAHALIA,
          "The resource map uses memory best and power-of-two free lists worst, which may waste "
          "half of it; the buddy system lies between.",
          ("rm", "bud", "p2fl"), judge_utilization, steady=("1,024", "powers")),
    Claim("fits", "First fit and best fit", SHORE,
          "The two are mostly within 1 to 3 percent of each other; first fit is the better one "
          "when the sizes' standard deviation is about their mean or more, else best fit.",
          ("rm", "rm_best"), judge_fits, steady=("1,024",)),
]
