"""Which of several allocators really differ, from figures of the same seeds.

Two are compared by the signed-rank test (Wilcoxon, "Individual comparisons by ranking methods",
1945): the differences, seed by seed, are ranked by size; were the two the same, each could as
well have the other sign. It asks nothing else of the figures, in particular no normal law.

Of many comparisons some would differ by chance, so the p values of a family are corrected
(Holm, "A simple sequentially rejective multiple test procedure", 1979): the chance that any
difference is called real which is not is at most the level. The outcome is told by letters
(Piepho, "An algorithm for a letter-based representation of all-pairwise comparisons", 2004).
"""

import dataclasses
import functools
import itertools
import math
import string

# So many differences are tested by all their signs; of more, the normal law is close enough.
EXACT = 100

LETTERS = string.ascii_letters


@dataclasses.dataclass(frozen=True)
class SignedRank:
    differences: int  # that are not zero
    zeros: int        # dropped, as Wilcoxon did
    positive: float   # the sum of the ranks of what is above zero
    negative: float
    p: float          # two-sided

    @property
    def statistic(self):
        """As tables of critical values have it."""
        return min(self.positive, self.negative)


def doubled_ranks(ordered):
    """Of values that rise, from 2 and twice as high as usual: equal values share the mean of
    their ranks, and that is a whole number so."""
    ranks = []
    for _, equal in itertools.groupby(ordered):
        first, count = len(ranks) + 1, sum(1 for _ in equal)
        ranks += [2 * first + count - 1] * count
    return tuple(ranks)


@functools.lru_cache(maxsize=64)
def _sign_counts(ranks):
    """For each sum, how many of the 2^n choices of signs give the positive ranks this sum: the
    coefficients of the product of all 1 + x^rank. The polynomial is one number, n + 1 bits for
    a coefficient, as no coefficient and no sum of them is above 2^n."""
    bits = len(ranks) + 1
    product = 1
    for rank in ranks:
        product += product << (rank * bits)
    return product


def _exact_p(ranks, least):
    bits = len(ranks) + 1
    tail = _sign_counts(ranks) & ((1 << (least + 1) * bits) - 1)
    # 2^bits is 1 modulo 2^bits - 1: what is left of the number is the sum of its coefficients.
    choices = tail % ((1 << bits) - 1)
    return min(1.0, 2 * choices / 2 ** len(ranks))


def _normal_p(ranks, least):
    """With the correction for continuity. That for ties is in the variance: a sum of the squares
    of the ranks that are there, not of 1 to n."""
    middle = sum(ranks) / 4
    deviation = math.sqrt(sum(rank * rank for rank in ranks)) / 4
    distance = max(0.0, middle - least / 2 - 0.5)
    return math.erfc(distance / deviation / math.sqrt(2))


def signed_rank(differences):
    """Are the differences of pairs as often and as far above zero as below?"""
    ordered = sorted((value for value in differences if value), key=abs)
    zeros = len(differences) - len(ordered)
    if not ordered:
        return SignedRank(0, zeros, 0.0, 0.0, 1.0)
    ranks = doubled_ranks(map(abs, ordered))
    positive = sum(rank for rank, value in zip(ranks, ordered) if value > 0)
    negative = sum(ranks) - positive
    test = _exact_p if len(ranks) <= EXACT else _normal_p
    return SignedRank(len(ranks), zeros, positive / 2, negative / 2,
                      test(ranks, min(positive, negative)))


def holm(p_values):
    """Adjusted, in the order given: one that is at most the level is called real."""
    adjusted, least = [0.0] * len(p_values), 0.0
    ranked = sorted(range(len(p_values)), key=p_values.__getitem__)
    for left, number in zip(range(len(p_values), 0, -1), ranked):
        least = max(least, min(1.0, left * p_values[number]))
        adjusted[number] = least
    return adjusted


def least_pairs(comparisons, level):
    """So many seeds it takes until any of the comparisons can be called real: with all
    differences of one sign, which is as clear as it gets, p is 2 / 2^seeds."""
    seeds = 1
    while max(1, comparisons) * 2 / 2 ** seeds > level:
        seeds += 1
    return seeds


def _without_parts(columns):
    """Those that lie within no other one, each once."""
    kept = []
    for column in sorted(columns, key=int.bit_count, reverse=True):
        if not any(column & other == column for other in kept):
            kept.append(column)
    return kept


def letter_columns(count, different):
    """The groups of 0 ... count - 1 of which no two differ, none within another, by their
    members: `different` has the pairs that do. This is Piepho's insert and absorb: whatever
    group has both of a pair is replaced by two, each without one of them."""
    columns = [(1 << count) - 1] if count else []  # a bit for each member
    for pair in different:
        one, other = (1 << number for number in pair)
        both = [column for column in columns if column & one and column & other]
        halves = {column & ~member for column in both for member in (one, other)}
        if both:
            columns = _without_parts([*set(columns).difference(both), *halves])
    return sorted([number for number in range(count) if column >> number & 1]
                  for column in columns)


def letters(count, different):
    """For each of 0 ... count - 1 its letters, a list: two that share none differ, all others
    are not told apart."""
    found = [[] for _ in range(count)]
    for position, members in enumerate(letter_columns(count, different)):
        letter = LETTERS[position] if position < len(LETTERS) else f"({position + 1})"
        for number in members:
            found[number].append(letter)
    return found
