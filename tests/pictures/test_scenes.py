"""What is in a picture: which units there are, what they say, how they are wired and folded."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import ArgumentError, ShapeError, UnknownNameError
from symdiff.functions.circuit import read_circuit
from symdiff.pictures.labels import Labels, number_text, short_form

QZ = sd.function("q = x + y\nf = q*z", ["x", "y", "z"])
NEURON = sd.function(
    "a = w0*x0\nb = w1*x1\nc = a + b + w2\nf = 1/(1 + exp(-c))",
    ["w0", "x0", "w1", "x1", "w2"],
)
POINT = (2, -1, -3, -2, -3)


def told(scene):
    """(kind, label, name, value, gradient) of each unit."""
    return [(u.kind, u.label, u.name, u.value, u.gradient) for u in scene.units]


def wired(scene):
    """Each wire as texts: from what, to what, to which of its places."""

    def title(unit):
        return unit.name or unit.label

    return [(title(scene.units[w.source]), title(scene.units[w.target]), w.place) for w in scene.wires]


def test_the_first_circuit_of_the_lectures():
    scene = QZ.draw(-2, 5, -4).first
    assert told(scene) == [
        ("input", "x", "", "−2", "−4"),
        ("input", "y", "", "5", "−4"),
        ("input", "z", "", "−4", "3"),
        ("operation", "+", "q", "3", "−4"),
        ("operation", "×", "f", "−12", "1"),
    ]
    assert wired(scene) == [("x", "q", 0), ("y", "q", 1), ("q", "f", 0), ("z", "f", 1)]


def test_the_neuron_of_the_lectures():
    told_of = {u.name or u.label: (u.label, u.value, u.gradient) for u in NEURON.draw(*POINT).first.units}
    assert told_of["w0"] == ("w0", "2", "−0.1966")
    assert told_of["x1"] == ("x1", "−2", "−0.5898")
    assert told_of["a"] == ("×", "−2", "0.1966")
    assert told_of["−x"] == ("−x", "−1", "−0.1966")
    assert told_of["exp"] == ("exp", "0.3679", "−0.5344")
    assert told_of["+1"] == ("+1", "1.368", "−0.5344")
    assert told_of["f"] == ("1/x", "0.7311", "1")


def test_without_a_point_there_are_no_numbers():
    assert all(u.value == u.gradient == "" for u in NEURON.draw().first.units)
    scene = sd.function("f(W[2, 3], x[3]) = sum(W @ x)").draw().first
    assert [(u.label, u.value, u.gradient) for u in scene.units] == [
        ("W", "2×3", ""),
        ("x", "3", ""),
        ("@", "2", ""),
        ("sum", "", ""),
    ]


def test_arrays_are_told_by_shape_and_norm():
    f = sd.function("f(W[2, 2], x[2]) = sum((W @ x)**2)")
    scene = f.draw([[0.1, 0.5], [-0.3, 0.8]], [0.2, 0.4]).first
    assert [(u.label, u.value, u.gradient) for u in scene.units] == [
        ("W", "2×2 ‖0.995‖", "‖0.3046‖"),
        ("x", "2 ‖0.4472‖", "‖0.6458‖"),
        ("@", "2 ‖0.3406‖", "‖0.6812‖"),
        ("y²", "2 ‖0.08314‖", "‖1.414‖"),
        ("sum", "0.116", "1"),
    ]


def test_shared_nodes_are_there_once_and_constants_are_in_operations():
    f = sd.function("f(x) = (x + 1)*(x + 1) + 2*x")
    assert [u.label for u in f.draw().first.units] == ["x", "+1", "×", "×2", "+"]
    assert wired(f.draw().first)[:3] == [("x", "+1", 0), ("+1", "×", 0), ("+1", "×", 1)]


def test_constants_between_open_places_are_units():
    labels = [(u.kind, u.label) for u in sd.function("f(a, x) = where(x > 0, a, 0)").draw().first.units]
    assert labels == [("input", "a"), ("input", "x"), ("operation", ">0"), ("operation", "where(y, z, 0)")]
    table = sd.function(lambda x: sd.expr(x) @ np.array([3.0, 4.0]), {"x": (2,)}).draw().first
    assert ("constant", "2 ‖5‖") in [(u.kind, u.label) for u in table.units]


LABELS = [
    ("x + y", "+"),
    ("x - y", "−"),
    ("x*y", "×"),
    ("x/y", "/"),
    ("x**y", "^"),
    ("x - 3", "−3"),
    ("3 - x", "3 − z"),
    ("2/x", "2/z"),
    ("x/2", "/2"),
    ("-2*x", "×−2"),
    ("x**2", "z²"),
    ("x**-3", "z⁻³"),
    ("x**0.3", "z^0.3"),
    ("-x", "−z"),
    ("sin(x)", "sin"),
    ("max(x, 0)", "max(z, 0)"),
    ("max(x, y)", "max"),
    ("where(x > 0, x, y)", "where"),
    ("x <= y", "≤"),
    ("atan2(y, 2)", "atan2(z, 2)"),
]


@pytest.mark.parametrize(("text", "label"), LABELS, ids=lambda t: t)
def test_labels(text, label):
    assert sd.function(text, ["x", "y"]).draw().first.units[-1].label == label


@pytest.mark.parametrize(
    ("text", "letters", "commutative", "short"),
    [
        ("sum(x, axis=0)", ["x"], False, "sum axis=0"),
        ('einsum("ij,jk->ik", x, y)', ["x", "y"], False, 'einsum("ij,jk−>ik", x, y)'),
        ("x.T @ y", ["x", "y"], False, "xᵀ @ y"),
        ("x @ y", ["x", "y"], False, "@"),
    ],
)
def test_short_forms(text, letters, commutative, short):
    assert short_form(text, letters, commutative) == short


def test_letters_are_no_names_of_the_formula():
    circuit = read_circuit(sd.function("f(x, y, z, c) = 1/c + x + y + z"))
    labels = Labels(circuit.graph, circuit.labels.values())
    assert labels.letters[0] == "u"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.73105858, "0.7311"),
        (-12, "−12"),
        (1e-20, "1·10⁻²⁰"),
        (-2.5e7, "−2.5·10⁷"),
        (float("inf"), "∞"),
        (-float("inf"), "−∞"),
        (float("nan"), "nan"),
        (True, "true"),
        (None, ""),
        (np.array([3.0, 4.0]), "‖5‖"),
        (np.array([True, False, True]), "2 of 3"),
    ],
)
def test_numbers(value, text):
    assert number_text(value) == text


def test_a_derivative_has_two_halves():
    scene = sd.grad(NEURON).draw(*POINT).first
    parts = {u.key: u.part for u in scene.units}
    graph = NEURON.graph
    assert scene.has_parts
    for unit in scene.units:
        if unit.key[0] == "n":
            assert (parts[unit.key] == "appended") == (int(unit.key[1:]) >= graph.written)
    assert not any(
        parts[scene.units[w.source].key] == "appended" and parts[scene.units[w.target].key] == "formula"
        for w in scene.wires
    )
    results = {
        u.label: scene.units[w.source] for w in scene.wires for u in [scene.units[w.target]] if u.kind == "output"
    }
    gradient = sd.grad(NEURON)(*POINT)
    assert len(results) == 5
    for k, value in enumerate(gradient):
        unit = results[f"grad_f[{k}]"]
        assert unit.gradient == number_text(value)
        assert unit.value == ""


def test_lines_that_were_brought_into_another_form_are_in_the_half_of_the_formula():
    f = sd.function("a = x/(1 + exp(-x))\nb = a/(1 + exp(-a))\nf = b*y", ["x", "y"])
    scene = sd.grad(f, "x").draw(0.5, 2.0).first
    assert {u.name: u.part for u in scene.units if u.name in "abf" and u.name}["a"] == "formula"
    assert any(u.kind == "operation" and u.part == "appended" for u in scene.units)


def test_the_formula_of_a_function_has_no_halves():
    assert not NEURON.draw(*POINT).first.has_parts
    sd.grad(NEURON)
    NEURON.steps(*POINT)
    assert not NEURON.draw(*POINT).first.has_parts
    assert not sd.function(sd.grad(QZ).expr, ["x", "y", "z"]).draw().first.has_parts


def test_the_path_of_an_adjoint():
    scene = NEURON.draw(highlight="b").first
    assert [u.name or u.label for u in scene.units if not u.faded] == ["b", "+", "c", "−x", "exp", "+1", "f"]
    assert [(a, b) for (a, b, _), w in zip(wired(scene), scene.wires, strict=True) if not w.faded] == [
        ("b", "+"), ("+", "c"), ("c", "−x"), ("−x", "exp"), ("exp", "+1"), ("+1", "f"),
    ]  # fmt: skip


def test_lines_that_name_the_same_or_an_input():
    scene = sd.function("a = x\nb = a + 1\nc = a + 1\nf = b*c + a", ["x"]).draw(2.0).first
    assert [(u.label, u.name, u.value) for u in scene.units] == [
        ("x", "", "2"),
        ("=", "a", "2"),
        ("+1", "c", "3"),
        ("=", "b", "3"),
        ("×", "", "9"),
        ("+", "f", "11"),
    ]
    assert wired(scene)[:3] == [("x", "a", 0), ("a", "c", 0), ("c", "b", 0)]


def test_several_outputs():
    f = sd.function("q = x + y\nf = q*x", ["x", "y"], outputs=("q", "f"))
    scene = f.draw(1.0, 2.0).first
    assert [(u.name, u.leaves, u.gradient) for u in scene.units if u.kind == "operation"] == [
        ("q", "result", ""),
        ("f", "result", ""),
    ]
    listed = sd.function("[x, x*y, 2]", ["x", "y"]).draw().first
    assert [u.label for u in listed.units if u.kind == "output"] == ["f[0]", "f[1]"]


# Folding

CHAIN = "\n".join(
    ["h0 = x", *(f"h{k} = sin(h{k - 1}*{k} + y) + h{k - 1}/(1 + exp(-h{k - 1}))" for k in range(1, 300)), "h299*2"]
)


def deep(count):
    x, y = sd.symbols("x y")
    v = x
    for k in range(count):
        v = sd.sin(v * (k + 1) + y) * v
    return sd.function(v, ["x", "y"])


def wide(count):
    names = sd.symbols(f"x0:{count}")
    return sd.function(sum((sd.sin(n) for n in names[1:]), sd.sin(names[0])), list(names))


FOLDED = {
    "lines": sd.function(CHAIN, ["x", "y"]),
    "levels": deep(500),
    "wide": wide(800),
    "derivative": sd.grad(sd.function(CHAIN, ["x", "y"])),
}


@pytest.mark.parametrize("name", FOLDED)
def test_each_node_is_in_one_place(name):
    """In the scenes without blocks every node is a unit of its own, once; blocks have a scene; wires go forward."""
    picture = FOLDED[name].draw()
    assert len(picture.circuit.nodes) > 1500
    scenes = {scene.key: scene for scene in picture.scenes}
    shown = []
    for scene in picture.scenes:
        assert len(scene.units) <= 160
        assert scene.key == "all" or scene.parent in scenes
        for unit in scene.units:
            assert not unit.opens or scenes[unit.opens].parent == scene.key
        shown += [u.key for u in scene.units if u.kind == "operation"]
        order = dict.fromkeys(range(len(scene.units)), 0)
        for _ in scene.units:  # longest paths: they end, as there is no circle
            changed = False
            for wire in scene.wires:
                if order[wire.target] <= order[wire.source]:
                    order[wire.target], changed = order[wire.source] + 1, True
            if not changed:
                break
        assert not changed
    own = [n for n in picture.circuit.nodes if picture.circuit.graph.ops[n].name != "input"]
    hidden = picture._drafter.hidden
    assert sorted(shown) == sorted(f"n{n}" for n in own if n not in hidden)


def test_named_lines_fold_small_circuits_when_asked():
    picture = NEURON.draw(*POINT, fold=True)
    assert [(u.kind, u.label, u.value, u.gradient) for u in picture.first.units if u.kind == "block"] == [
        ("block", "c", "1", "0.1966"),
        ("block", "f", "0.7311", "1"),
    ]
    inner = {scene.title: scene for scene in picture.scenes}
    assert [(u.kind, u.label) for u in inner["c"].units] == [
        ("input", "w2"),
        ("outside", "a"),
        ("outside", "b"),
        ("operation", "+"),
        ("operation", "+"),
    ]
    assert [u.leaves for u in inner["c"].units] == ["", "", "", "", "elsewhere"]


def test_large_circuits_are_drawn_whole_when_asked():
    picture = deep(30).draw(fold=False)
    assert len(picture.scenes) == 1
    assert len(picture.first.units) == len(picture.circuit.nodes) > 100


def test_mistakes():
    with pytest.raises(UnknownNameError, match="did you mean speed"):
        sd.function("speed = x*x\nf = speed*x").draw(highlight="sped")
    with pytest.raises(ShapeError):
        sd.function("sum(x)").draw()
    with pytest.raises(ArgumentError, match="too many to look at"):
        deep(2600).draw()
    with pytest.raises(ArgumentError, match="no picture is of this kind"):
        QZ.draw().save("x.jpg")
    with pytest.raises(ArgumentError, match="theme"):
        QZ.draw().svg("blue")
    with pytest.raises(ArgumentError, match="layout"):
        QZ.draw(layout="neato").svg()
