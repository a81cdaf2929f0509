"""Digests of a few bytes are those of hashlib, which is not loaded for them."""

import hashlib
import subprocess
import sys

import pytest

from symdiff import digest


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize("parts", [(), (b"",), (b"a", b"bc"), (memoryview(b"xyz"),), (bytes(digest.SMALL), b"more")])
def test_it_is_sha256(parts, loaded, monkeypatch):
    if not loaded:
        monkeypatch.delitem(sys.modules, "hashlib")
    assert digest.sha256(*parts) == hashlib.sha256(b"".join(parts)).digest()


def test_without_pythons_own(monkeypatch):
    monkeypatch.setattr(digest, "_OWN", "no_such_module")
    monkeypatch.delitem(sys.modules, "hashlib")
    assert digest.sha256(b"abc") == hashlib.sha256(b"abc").digest()


def test_openssl_is_loaded_for_much_alone():
    code = """
import sys
from symdiff.digest import SMALL, sha256
sha256(b"abc")
assert "hashlib" not in sys.modules
sha256(bytes(SMALL + 1))
assert "hashlib" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
