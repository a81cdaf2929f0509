"""The function that XLA calls, with frames as XLA makes them (`xla/ffi/api/c_api.h`)."""

import ctypes

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen.xla import VERSION, xla_handler


class Buffer(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p), ("dtype", ctypes.c_int),
                ("data", ctypes.c_void_p), ("rank", ctypes.c_int64),
                ("dims", ctypes.POINTER(ctypes.c_int64))]  # fmt: skip


class Table(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p), ("size", ctypes.c_int64),
                ("types", ctypes.c_void_p), ("items", ctypes.c_void_p)]  # fmt: skip


class Frame(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p), ("api", ctypes.c_void_p),
                ("context", ctypes.c_void_p), ("stage", ctypes.c_int), ("args", Table), ("rets", Table),
                ("attrs", Table), ("future", ctypes.c_void_p)]  # fmt: skip


class Version(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p), ("major", ctypes.c_int),
                ("minor", ctypes.c_int)]  # fmt: skip


class Metadata(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("version", Version), ("traits", ctypes.c_uint32)]


class Extension(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("kind", ctypes.c_int), ("next", ctypes.c_void_p),
                ("metadata", ctypes.POINTER(Metadata))]  # fmt: skip


class ErrorCreate(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p), ("message", ctypes.c_char_p),
                ("code", ctypes.c_int)]  # fmt: skip


class Api(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p), ("version", Version),
                ("internal", ctypes.c_void_p), ("create", ctypes.c_void_p)]  # fmt: skip


def table(arrays, kept):
    buffers = []
    for array in arrays:
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        buffers.append(Buffer(ctypes.sizeof(Buffer), None, 12, array.ctypes.data, array.ndim, dims))
    items = (ctypes.c_void_p * len(buffers))(*map(ctypes.addressof, buffers))
    kept += [buffers, items]
    return Table(ctypes.sizeof(Table), None, len(buffers), None, ctypes.addressof(items))


def call(f, inputs, results):
    """What the handler returns, and the errors that it made."""
    address, owned = xla_handler(f.compile().kernel, f.__name__)
    kept, told = [owned], []

    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(ErrorCreate))
    def create(given):
        told.append((given.contents.struct_size, given.contents.message, given.contents.code))
        return 1

    api = Api(create=ctypes.cast(create, ctypes.c_void_p))
    frame = Frame(ctypes.sizeof(Frame), None, ctypes.addressof(api), None, 3, table(inputs, kept), table(results, kept))
    return ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(Frame))(address)(frame), told


CASES = [
    ("f(x, y) = sin(x)*y", [(7,), (1,)], [(7,)]),
    ("f(x, y) = sin(x)*y", [(1,), (1,)], [(1,)]),
    ("f(x, y) = [x*y, x]", [(5,), (5,)], [(5, 2)]),
    ("f(A[9, 9], x[9]) = A @ x", [(1, 9, 9), (4, 9)], [(4, 9)]),
    ("f([a, b], x) = a*exp(-b*x)", [(3, 2), (1,)], [(3,)]),
]


@pytest.mark.parametrize(("source", "shapes", "results"), CASES)
def test_points_and_operands_that_stand_still(source, shapes, results):
    f, rng = sd.function(source), np.random.default_rng(0)
    given = [rng.normal(size=s) for s in shapes]
    found = [np.full(s, np.nan) for s in results]
    assert call(f, given, found) == (None, [])
    np.testing.assert_array_equal(found[0], f(*given))


def test_several_results_and_conditions():
    f, x = sd.function(("x*y", "x > y"), ["x", "y"]), np.arange(4.0)
    product, larger = np.zeros(4), np.zeros(4, bool)
    assert call(f, [x, np.ones(1)], [product, larger]) == (None, [])
    np.testing.assert_array_equal(product, x)
    np.testing.assert_array_equal(larger, x > 1)


def test_a_failure_is_an_error_of_xla():
    f, result = sd.function("f(x[3], k) = take(x, k)", shapes={"k": ()}), np.zeros(1)
    assert call(f, [np.ones((1, 3)), np.full(1, 2.0)], [result]) == (None, [])
    error, told = call(f, [np.ones((1, 3)), np.full(1, 3.0)], [result])
    assert (error, told) == (1, [(28, b"f: an index is out of range, or there is no memory", 11)])


def test_it_says_which_version_it_is_of():
    address, owned = xla_handler(sd.function("f(x) = 2*x").compile().kernel, "f")
    metadata = Metadata(traits=7, version=Version(major=9, minor=9))
    asks = Extension(ctypes.sizeof(Extension), 1, None, ctypes.pointer(metadata))
    frame = Frame(ctypes.sizeof(Frame), ctypes.addressof(asks))
    assert ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(Frame))(address)(frame) is None
    assert ((metadata.version.major, metadata.version.minor), metadata.traits) == (VERSION, 0)
    assert owned
