"""Files by which build systems find a library in the folder that it was written to: pkg-config's and CMake's."""

from __future__ import annotations

from symdiff.ship.linker import link_word
from symdiff.ship.package import Package
from symdiff.version import VERSION

NAMED = 8
"""Functions that a description names."""


def write_pkg_config(package: Package) -> str:
    """The text of `NAME.pc`; paths are relative to it."""
    linked = " ".join(map(link_word, (package.name, *_libraries(package, ("lapack", "blas")))))
    return f"""\
# Made by symdiff {VERSION}.
Name: {package.name}
Description: {_description(package)}
Version: {VERSION}
Cflags: -I${{pcfiledir}}
Libs: -L${{pcfiledir}} {linked}
"""


def write_cmake(package: Package, archive: str, shared: str) -> str:
    """The text of `NAMEConfig.cmake`: the target NAME::NAME, from the archive or the shared library beside it."""
    target = f"{package.name}::{package.name}"
    libraries = _libraries(package, ("LAPACK::LAPACK", "BLAS::BLAS"))
    found = [word.partition("::")[0] for word in libraries if "::" in word]
    needed = ["include(CMakeFindDependencyMacro)", *(f"find_dependency({name})" for name in found)] if found else []
    lines = [
        f"# Made by symdiff {VERSION}: find_package({package.name}) gives the target {target}.",
        f"# {_description(package)}",
        f"if(TARGET {target})",
        "  return()",
        "endif()",
        *needed,
        f'if(BUILD_SHARED_LIBS AND EXISTS "${{CMAKE_CURRENT_LIST_DIR}}/{shared}")',
        f"  add_library({target} SHARED IMPORTED)",
        f"  set_target_properties({target} PROPERTIES",
        f'    IMPORTED_LOCATION "${{CMAKE_CURRENT_LIST_DIR}}/{shared}"',
        f'    IMPORTED_SONAME "{shared}")',
        "else()",
        f"  add_library({target} STATIC IMPORTED)",
        f'  set_target_properties({target} PROPERTIES IMPORTED_LOCATION "${{CMAKE_CURRENT_LIST_DIR}}/{archive}")',
        "endif()",
        f"set_target_properties({target} PROPERTIES",
        '  INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_LIST_DIR}"',
        f'  INTERFACE_LINK_LIBRARIES "{";".join(libraries)}")',
    ]
    return "\n".join([*lines, ""])


def write_cmake_version(package: Package) -> str:
    """The text of `NAMEConfigVersion.cmake`: the version that pkg-config tells, for machines with addresses as wide."""
    return f"""\
# Made by symdiff {VERSION}.
set(PACKAGE_VERSION "{VERSION}")
if(NOT "${{CMAKE_SIZEOF_VOID_P}}" STREQUAL "" AND NOT CMAKE_SIZEOF_VOID_P EQUAL {package.target.pointer_bits // 8})
  set(PACKAGE_VERSION_UNSUITABLE TRUE)
elseif(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
elseif(PACKAGE_FIND_VERSION VERSION_LESS PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
else()
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
endif()
"""


def _libraries(package: Package, algebra: tuple[str, str]) -> list[str]:
    """What is linked beside the C library: what the user named, else `algebra` where its functions are called."""
    named = list(package.libraries)
    if not named and package.algebra:
        named = list(algebra)
    return named + ([] if package.target.system == "windows" else ["m"])


def _description(package: Package) -> str:
    names = [f.name for f in package.functions]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"the functions {', '.join(names[:NAMED])}{more} for {package.target.triple}"
