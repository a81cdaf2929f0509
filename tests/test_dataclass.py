"""Classes of fields are what Python's own decorator makes; their methods are compiled when they are called."""

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest

from symdiff.dataclass import dataclass

OPTIONS = [{}, {"slots": True}, {"frozen": True}, {"frozen": True, "slots": True}, {"frozen": True, "eq": False}]
WAYS = {"ours": dataclass, "Python's": dataclasses.dataclass}


def made(way, **options):
    """A class with all kinds of fields."""

    @way(**options)
    class Thing:
        """A thing."""

        number: int
        text: str = "a"
        items: list[int] = dataclasses.field(default_factory=list)
        hidden: int = dataclasses.field(default=3, compare=False, repr=False)
        given: Any = dataclasses.field(default=4, init=False)
        unhashed: Any = dataclasses.field(default=None, hash=False)

        def __post_init__(self):
            object.__setattr__(self, "given", self.number + 1)

    return Thing


def outcome(act):
    try:
        return act()
    except (TypeError, AttributeError) as error:
        return type(error), str(error).replace("made.<locals>.", "")


ACTS = {
    "by position": lambda c: [getattr(c(1, "b", (2,), 5), f.name) for f in dataclasses.fields(c)],
    "defaults": lambda c: (c(1).text, c(1).items, c(1).hidden, c(1).given),
    "a list of its own": lambda c: c(1).items is c(1).items,
    "by name": lambda c: c(number=1, hidden=2).hidden,
    "too few": lambda c: c(),
    "too many": lambda c: c(1, 2, 3, 4, 5, 6),
    "repr": lambda c: repr(c(1)),
    "equal": lambda c: (c(1) == c(1), c(1) == c(1, hidden=9), c(1) == c(2), c(1) != c(1), c(1) == 1),
    "hash": lambda c: hash(c(1, "b", (), 7)) == hash(c(1, "b", (), 8, unhashed=[])),
    "change": lambda c: setattr(c(1), "number", 2),
    "change what is none": lambda c: setattr(c(1), "other", 2),
    "delete": lambda c: delattr(c(1), "number"),
    "replace": lambda c: dataclasses.replace(c(1), text="z").text,
    "asdict": lambda c: dataclasses.asdict(c(1)),
    "copy": lambda c: repr(copy.copy(c(1))),
    "deep copy": lambda c: repr(copy.deepcopy(c(1))),
    "signature": lambda c: str(inspect.signature(c)),
    "match": lambda c: c.__match_args__,
    "slots": lambda c: getattr(c, "__slots__", None),
    "documentation": lambda c: c.__doc__,
}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_it_does_what_pythons_does(act, options):
    if act is ACTS["change what is none"] and options == {"frozen": True, "slots": True}:
        pytest.skip("Python's looks for the class that it replaced")
    ours, theirs = (made(way, **options) for way in WAYS.values())
    wanted = outcome(lambda: act(theirs))
    assert outcome(lambda: act(ours)) == wanted
    assert outcome(lambda: act(ours)) == wanted  # now compiled


@dataclass(frozen=True, slots=True)
class Point:
    """At the top of a module, where pickle finds it."""

    x: int
    y: int = 2


@dataclass(frozen=True)
class Base:
    """With a class below it."""

    x: int


@dataclass(frozen=True)
class Further(Base):
    """One field more."""

    y: int


class Plain(Base):
    """No dataclass itself."""


@dataclass
class Own:
    """Methods of its own stay."""

    x: int

    def __init__(self):
        self.x = 7

    def __repr__(self):
        return "own"

    def __eq__(self, other):
        return True


def test_pickles_and_classes_below():
    assert pickle.loads(pickle.dumps(Point(1))) == Point(1)
    assert repr(Further(1, 2)) == "Further(x=1, y=2)"
    assert Further(1, 2) == Further(1, 2) != Base(1)
    assert Plain(1) == Plain(1) != Base(1)
    assert hash(Plain(1)) == hash(Plain(1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Plain(1).x = 2
    Plain(1).z = 2
    assert (Own().x, repr(Own()), Own() == 3, Own.__hash__) == (7, "own", True, None)


def test_methods_are_compiled_once():
    kind = made(dataclass, frozen=True)
    before = kind.__init__
    one = kind(1)
    assert kind.__init__ is not before
    after = kind.__init__
    assert kind(1).text == one.text
    assert kind.__init__ is after
    assert not hasattr(one, "__signature__")
