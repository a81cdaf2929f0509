"""The order in which the operands of a product of many tensors are contracted, two at a time.

Few operands: dynamic programming over sets of them (Pfeifer, Haegeman and Verstraete, "Faster identification of optimal
contraction sequences for tensor networks", 2014). Many: the greedy choice of opt_einsum (Smith and Gray, 2018).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from symdiff.optimize.planning.gemm import Labels, count_elements

MOST_EXACT = 8
"""Up to so many operands the best order is found by looking at all of them."""

Path = list[tuple[int, int]]
"""Pairs of positions; operands are numbered as given, and each result gets the next number."""


def find_path(operands: Sequence[Labels], output: Labels, sizes: Mapping[int, int]) -> Path:
    """The order with the fewest floating-point operations among those whose arrays are no larger than needed.

    No array may be larger than the largest operand or the result, unless every order has a larger one.
    """
    if len(operands) < 3:
        return written_path(len(operands))
    if len(operands) > MOST_EXACT:
        return _greedy(operands, output, sizes)
    largest = max(count_elements(labels, sizes) for labels in (*operands, output))
    return _exact(operands, output, sizes, largest) or _exact(operands, output, sizes, None)


def written_path(operands: int) -> Path:
    """From left to right."""
    path: Path = []
    last = 0
    for k in range(1, operands):
        path.append((last, k))
        last = operands + k - 1
    return path


def _exact(operands: Sequence[Labels], output: Labels, sizes: Mapping[int, int], largest: int | None) -> Path:
    """By dynamic programming over the sets of operands; empty where no order keeps to `largest`."""
    number = len(operands)
    everything = (1 << number) - 1
    inside = [frozenset[int]()] * (everything + 1)
    for k, labels in enumerate(operands):
        inside[1 << k] = frozenset(labels)
    for group in range(1, everything + 1):
        low = group & -group
        inside[group] = inside[low] | inside[group ^ low]
    wanted = frozenset(output)
    kept = [inside[group] & (wanted | inside[everything ^ group]) for group in range(everything + 1)]
    elements = [count_elements(labels, sizes) for labels in kept]
    last = {1 << k: labels[-1] for k, labels in enumerate(operands) if len(labels) > 1}
    # A set's best: floating-point operations, elements of all arrays on the way, how many operands are summed down
    # their columns, and its last step's first half.
    best: dict[int, tuple[int, int, int, int]] = {1 << k: (0, 0, 0, 0) for k in range(number)}
    for group in range(1, everything + 1):
        if group in best or (largest is not None and elements[group] > largest):
            continue
        low = group & -group
        found: tuple[int, int, int, int] | None = None
        half = group
        while half:
            half = (half - 1) & group
            if not half & low or half not in best or group ^ half not in best:
                continue
            one, other = best[half], best[group ^ half]
            both = kept[half] | kept[group ^ half]
            work, down = count_elements(both, sizes), one[2] + other[2]
            if both != kept[group]:
                work *= 2
                down += sum(last.get(part) in kept[group] for part in (half, group ^ half))
            trial = one[0] + other[0] + work, one[1] + other[1] + elements[group], down, half
            if found is None or trial[:3] < found[:3]:
                found = trial
        if found is not None:
            best[group] = found
    if everything not in best:
        return []
    path: Path = []
    done: dict[int, int] = {1 << k: k for k in range(number)}
    stack = [everything]
    while stack:
        group = stack[-1]
        if group in done:
            stack.pop()
            continue
        half = best[group][3]
        parts = [part for part in (group ^ half, half) if part not in done]
        if parts:
            stack += parts
            continue
        done[group] = number + len(path)
        path.append((done[half], done[group ^ half]))
    return path


def _greedy(operands: Sequence[Labels], output: Labels, sizes: Mapping[int, int]) -> Path:
    """Always the pair of neighbours whose product is smallest compared with the two."""
    current: dict[int, frozenset[int]] = {k: frozenset(labels) for k, labels in enumerate(operands)}
    users: dict[int, set[int]] = {}
    for k, labels in current.items():
        for label in labels:
            users.setdefault(label, set()).add(k)
    wanted = frozenset(output)
    heap: list[tuple[int, int, int, int]] = []

    def product(one: int, other: int) -> frozenset[int]:
        both = current[one] | current[other]
        return frozenset(x for x in both if x in wanted or len(users[x] - {one, other}) > 0)

    def propose(one: int, other: int) -> None:
        one, other = min(one, other), max(one, other)
        made = count_elements(product(one, other), sizes)
        freed = count_elements(current[one], sizes) + count_elements(current[other], sizes)
        heapq.heappush(heap, (made - freed, count_elements(current[one] | current[other], sizes), one, other))

    for k in range(len(operands)):
        for other in sorted({u for label in current[k] for u in users[label] if u > k}):
            propose(k, other)
    path: Path = []
    new = len(operands)
    while len(current) > 1:
        while heap:
            _, _, one, other = heapq.heappop(heap)
            if one in current and other in current:
                break
        else:  # nothing shares a label with anything: outer products, the smallest first
            one, other = sorted(current, key=lambda k: (count_elements(current[k], sizes), k))[:2]
        labels = product(one, other)
        for k in (one, other):
            for label in current.pop(k):
                users[label].discard(k)
        current[new] = labels
        for label in labels:
            users[label].add(new)
        path.append((one, other))
        for neighbour in sorted({u for label in labels for u in users[label] if u != new}):
            propose(neighbour, new)
        new += 1
    return path
