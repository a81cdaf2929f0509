"""Operations on tensors as flat arrays and back; what was not written so is refused, whatever it is."""

import json
import random

import numpy as np
import pytest

from symdiff.errors import StorageError
from symdiff.ir.graph import Graph
from symdiff.ir.stored import flatten, unflatten
from symdiff.ir.verify import verify
from symdiff.ops import indexing
from tests.ops.tensor_cases import CASES, TABLE, identify, operands_of


def built(case):
    name, shapes, payload = case
    graph, args = Graph(), []
    for k, array in enumerate(operands_of(name, shapes)):
        if array.dtype.kind == "i":
            args.append(indexing.integer_array(graph, array))
        else:
            args.append(graph.input("abc"[k], array.shape, "bool" if array.dtype == bool else None))
    return graph, graph.add(name, tuple(args), payload)


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_every_tensor_operation_comes_back(case):
    graph, root = built(case)
    description, data, place = flatten(graph, [root])
    back, ids = unflatten(json.loads(json.dumps(description)), memoryview(data), graph.dtype)
    verify(back)
    for node, k in place.items():
        new = ids[k]
        assert back.ops[new] is graph.ops[node]
        assert back.types[new] == graph.types[node]
        if graph.ops[node].name != "constant":
            assert back.payloads[new] == graph.payloads[node]
            assert type(back.payloads[new]) is type(graph.payloads[node])
    assert flatten(back, [ids[place[root]]])[:2] == (description, data)


@pytest.mark.parametrize("values", [[1, -2, 3], 7, np.zeros((0, 2), int), [2**62, -(2**62)]])
def test_indices_stay_integers(values):
    graph = Graph()
    node = indexing.integer_array(graph, values)
    description, data, _ = flatten(graph, [node])
    back, ids = unflatten(json.loads(json.dumps(description)), memoryview(data), graph.dtype)
    kept = back.payloads[ids[0]]
    assert kept.dtype == np.int64
    np.testing.assert_array_equal(kept, np.asarray(values))
    assert str(back.types[ids[0]]).startswith("int64")
    assert indexing.integer_array(back, values) == ids[0]


JUNK = [
    None, True, False, -1, 0, 1, 2, 3, 33, 2**40, 0.5, "a", "", [], [0], [1, 0], [[0], [0]], [0, True], [0, False],
    [[], 0], [[3], 0], [[[0], [0]], []], [[[0, 1], [1]], [0]], [True, False], [[2**40], 0], [0, 2**40], [-1, True], {},
    [[[0]] * 3, [0]], [[[300], [300]], []], ["m", 0], [["m"], 0], [0, -1], [5, 6],
]  # fmt: skip


@pytest.mark.parametrize("name", [n for n in TABLE if any(c[2] is not None for c in CASES if c[0] == n)])
def test_other_contents_are_refused_or_fit(name):
    for case in [c for c in CASES if c[0] == name][:4]:
        graph, root = built(case)
        description, data, _ = flatten(graph, [root])
        for junk in JUNK:
            changed = json.loads(json.dumps(description))
            changed["payloads"][-1] = junk
            try:
                back, _ = unflatten(changed, memoryview(data), graph.dtype)
            except StorageError:
                continue
            verify(back)


def test_random_damage_is_refused_or_fits():
    choose = random.Random(3)
    for case in CASES:
        graph, root = built(case)
        description, data, _ = flatten(graph, [root])
        for _ in range(20):
            damaged = bytearray(data)
            damaged[choose.randrange(len(data))] = choose.randrange(256)
            changed = json.loads(json.dumps(description))
            tags = changed["operations"]
            tags[choose.randrange(len(tags))] = choose.choice([*TABLE, "add", "sin"])
            try:
                back, _ = unflatten(changed, memoryview(bytes(damaged)), graph.dtype)
            except StorageError:
                continue
            verify(back)
