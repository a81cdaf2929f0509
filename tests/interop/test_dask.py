"""Dask: sums over shards on real workers, some of which are killed, and functions of lazy arrays."""

import contextlib
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from scipy.optimize import minimize

import symdiff as sd

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

from symdiff.interop import sharded  # noqa: E402
from symdiff.interop.dask import map_blocks, sum_over  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("default")]  # of the libraries

DECAY = "decay(p[3], x[n], y[n]) = sum((y - p[0]*exp(-p[1]*x**2) - p[2])**2)"
GIVEN = "f(p, x[n]) = sum((x - p)**2)"
POINT = np.array([1.0, 0.5, 0.1])
METHODS = ["value", "gradient", "value_and_grad", "hessian", "hvp"]


def data(count, rows=50):
    rng = np.random.default_rng(0)
    return [(rng.normal(size=rows + k % 2), rng.normal(size=rows + k % 2)) for k in range(count)]


def start(processes, workers=2):
    cluster = distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=processes, dashboard_address=":0", silence_logs=50
    )
    return cluster, distributed.Client(cluster)


@pytest.fixture(scope="module")
def client():
    cluster, made = start(processes=False, workers=1)
    yield made
    made.close()
    cluster.close()


@pytest.fixture(scope="module")
def workers():
    cluster, made = start(processes=True)
    yield made
    made.close()
    cluster.close()


def flat(value):
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return np.concatenate([flat(v) for v in value])
    return np.ravel(value)


def tree_added(parts):
    """The order of additions that is promised."""
    while len(parts) > 1:
        parts = [sum(parts[k + 1 : k + 8], start=parts[k]) for k in range(0, len(parts), 8)]
    return parts[0]


def test_without_a_client():
    with pytest.raises(sd.ArgumentError, match="no Dask client"):
        sum_over(GIVEN, [np.ones(2)])


@pytest.mark.parametrize("what", METHODS)
@pytest.mark.parametrize("count", [1, 3, 20])
def test_sums_are_those_of_one_process_to_the_bit(client, what, count):
    shards = data(count)
    point = (POINT, np.array([1.0, -2.0, 3.0])) if what == "hvp" else (POINT,)
    f = sharded.TRANSFORMS[what](sd.function(DECAY), "p")
    wanted = tree_added([flat(f(*point, *shard)) for shard in shards])
    found = getattr(sum_over(DECAY, shards, client=client), what)(*point)
    np.testing.assert_array_equal(flat(found), wanted)


def network(p, x, y):
    return ((sd.tanh(x @ p["W"] + p["b"]) @ p["v"] - y) ** 2).sum()


def test_a_tree_of_parameters_of_a_python_function(client):
    rng = np.random.default_rng(1)
    p = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4), "v": rng.normal(size=4)}
    x, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    objective = sum_over(network, list(zip(np.split(x, 4), np.split(y, 4), strict=True)), client=client)
    value, slope = objective.value_and_grad(p)
    wanted, wanted_slope = sd.value_and_grad(sd.function(network), "p")(p, x, y)
    assert value == pytest.approx(wanted, rel=1e-12)
    assert slope.keys() == p.keys()
    for name in p:
        np.testing.assert_allclose(slope[name], wanted_slope[name], rtol=1e-11, atol=1e-11)
    product = objective.hvp(p, p)
    np.testing.assert_allclose(flat(product), flat(sd.hvp(sd.function(network), "p")(p, p, x, y)), rtol=1e-10)


@pytest.mark.parametrize(
    ("wrt", "shape"), [(None, ((2,), ())), ("b", ()), (["a", "b"], (3,)), (("b", "a"), ((), (2,))), ("a[0]", ())]
)
def test_what_derivatives_are_by(client, wrt, shape):
    f, x = "f(a[2], b, x[n]) = sum((a[0]*x - a[1])**2)*b", np.linspace(0.0, 1.0, 8)
    objective = sum_over(f, np.split(x, 2), wrt, client=client)
    found = objective.gradient(np.ones(2), 2.0)
    assert (tuple(map(np.shape, found)) if isinstance(found, tuple) else np.shape(found)) == shape
    wanted = sd.grad(f, ("a", "b") if wrt is None else wrt)(np.ones(2), 2.0, x)
    np.testing.assert_allclose(flat(found), flat(wanted), rtol=1e-13)


def test_scipy_solves_it(client):
    x = np.linspace(0.0, 2.0, 60)
    shards = list(zip(np.split(x, 3), np.split(1.5 * np.exp(-0.7 * x**2) + 0.2, 3), strict=True))
    objective = sum_over(DECAY, shards, client=client)
    for more in ({"method": "trust-ncg", "hessp": objective.hvp}, {"method": "trust-exact", "hess": objective.hessian}):
        found = minimize(objective.value_and_grad, POINT, jac=True, options={"gtol": 1e-10}, **more)
        np.testing.assert_allclose(found.x, [1.5, 0.7, 0.2], rtol=1e-6)


@pytest.mark.parametrize("kind", ["futures", "delayed", "arrays", "one array", "another's"])
def test_where_shards_come_from(client, kind):
    from dask import delayed

    x = np.arange(12.0)
    f = "f(p, x[n]) = sum((x - p)**2)" if kind == "one array" else "f(p, x[n], y[n]) = sum((x - p*y)**2)"
    pairs = [(part, 2 * part) for part in np.split(x, 3)]
    shards = {
        "futures": lambda: client.scatter(pairs),
        "delayed": lambda: [delayed(lambda a: (a, 2 * a))(part) for part in np.split(x, 3)],
        "arrays": lambda: (da.from_array(x, chunks=4), 2 * da.from_array(x, chunks=4)),
        "one array": lambda: da.from_array(x, chunks=5),
        "another's": lambda: sum_over(f, pairs, client=client).shards,
    }[kind]()
    found = sum_over(f, shards, client=client).value(1.5)
    assert found == (sd.function(f)(1.5, x) if kind == "one array" else sd.function(f)(1.5, x, 2 * x))


def test_trees_as_one_vector(client):
    rng = np.random.default_rng(3)
    p = {"v": rng.normal(size=2), "W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    x, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    objective = sum_over(network, list(zip(np.split(x, 4), np.split(y, 4), strict=True)), client=client)
    flat_one, x0 = objective.flat(p)
    again = flat_one.parameters(x0)
    assert again.keys() == p.keys()
    for name in p:
        np.testing.assert_array_equal(again[name], p[name])

    def moved(direction, step):
        return objective.value(flat_one.parameters(x0 + step * direction))

    for direction in np.eye(x0.size)[[0, 3, 9]]:
        slope = (moved(direction, 1e-6) - moved(direction, -1e-6)) / 2e-6
        assert flat_one.gradient(x0) @ direction == pytest.approx(slope, rel=1e-6)
        np.testing.assert_allclose(flat_one.hvp(x0, direction), flat_one.hessian(x0) @ direction, atol=1e-11)
    found = minimize(flat_one.value_and_grad, x0, jac=True, method="L-BFGS-B", options={"maxiter": 8})
    assert found.fun < 0.8 * flat_one(x0)
    assert flat_one.value(found.x) == objective.value(flat_one.parameters(found.x))


def test_several_parameters_as_one_vector(client):
    f, x = "f(a[2], b, x[n]) = sum((a[0]*x - a[1])**2)*b**2", np.linspace(0.0, 1.0, 8)
    flat_one, x0 = sum_over(f, np.split(x, 2), client=client).flat([1.0, 2.0], 3.0)
    np.testing.assert_array_equal(x0, [1.0, 2.0, 3.0])
    whole = sd.hessian("f(p[3], x[n]) = sum((p[0]*x - p[1])**2)*p[2]**2", "p")(x0, x)
    np.testing.assert_allclose(flat_one.hessian(x0), whole, rtol=1e-12)
    with pytest.raises(sd.ArgumentError, match="by all parameters"):
        sum_over(f, np.split(x, 2), "a", client=client).flat([1.0, 2.0], 3.0)


WRONG = {
    "no shards": (lambda: sum_over(GIVEN, []), sd.ArgumentError, "no shards"),
    "an array as a value": (lambda: sum_over("f(p[2], x[2]) = p*x", [np.ones(2)]), sd.DifferentiationError, "shape"),
    "numbers that are arrays": (
        lambda: sum_over("f(p, x) = p*x", [np.ones(2)]).gradient(1.0),
        sd.ShapeError,
        "no single number",
    ),
    "a value whose shape a call fixes": (
        lambda: sum_over(lambda p, x: p * x, [np.ones(2)]).value(1.0),
        sd.ShapeError,
        "no single number",
    ),
    "no such argument": (lambda: sum_over(GIVEN, [np.ones(2)], "q"), sd.UnknownNameError, "no argument q"),
    "too many arguments": (lambda: sum_over(GIVEN, [np.ones(2)]).value(1.0, 2.0), sd.CallError, "argument"),
    "a wrong shape": (lambda: sum_over("f(p[2], x[n]) = sum(p)*sum(x)", [np.ones(2)]).value([1.0]), sd.ShapeError, "p"),
    "data and futures": (
        lambda: sum_over(GIVEN, [np.ones(2), distributed.get_client().scatter(np.ones(2))]),
        sd.ArgumentError,
        "some shards",
    ),
    "other chunks": (
        lambda: sum_over(GIVEN, (da.ones(6, chunks=2), da.ones(6, chunks=3))),
        sd.ShapeError,
        "do not belong together",
    ),
    "a task that fails": (
        lambda: sum_over(GIVEN, [distributed.get_client().submit(lambda: 1 // 0)]).value(1.0),
        sd.ClusterError,
        "ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors(client, name):
    call, kind, text = WRONG[name]
    with pytest.raises(kind, match=text):
        call()


def test_functions_are_sent_as_formulas():
    from symdiff.interop.dask import dumps

    assert len(pickle.dumps(sharded.shipped(sd.function(DECAY), dumps))) < 1000
    assert len(pickle.dumps(sharded.shipped(sd.function(network), dumps))) < 4000


def count_compilations(dask_worker):
    """On a worker: from now on count what is compiled."""
    import symdiff.codegen

    plain = symdiff.codegen.compile_program
    dask_worker.compiled = 0

    def counted(*args):
        dask_worker.compiled += 1
        return plain(*args)

    symdiff.codegen.compile_program = counted


@pytest.mark.heavy
def test_each_worker_compiles_once(workers):
    workers.run(count_compilations)
    objective = sum_over("f(p[2], x[9]) = sum((x*p[0] - p[1])**2)", list(np.ones((12, 9))), client=workers)
    for k in range(3):
        objective.gradient([1.0, float(k)])
    assert set(workers.run(lambda dask_worker: dask_worker.compiled).values()) in ({1}, {0, 1})


def kill(pid):
    """End a worker's process, as where a machine fails."""
    os.kill(pid, signal.SIGKILL)


@pytest.mark.heavy
def test_workers_that_are_killed_change_no_bit(workers):
    objective = sum_over(DECAY, data(10, 20_000), client=workers)
    wanted = objective.value_and_grad(POINT)
    for turn in range(3):
        workers.wait_for_workers(1, timeout=60)
        threading.Timer(0.1 * turn, kill, list(workers.run(os.getpid).values())[:1]).start()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            value, slope = objective.value_and_grad(POINT)
            assert value == wanted[0]
            np.testing.assert_array_equal(slope, wanted[1])


@pytest.mark.heavy
def test_what_is_lost_for_good_is_an_error(workers):
    workers.wait_for_workers(1, timeout=60)
    x = np.ones(1000)
    changed = sum_over(GIVEN, [x, x + 1], client=workers)
    scattered = sum_over(GIVEN, workers.scatter([np.ones(3), np.ones(4)]), client=workers)
    computed = sum_over(GIVEN, workers.map(np.ones, [3, 4]), client=workers)
    assert scattered.value(0.0) == computed.value(0.0) == 7.0
    assert changed.value(0.0) == 5000.0
    x += 1
    for pid in workers.run(os.getpid).values():
        kill(pid)
    assert computed.value(0.0) == 7.0
    with pytest.raises(sd.ClusterError, match="nothing says how to make it again"):
        scattered.value(0.0)
    with pytest.raises(sd.ClusterError, match="has changed since"):
        changed.value(0.0)


def test_a_python_function_is_sent_without_what_texts_may_call(client):
    """Definitions that were used hold graphs, which are not pickled."""
    names = sd.Namespace()
    names.define("doubled(x) = 2*x")
    assert sd.function("doubled(y)", ["y"], namespace=names)(2.0) == 4.0
    f = sd.function(lambda w, x: sd.sum(sd.tanh(x @ w)), namespace=names)
    shards = [np.eye(3), np.ones((2, 3))]
    found = sum_over(f, shards, client=client).value(np.ones(3))
    np.testing.assert_allclose(found, 3 * np.tanh(1.0) + 2 * np.tanh(3.0), rtol=1e-15)


@pytest.mark.heavy
def test_a_cluster_that_is_restarted_gets_everything_again(workers):
    objective = sum_over(GIVEN, [np.ones(3), np.ones(4)], client=workers)
    assert objective.value(0.0) == 7.0
    workers.restart(timeout=60, wait_for_workers=False)
    assert objective.value(0.0) == 7.0


@pytest.mark.heavy
@pytest.mark.parametrize("what", ["workers", "scheduler"])
def test_no_workers_and_no_scheduler_are_errors(what):
    cluster, client = start(processes=True, workers=1)
    try:
        objective = sum_over(GIVEN, [np.ones(3)], client=client, patience=1.0)
        assert objective.value(0.0) == 3.0
        cluster.scale(0) if what == "workers" else client.sync(cluster.scheduler.close, timeout=10)
        time.sleep(1.0)
        with pytest.raises(sd.ClusterError):
            objective.value(0.0)
    finally:
        for close, seconds in [(client.close, 1), (cluster.close, 2)]:  # the second also where the first gives up
            with contextlib.suppress(TimeoutError):
                close(timeout=seconds)
        cluster.status = distributed.Status.closed  # without a scheduler it stays half closed, and warns


X, Y = np.random.default_rng(2).random((2, 6, 4))

# (function, arguments, chunks of each)
MAPS = {
    "numbers": (lambda: sd.function("sin(x)*y", ["x", "y"]), (X, Y), ((5, 2), (2, 3))),
    "a batch and a number": (lambda: sd.grad("f(x, y) = x**2*y"), (X, 2.0), ((3, 4), None)),
    "batches that broadcast": (lambda: sd.value_and_grad("f(x, y) = x**2*y"), (X, Y[:, :1]), ((5, 2), (2, 1))),
    "an array": (lambda: sd.function("f(v[4]) = sum(v**2)"), (X,), ((2, 4),)),
    "a size by name": (lambda: sd.hessian("f(v[n], a) = sum(v**3)*a", "v"), (X, Y[:, 0]), ((3, 4), 2)),
    "a tuple": (lambda: sd.grad("f(x, y) = x**2*y", ("y", "x")), (X, Y), ((2, 2), (6, 1))),
    "a matrix": (lambda: sd.function("f(A[n, n]) = det(A)"), (np.stack([X[:4], Y[:4]]),), ((1, 4, 4),)),
    "no batch": (lambda: sd.grad("f(v[4]) = sum(v**3)"), (X[0],), (4,)),
    "a Python function": (lambda: sd.function(lambda x: {"s": sd.sin(x)}, {"x": ()}), (X,), ((2, 2),)),
    "float32": (lambda: sd.function("f(x) = x/3", dtype="float32"), (X,), ((2, 2),)),
}


@pytest.mark.parametrize("name", MAPS)
def test_maps_are_calls_chunk_by_chunk(name):
    make, values, chunks = MAPS[name]
    f = make()
    lazy = [v if c is None else da.from_array(v, chunks=c) for v, c in zip(values, chunks, strict=True)]
    found, wanted = map_blocks(f, *lazy), f(*values)
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        found, wanted = tuple(found.values()), tuple(wanted.values())
    pairs = zip(found, wanted, strict=True) if isinstance(wanted, tuple) else [(found, wanted)]
    for mapped, called in pairs:
        assert isinstance(mapped, da.Array)
        assert mapped.shape == np.shape(called)
        assert mapped.dtype == np.asarray(called).dtype
        computed = mapped.compute(scheduler="synchronous")
        assert computed.shape == mapped.shape
        np.testing.assert_allclose(computed, called, rtol=1e-14 if mapped.dtype == np.float64 else 1e-6)


@pytest.mark.parametrize(
    ("f", "arrays", "kind", "text"),
    [
        ("f(v[4]) = sum(v)", [da.ones((6, 4), chunks=2)], sd.ShapeError, r"chunks cut an axis of v\[4\]"),
        ("f(v[4]) = sum(v)", [da.ones((6, 3))], sd.ShapeError, "3"),
        ("f(v[4]) = sum(v)", [da.ones(())], sd.ShapeError, "got an array of shape"),
        (lambda x: x.sum(), [da.ones(3)], sd.ShapeError, "how many axes x has"),
        ("f(x) = x**2", [da.ones(3), da.ones(3)], sd.ArgumentError, "takes 1"),
        ("f(x, y) = x*y", [da.ones(3), da.ones(4)], sd.ShapeError, "do not broadcast"),
    ],
)
def test_maps_that_cannot_be(f, arrays, kind, text):
    with pytest.raises(kind, match=text):
        map_blocks(f, *arrays)


def test_a_map_on_workers(client):
    found = map_blocks(sd.grad("f(x, y) = x**2*y"), da.ones(8, chunks=2), da.arange(8.0, chunks=4))
    np.testing.assert_array_equal(found.compute(), np.stack([2 * np.arange(8.0), np.ones(8)], -1))
