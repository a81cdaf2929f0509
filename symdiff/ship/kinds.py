"""The kinds of files that a library can be: adding one is adding a function here."""

from __future__ import annotations

from symdiff.functions.c_sources import Emitted, c_source
from symdiff.ship.archive import write_apple_archive, write_archive
from symdiff.ship.build_files import write_cmake, write_cmake_version, write_pkg_config
from symdiff.ship.cpp_header import write_cpp_header
from symdiff.ship.header import described_operands, which, write_header
from symdiff.ship.linker import find_algebra, link_shared
from symdiff.ship.package import Package, add_kind
from symdiff.ship.python_module import write_python_module


def _object_name(package: Package) -> str:
    return package.name + (".obj" if package.target.object_format == "coff" else ".o")


def _archive_name(package: Package) -> str:
    return f"lib{package.name}.a"


def shared_name(package: Package) -> str:
    """The file name of a shared library."""
    system, name = package.target.system, package.name
    return {"windows": f"{name}.dll", "macos": f"lib{name}.dylib"}.get(system, f"lib{name}.so")


@add_kind("o", _object_name, "an object")
def _object(package: Package) -> bytes:
    return package.object_code


@add_kind("a", _archive_name, "a static library")
def _archive(package: Package) -> bytes:
    write = write_apple_archive if package.target.object_format == "macho" else write_archive
    return write({_object_name(package)[-15:]: (package.object_code, package.symbols)})


@add_kind("so", shared_name, "a shared library, linked by the C compiler of this system or by ziglang's")
def _shared(package: Package) -> bytes:
    libraries = package.libraries
    if package.is_alone and package.algebra and not libraries:
        libraries = find_algebra(package.target, package.algebra)
    names = package.module.defined, package.module.called
    is_alone = package.is_alone
    return link_shared(package.object_code, package.target, shared_name(package), libraries, *names, is_alone)


@add_kind("h", lambda package: f"{package.name}.h", "the header, for C99 and C++")
def _header(package: Package) -> bytes:
    return write_header(package).encode()


@add_kind("hpp", lambda package: f"{package.name}.hpp", "a wrapper for C++20")
def _cpp_header(package: Package) -> bytes:
    return write_cpp_header(package).encode()


@add_kind("pc", lambda package: f"{package.name}.pc", "for pkg-config", ("a", "h"))
def _pkg_config(package: Package) -> bytes:
    return write_pkg_config(package).encode()


@add_kind("cmake", lambda package: f"{package.name}Config.cmake", "for CMake", ("cmake-version", "a", "h"))
def _cmake(package: Package) -> bytes:
    return write_cmake(package, _archive_name(package), shared_name(package)).encode()


@add_kind("cmake-version", lambda package: f"{package.name}ConfigVersion.cmake", "what CMake asks for the version")
def _cmake_version(package: Package) -> bytes:
    return write_cmake_version(package).encode()


@add_kind("c", lambda package: f"{package.name}.c", "C99 that needs no other file, for scalar programs")
def _source(package: Package) -> bytes:
    symbols = {symbol.word: (symbol.name, symbol.prototype) for symbol in package.foreign}
    functions = [
        Emitted(
            f.name,
            f.function,
            sparsity=f.sparsity.numbers if f.sparsity else (),
            what=which(f),
            operands=described_operands(f),
        )
        for f in package.functions
    ]
    return c_source(functions, package.functions[0].fp, complete=True, symbols=symbols).encode()


@add_kind("ll", lambda package: f"{package.name}.ll", "LLVM's intermediate representation")
def _llvm(package: Package) -> bytes:
    return package.module.text.encode()


@add_kind("s", lambda package: f"{package.name}.s", "assembly language")
def _assembly(package: Package) -> bytes:
    return package.module.assembly().encode()


@add_kind("ctypes", lambda package: f"{package.name}.py", "a module of Python that loads the shared library", ("so",))
def _python(package: Package) -> bytes:
    return write_python_module(package, shared_name(package)).encode()
