"""`dataclass`: as Python's own, with methods that are compiled when they are first called.

`dataclasses.dataclass` writes and compiles six functions for a class, 0.3 ms; a process that imports a hundred classes,
and makes objects of a third of them, spends 30 ms so. Type checkers see Python's own.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass

else:

    def dataclass(
        cls: type | None = None, /, *, frozen: bool = False, slots: bool = False, eq: bool = True, repr: bool = True
    ) -> Any:
        """A class of fields, as `dataclasses.dataclass` makes it, for `fields` and `replace`, too."""
        if cls is None:
            return lambda plain: _made(plain, frozen, slots, eq, repr)
        return _made(cls, frozen, slots, eq, repr)


def _made(plain: type, frozen: bool, slots: bool, eq: bool, repr: bool) -> type:
    own = plain.__dict__
    if plain.__doc__ is None:
        plain.__doc__ = plain.__name__  # else its signature would be looked at
    cls: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(plain)
    methods: dict[str, Any] = {"__init__": _later(cls, "__init__", lambda: _written_init(cls, frozen))}
    if repr:
        methods["__repr__"] = _repr
    if eq:
        methods["__eq__"] = _later(cls, "__eq__", lambda: _written_eq(cls))
        compared = "__eq__" not in own  # what is hashed will be compared
        written = lambda: _written_hash(cls) + "\n" + (_written_eq(cls) if compared else "")  # noqa: E731
        methods["__hash__"] = _later(cls, "__hash__", written) if frozen else None
    if frozen:
        methods["__setattr__"], methods["__delattr__"] = _refusals(cls)
        if slots:
            methods["__getstate__"], methods["__setstate__"] = _getstate, _setstate
    if "__init__" not in own:
        methods["__signature__"] = _Signature()
    for name, method in methods.items():
        if name not in own or (name == "__hash__" and own[name] is None):  # Python's, beside an `__eq__` of its own
            setattr(cls, name, method)
    return cls


def _later(cls: Any, name: str, write: Callable[[], str | tuple[str, dict[str, Any]]]) -> Callable[..., Any]:
    """A method that puts the compiled one in its place when it is first called, and calls that."""

    def method(self: Any, *args: Any, **keywords: Any) -> Any:
        written = write()
        text, known = written if isinstance(written, tuple) else (written, {})
        exec(text, known)
        for other in ("__init__", "__eq__", "__hash__"):
            if made := known.get(other):
                made.__qualname__, made.__module__ = f"{cls.__qualname__}.{other}", cls.__module__
                setattr(cls, other, made)
        return known[name](self, *args, **keywords)

    method.__name__, method.__qualname__ = name, f"{cls.__qualname__}.{name}"
    return method


class _Factory:
    """What stands in a signature for a default that is made anew for each object."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


class _Signature:
    """The parameters of the class, for `inspect`."""

    def __get__(self, thing: Any, cls: Any) -> inspect.Signature:
        if thing is not None:
            raise AttributeError("__signature__")
        text, known = _written_init(cls, False)
        exec(text, known)
        known["__init__"].__annotations__ = {f.name: f.type for f in dataclasses.fields(cls) if f.init}
        _, *parameters = inspect.signature(known["__init__"]).parameters.values()
        return inspect.Signature(parameters, return_annotation=None)


def _written_init(cls: Any, frozen: bool) -> tuple[str, dict[str, Any]]:
    known: dict[str, Any] = {"missing": _FACTORY, "put": object.__setattr__}
    parameters, lines = [], []
    for field in dataclasses.fields(cls):
        name, value = field.name, field.name
        made, plain = field.default_factory is not dataclasses.MISSING, field.default is not dataclasses.MISSING
        known[f"default_{name}"] = field.default_factory if made else field.default
        if field.init:
            parameters.append(f"{name}=missing" if made else f"{name}=default_{name}" if plain else name)
            value = f"default_{name}() if {name} is missing else {name}" if made else name
        elif made or plain:
            value = f"default_{name}()" if made else f"default_{name}"
        else:
            continue
        lines.append(f"  put(self, {name!r}, {value})" if frozen else f"  self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("  self.__post_init__()")
    return "\n".join([f"def __init__(self, {', '.join(parameters)}):", *(lines or ["  pass"])]), known


def _written_eq(cls: Any) -> str:
    compared = [field.name for field in dataclasses.fields(cls) if field.compare]
    return f"""def __eq__(self, other):
  if other.__class__ is self.__class__:
    return {_values("self", compared)} == {_values("other", compared)}
  return NotImplemented"""


def _written_hash(cls: Any) -> str:
    hashed = [f.name for f in dataclasses.fields(cls) if (f.compare if f.hash is None else f.hash)]
    return f"def __hash__(self): return hash({_values('self', hashed)})"


def _values(thing: str, names: Iterable[str]) -> str:
    return "(" + "".join([f"{thing}.{name}," for name in names]) + ")"


@recursive_repr()
def _repr(self: Any) -> str:
    shown = [f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refusals(cls: Any) -> tuple[Callable[..., None], Callable[..., None]]:
    """What refuses to change and to delete a field."""

    def refused(self: Any, name: str) -> bool:
        return type(self) is cls or name in cls.__dataclass_fields__

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if refused(self, name):
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if refused(self, name):
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return __setattr__, __delattr__


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
