"""Work that takes long tells how far it is: to a function, on a terminal, and nowhere else unasked."""

import io
import threading

import numpy as np
import pytest

import symdiff as sd
from symdiff import reporting
from symdiff.codegen import jit

TEXT = "f(x[12]) = " + " + ".join(f"sin(x[{k}]*x[{(5 * k + 1) % 12}])*exp(x[{(7 * k + 2) % 12}])" for k in range(12))


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def at_once(monkeypatch):
    """Reports from the beginning, of every look at the time."""
    monkeypatch.setattr(reporting, "LONG", 0.0)
    monkeypatch.setattr(reporting, "EVERY", 0.0)
    monkeypatch.setattr(jit, "LONG", 0)


def work():
    f = sd.function(TEXT)
    h = sd.jacobian(f.hessian())
    return h.compile(opt=0)(np.ones(12))


def stages(reports):
    return [r.stage for k, r in enumerate(reports) if k == 0 or reports[k - 1].stage != r.stage]


def test_a_function_is_told_of_each_stage(at_once):
    seen = []
    with sd.progress(seen.append):
        work()
    found = stages(seen)
    assert found[:2] == ["reading", "done"]
    assert found[found.index("deriving") + 1] == "done"
    last = found[found.index("optimizing") :]
    assert [s for s in last if s != "done"][:3] == ["optimizing", "writing", "machine code"]
    assert last[-1] == "done"
    writing = [r for r in seen if r.stage == "writing"]
    assert {r.done for r in writing} == set(range(writing[0].total))
    assert [r.done for r in writing] == sorted(r.done for r in writing)
    assert all(r.total is None for r in seen if r.stage in ("reading", "deriving", "optimizing"))
    assert all(r.seconds >= 0 for r in seen)
    assert max(r.done for r in seen if r.stage == "deriving") > 200


def test_nothing_is_told_of_what_is_short():
    seen = []
    with sd.progress(seen.append):
        sd.grad("x**2*y", ["x", "y"])(3.0, 2.0)
    assert seen == []


def test_what_the_function_raises_ends_the_work(at_once):
    def stop(now):
        if now.stage == "machine code":
            raise KeyboardInterrupt

    f = sd.function(TEXT)
    with sd.progress(stop), pytest.raises(KeyboardInterrupt):
        f.compile()
    assert f(np.zeros(12)) == 0.0


def test_errors_end_it_too(at_once):
    seen = []
    with sd.progress(seen.append), sd.limits(nodes=100), pytest.raises(sd.LimitError):
        sd.function(TEXT).hessian()
    assert seen[-1].stage == "done"


def test_blocks_nest(at_once):
    outer, inner = [], []
    with sd.progress(outer.append):
        with sd.progress(inner.append):
            sd.function(TEXT)
        assert inner
        assert not outer
        with sd.progress(False):
            sd.function(TEXT)
        assert not outer
        sd.function(TEXT)
    assert outer


def test_a_terminal_shows_a_line_that_is_gone_at_the_end(at_once, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    work()
    text = stream.getvalue()
    assert "symdiff: [" in text
    assert "] writing 1 of " in text
    assert "symdiff: machine code of " in text
    assert "\n" not in text
    assert text.endswith("\r\x1b[K")


def test_nothing_is_written_elsewhere_unasked(at_once, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    work()
    assert stream.getvalue() == ""
    with sd.progress():
        work()
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("symdiff: reading")
    assert any(line.startswith("symdiff: machine code of ") for line in lines)
    monkeypatch.setattr("sys.stderr", None)
    sd.function(TEXT)


def test_other_threads_do_not_write_to_the_terminal_unasked(at_once, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert stream.getvalue() == ""


def test_what_it_takes():
    with pytest.raises(sd.ArgumentError, match="give a function"), sd.progress(3):
        pass


SHOWN = [
    (("deriving", 1234, None, 1.5), "deriving, 1,234 nodes, 1.5 s"),
    (("optimizing", 0, None, 1.5), "optimizing, 1.5 s"),
    (("writing", 3, 40, 2.0), "writing 3 of 40 functions, 2.0 s"),
    (("machine code", 0, 40, 2.0), "machine code of 40 functions, 2.0 s"),
    (("done", 0, None, 2.0), "done, 2.0 s"),
]


@pytest.mark.parametrize(("fields", "text"), SHOWN)
def test_how_a_report_reads(fields, text):
    assert str(sd.Progress(*fields)) == text
