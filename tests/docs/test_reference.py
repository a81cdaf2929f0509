"""Every public name is in the reference, with its signature and an example that runs."""

import doctest
import inspect
import re

import numpy as np
import pytest

import symdiff
from docs import reference_examples, reference_pages
from symdiff.frontend.calls import functions
from tests.docs import pages


@pytest.fixture(scope="module")
def written():
    """The pages, by name."""
    return {name: make() for name, make in reference_pages.PAGES.items()}


@pytest.fixture(scope="module")
def entries(written):
    """The entries of the Python domain by their full names, with all that stands in each."""
    found = {}
    for text in written.values():
        parts = re.split(r"(?m)^(:{3,4})\{py:(\w+)\} (\S+?)(?=[(\s])", text)
        owner = ""
        for colons, _, name, body in zip(parts[1::4], parts[2::4], parts[3::4], parts[4::4], strict=True):
            if len(colons) == 4:
                owner = name
            full = name if name.startswith("symdiff.") else f"{owner}.{name}"
            assert full not in found, full
            found[full] = body
    return found


LEADS = r"\{py:func\}`symdiff\.\w+` of this function|\]\(\.\./\.\./howto/\w+\.md\)|Another name of"


def told(entry):
    """Whether an entry shows an example, or leads to what does."""
    return ">>>" in entry or re.search(LEADS, entry)


def test_every_public_name(entries):
    missing = [name for name in symdiff.__all__ if f"symdiff.{name}" not in entries]
    assert missing == []


def test_every_function_of_the_language(entries):
    missing = [name for name in functions() if f"symdiff.{name}" not in entries]
    assert missing == []


def test_every_member_of_the_classes(entries):
    classes = [reference_pages.class_of(place) for place in reference_pages.CLASSES.values()]
    names = [f"symdiff.{c.__name__}.{name}" for c in classes for name, _ in reference_pages.members(c)]
    assert [name for name in names if name not in entries] == []
    assert len(names) > 100


def test_every_entry_has_an_example(entries):
    lacking = [name for name, text in entries.items() if not told(text)]
    assert lacking == ["symdiff.scatter"], "give an example in the docstring, or in docs/reference_examples.py"


def test_signatures_are_those_of_the_functions(entries):
    for name in reference_pages.public_functions():
        (head,) = re.findall(r"\A\((.*)\)\n", entries[f"symdiff.{name}"])
        names = [p.name for p in inspect.signature(getattr(symdiff, name)).parameters.values()]
        assert [n for n in names if not re.search(rf"\b{n}\b", head)] == [], name


@pytest.mark.parametrize("name", reference_examples.EXAMPLES)
def test_the_table_of_examples_runs(name):
    test = doctest.DocTestParser().get_doctest(reference_examples.EXAMPLES[name], {}, name, name, 0)
    test.globs = {"sd": symdiff, "np": np}
    runner = doctest.DocTestRunner(pages.Checker(), optionflags=pages.OPTIONS)
    assert runner.run(test, clear_globs=False).failed == 0


def test_no_example_is_of_a_name_that_is_gone(entries):
    classes = {reference_pages.class_of(place).__name__ for place in reference_pages.CLASSES.values()}
    for name in reference_examples.EXAMPLES:
        assert f"symdiff.{name}" in entries or name.partition(".")[0] not in classes, name
    assert [n for n in reference_examples.CALLS if f"symdiff.{n}" not in entries] == []


def test_every_command_has_an_example(written):
    for name in reference_pages.commands():
        section = written["command-line"].partition(f"## `symdiff {name}`")[2].partition("\n## ")[0]
        assert "$ " in section, name


def test_mentions_of_pages_lead_to_them(written):
    for text in written.values():
        for target in re.findall(r"\]\(\.\./\.\./([\w/-]+\.md)", text):
            assert (pages.ROOT / "docs" / target).exists(), target
