"""DOT text."""

from symdiff.display.draw import graphviz, quoted
from symdiff.frontend.parser import parse
from symdiff.frontend.symbols import symbols


def test_drawing():
    x, y = symbols("x y")
    e = x * y - 2
    text = graphviz(e.graph, e.node)
    assert text == (
        "digraph {\n  rankdir=BT;\n  node [shape=box, style=rounded];\n"
        '  n0 [label="x", shape=ellipse];\n  n1 [label="y", shape=ellipse];\n  n2 [label="*"];\n'
        '  n3 [label="2", shape=plaintext];\n  n4 [label="-"];\n  n0 -> n2;\n  n1 -> n2;\n'
        '  n2 -> n4 [label="0"];\n  n3 -> n4 [label="1"];\n'
        '  o0 [label="f", shape=ellipse, style=bold];\n  n4 -> o0;\n}\n'
    )


def test_only_live_nodes_and_the_same_text_again():
    text = "q = x + y\nf = where(q > 0, q**3, -q)"
    parsed = parse(text)
    parsed.graph.apply("sin", (0,))
    shown = graphviz(parsed.graph, {"f": parsed.output})
    assert "sin" not in shown
    assert shown == graphviz(parse(text).graph, {"f": parse(text).output})
    assert 'label="q ="' in shown


def test_quotes_are_escaped():
    assert quoted('a"b\\c\n') == '"a\\"b\\\\c\\n"'
