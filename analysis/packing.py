"""The best that packers could do with the requests of a trace: what none can go below, and what
the best fit reaches when it has nothing to keep but the blocks.

Blocks lie as kma.h has them: each begins at a multiple of 8 bytes, so it takes its size rounded
up to one, and lies within a page. What a request is over the largest size is not served.

LowerBound. At any moment the blocks that are live lie in pages without overlap: a packing of
their sizes into bins of a page. No packing takes fewer bins than the bound L2 of Martello and
Toth (Lower bounds and reduction procedures for the bin packing problem, 1990), so no packer
holds fewer pages, whatever it knows of the future and even if it may move blocks at will:

- a block larger than half a page shares its page with no other such block: count these;
- for a size K up to half a page, the blocks from K to half a page lie in what such large
  blocks leave of their pages, where that is K or more, and otherwise in further pages. What
  of their bytes exceeds that room needs so many pages more; blocks smaller than K are left
  out, which makes the need smaller, never larger.

The bound is the most over all K; smallest K gives ceil(live bytes / page size), or more. A
weight is put at each size: of a block up to half a page its size, at that size; of a larger
one the negative of what it leaves of its page, at that. Then the excess for K is the sum of
the weights from K on, and a tree over the sizes that keeps sums and the largest sum of an end
piece tells the most over all K after a change in a step for each of its levels.

Runs of pages (get_pages) are left out: in a run a block may lie across pages, and of blocks
in long runs no more is known than ceil(live bytes / page size), the driver's `ideal`.

BestFit. A packer that moves nothing and keeps no data in pages: a request takes the smallest
free extent anywhere in the pages held, of several the one in the lowest page, there the first;
a freed block joins what is free beside it in its page; a page in which nothing is live goes
back, and the lowest page that is not held is the next one got. It is no bound: a packer that
chooses otherwise, or knows what comes, can do with less.
"""

import bisect
import dataclasses
import heapq

import ktr

GRAIN = 8  # bytes; what every block's address is a multiple of


def _units(size):
    return -(-size // GRAIN)


class LowerBound:
    """Pages that the live blocks need, after blocks come and go. Sizes in units of a grain."""

    def __init__(self, page):
        self.page = page
        self.large = 0  # blocks of more than half a page
        self.leaves = 1 << (page // 2).bit_length()
        self.sums = [0] * (2 * self.leaves)   # by node: of the weights below it
        self.most = [0] * (2 * self.leaves)   # the largest sum of an end piece, 0 for none

    def change(self, size, count):
        """`count` is 1 for a block that comes and -1 for one that goes."""
        place = weight = size
        if 2 * size > self.page:
            self.large += count
            place = self.page - size
            weight = -place
        sums, most = self.sums, self.most
        node = self.leaves + place
        weight *= count
        sums[node] += weight
        most[node] = sums[node] if sums[node] > 0 else 0
        node >>= 1
        while node:
            right = 2 * node + 1
            sums[node] += weight
            ends_left = most[right - 1] + sums[right]
            most[node] = ends_left if ends_left > most[right] else most[right]
            node >>= 1

    @property
    def pages(self):
        return self.large + -(-self.most[1] // self.page)


class BestFit:
    """A free extent is a number: its length above, the address of its start below; so the
    least one that is long enough is the first of that length, in the lowest page."""

    ADDRESS_BITS = 40

    def __init__(self, page):
        self.page = page
        self.pages = 0          # held
        self.extents = []       # sorted
        self.end_of = {}        # of the extent that starts there
        self.start_of = {}      # of the extent that ends there
        self.returned = []      # pages below the highest that was held, a heap
        self.beyond = 0         # the page above that

    def _add(self, start, end):
        bisect.insort(self.extents, end - start << self.ADDRESS_BITS | start)
        self.end_of[start] = end
        self.start_of[end] = start

    def _remove(self, start, end):
        del self.extents[bisect.bisect_left(self.extents,
                                            end - start << self.ADDRESS_BITS | start)]
        del self.end_of[start], self.start_of[end]

    def _get_page(self):
        self.pages += 1
        if self.returned:
            return heapq.heappop(self.returned)
        self.beyond += 1
        return self.beyond - 1

    def take(self, size):
        """The address of a new block."""
        at = bisect.bisect_left(self.extents, size << self.ADDRESS_BITS)
        if at < len(self.extents):
            start = self.extents[at] & (1 << self.ADDRESS_BITS) - 1
            end = self.end_of[start]
            self._remove(start, end)
        else:
            start = self._get_page() * self.page
            end = start + self.page
        if start + size < end:
            self._add(start + size, end)
        return start

    def give_back(self, start, size):
        end = start + size
        if start % self.page and start in self.start_of:
            before = self.start_of[start]
            self._remove(before, start)
            start = before
        if end % self.page and end in self.end_of:
            after = self.end_of[end]
            self._remove(end, after)
            end = after
        if end - start == self.page:
            self.pages -= 1
            heapq.heappush(self.returned, start // self.page)
        else:
            self._add(start, end)


class Penalty:
    """Mean of (page bytes - requested) / requested over the moments with something live."""

    def __init__(self, page_size):
        self.page_size = page_size
        self.moments = 0
        self.sum = 0.0

    def note(self, pages, requested):
        self.moments += 1
        self.sum += (pages * self.page_size - requested) / requested

    @property
    def mean(self):
        return self.sum / self.moments if self.moments else 0.0


@dataclasses.dataclass(frozen=True)
class Packing:
    """Penalties."""
    lower_bound: float
    best_fit: float


def pages_needed(path, page_size, largest):
    """(requested bytes, pages of the lower bound, pages of the best fit) after each event.
    A block over the largest size is not served."""
    page = page_size // GRAIN
    bound, fit = LowerBound(page), BestFit(page)
    live, requested = {}, 0
    for size, slot in ktr.events(path):
        if size == 0:
            size, units, start = live.pop(slot)
            if size:
                bound.change(units, -1)
                fit.give_back(start, units)
                requested -= size
        elif size <= largest:
            units = _units(size)
            bound.change(units, 1)
            live[slot] = size, units, fit.take(units)
            requested += size
        else:
            live[slot] = 0, 0, 0
        yield requested, bound.pages, fit.pages


def pack(path, page_size, word):
    """Of a trace, with `word` bytes in a pointer: kma.h serves up to a page less a pointer."""
    bound, fit = Penalty(page_size), Penalty(page_size)
    for requested, least, reached in pages_needed(path, page_size, page_size - word):
        if requested > 0:
            bound.note(least, requested)
            fit.note(reached, requested)
    return Packing(bound.mean, fit.mean)
