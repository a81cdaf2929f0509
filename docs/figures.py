"""The pictures of the site, drawn when it is built, for light and for dark pages; and the pages of the gallery."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import runpy
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import symdiff as sd

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

Names = Mapping[str, Any]
"""What an example has defined when it is done."""

INK = {"light": "#1f2328", "dark": "#d1d7e0"}
COLOURS = {"light": ("#0b6e4f", "#c2410c", "#1d4ed8"), "dark": ("#58c9a0", "#fb923c", "#7aa7ff")}


@contextlib.contextmanager
def axes(path: Path, theme: str, width: float = 6.4, height: float = 3.6, count: int = 1) -> Iterator[Any]:
    """Axes of matplotlib in the colours of a theme, which are written to a file."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    ink = INK[theme]
    style = {
        "axes.edgecolor": ink, "axes.labelcolor": ink, "text.color": ink, "xtick.color": ink, "ytick.color": ink,
        "axes.prop_cycle": mpl.cycler(color=COLOURS[theme]), "axes.spines.top": False, "axes.spines.right": False,
        "legend.frameon": False, "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10,
        "svg.hashsalt": "symdiff", "figure.facecolor": "none", "axes.facecolor": "none",
    }  # fmt: skip
    with plt.rc_context(style):
        figure, drawn = plt.subplots(1, count, figsize=(width, height), layout="constrained")
        yield drawn
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)


def fitted_curve(names: Names, path: Path, theme: str) -> None:
    """The points and the curve that was fitted."""
    x, y, r, fit = (names[n] for n in ("x", "y", "r", "fit"))
    with axes(path, theme) as ax:
        at = np.linspace(0, 6.2, 200)
        ax.plot(at, r(fit.x, at, 0.0), label=f"{fit.x[0]:.3f}·(1 − exp(−{fit.x[1]:.3f}·x))")
        ax.plot(x, y, "o", markersize=3, label="data")
        ax.set_xlabel("x")
        ax.legend()


def function_and_gradient(names: Names, path: Path, theme: str) -> None:
    """Levels of the function, and its gradient as arrows."""
    f, g = names["f"], names["g"]
    with axes(path, theme, height=4.2) as ax:
        X, Y = np.meshgrid(np.linspace(-2, 2, 121), np.linspace(-2, 2, 121))
        drawn = ax.contourf(X, Y, f(X, Y), levels=15, cmap="viridis", alpha=0.85)
        U, V = X[::10, ::10], Y[::10, ::10]
        arrows = g(U, V)
        ax.quiver(U, V, arrows[..., 0], arrows[..., 1], color="white", width=0.003)
        ax.figure.colorbar(drawn, ax=ax, label="f(x, y)")
        ax.set(xlabel="x", ylabel="y", aspect="equal")


def decision_regions(names: Names, path: Path, theme: str) -> None:
    """The points of the classes, and where the last scores are highest."""
    X, labels, W, b = (names[n] for n in ("X", "labels", "W", "b"))
    with axes(path, theme, height=4.2) as ax:
        low, high = X.min(axis=0) - 1, X.max(axis=0) + 1
        grid = np.stack(np.meshgrid(*(np.linspace(a, z, 200) for a, z in zip(low, high, strict=True))), axis=-1)
        ax.contourf(grid[..., 0], grid[..., 1], np.argmax(grid @ W + b, axis=-1), levels=[-0.5, 0.5, 1.5, 2.5],
                    colors=COLOURS[theme], alpha=0.25)  # fmt: skip
        for k, colour in enumerate(COLOURS[theme]):
            ax.plot(*X[labels == k].T, "o", markersize=3, color=colour)
        ax.set(aspect="equal")


def newton_path(names: Names, path: Path, theme: str) -> None:
    """The way of Newton's method over the levels of Rosenbrock's function."""
    step, point = names["step"], np.array([-1.2, 1.0])
    points = [point]
    for _ in range(8):
        _, gradient, hessian = step(points[-1], 1.0, 100.0)
        points.append(points[-1] - np.linalg.solve(hessian, gradient))
    with axes(path, theme, height=4.0) as ax:
        X, Y = np.meshgrid(np.linspace(-1.6, 1.6, 161), np.linspace(-3.4, 2.2, 161))
        f = names["f"]
        ax.contour(
            X, Y, np.log10(f(np.stack([X, Y], axis=-1), 1.0, 100.0) + 1e-3), levels=14, cmap="viridis", alpha=0.7
        )
        ax.plot(*np.array(points).T, "o-", markersize=4, color=COLOURS[theme][1])
        ax.set(xlabel="x", ylabel="y")


def activations(names: Names, path: Path, theme: str) -> None:
    """Activation functions, and their derivatives."""
    del names
    x = np.linspace(-4, 4, 401)
    with axes(path, theme, count=2, width=7.2, height=3.2) as (left, right):
        for text in ("relu(x)", "elu(x)", "gelu(x)"):
            left.plot(x, sd.function(text)(x), label=text)
            right.plot(x, sd.grad(text)(x), label=text)
        left.set_title("function", fontsize=10)
        right.set_title("derivative", fontsize=10)
        left.legend()


def training(names: Names, path: Path, theme: str) -> None:
    """How the loss falls."""
    step, x, y = names["step"], names["x"], names["y"]
    rng = np.random.default_rng(1)
    w1, w2 = rng.standard_normal(names["w1"].shape), rng.standard_normal(names["w2"].shape)
    losses = []
    for _ in range(200):
        value, (grad_w1, grad_w2) = step(x, y, w1, w2)
        w1 -= 1e-4 * grad_w1
        w2 -= 1e-4 * grad_w2
        losses.append(value)
    with axes(path, theme, height=3.0) as ax:
        ax.semilogy(losses)
        ax.set(xlabel="iteration", ylabel="loss")


def spiral_regions(names: Names, path: Path, theme: str) -> None:
    """The spirals, and where the network sees which class."""
    X, labels, scores, weights = (names[n] for n in ("X", "labels", "scores", "weights"))
    with axes(path, theme, height=4.2) as ax:
        grid = np.stack(np.meshgrid(*[np.linspace(-1.2, 1.2, 200)] * 2), axis=-1).reshape(-1, 2)
        seen = np.argmax(scores(grid, *weights), axis=1).reshape(200, 200)
        at = grid.reshape(200, 200, 2)
        ax.contourf(at[..., 0], at[..., 1], seen, levels=[-0.5, 0.5, 1.5, 2.5], colors=COLOURS[theme], alpha=0.25)
        for k, colour in enumerate(COLOURS[theme]):
            ax.plot(*X[labels == k].T, "o", markersize=3, color=colour)
        ax.set(aspect="equal", xticks=[], yticks=[])


def two_peaks(names: Names, path: Path, theme: str) -> None:
    """The data, the fit, and the range of one error around it."""
    x, y, peaks, fit, covariance = (names[n] for n in ("x", "y", "peaks", "fit", "covariance"))
    J = sd.jacobian(peaks, names["names"])(x, *fit.x)
    error = np.sqrt(np.einsum("ni,ij,nj->n", J, covariance, J))
    with axes(path, theme) as ax:
        model = peaks(x, *fit.x)
        ax.plot(x, y, "o", markersize=3, color=COLOURS[theme][1], label="data")
        ax.plot(x, model, label="fit")
        ax.fill_between(x, model - 3 * error, model + 3 * error, alpha=0.3, label="three errors of the fit")
        ax.set_xlabel("x")
        ax.legend()


def trajectory(names: Names, path: Path, theme: str) -> None:
    """The planned states and the force."""
    states, force, T = names["states"], names["force"], names["T"]
    t = np.linspace(0, T, len(states))
    with axes(path, theme) as ax:
        ax.plot(t, states[:, 0], label="x")
        ax.plot(t, states[:, 1], label="v")
        ax.stairs(force, t, label="u", baseline=None, color=COLOURS[theme][2])
        ax.set_xlabel("t")
        ax.legend()


def solution(names: Names, path: Path, theme: str) -> None:
    """The solution on the square."""
    with axes(path, theme, height=3.8) as ax:
        shown = ax.imshow(names["solution"], extent=(0, 1, 0, 1), origin="lower", cmap="viridis")
        ax.figure.colorbar(shown, ax=ax, label="u")


def drawn(make: Callable[[Names], Any]) -> Callable[[Names, Path, str], None]:
    """What writes the picture of a circuit."""

    def write(names: Names, path: Path, theme: str) -> None:
        path.write_text(make(names).svg(theme), encoding="utf-8")

    return write


FIGURES: dict[str, list[tuple[str, str, Callable[[Names, Path, str], None]]]] = {
    "fit_a_curve": [("fit", "the data, and the curve that was fitted", fitted_curve)],
    "gradient_of_a_formula": [("levels", "levels of the function, and its gradient", function_and_gradient)],
    "linear_classifier": [("regions", "the classes, and where each has the highest score", decision_regions)],
    "newtons_method": [("path", "nine points of Newton's method on Rosenbrock's function", newton_path)],
    "layers": [("activations", "activation functions and their derivatives", activations)],
    "two_layer_network": [("loss", "the loss of the first 200 iterations", training)],
    "textbook_circuits": [
        ("circuit", "values above the wires, gradients below", drawn(lambda n: n["circuit"].draw(-2, 5, -4))),
        ("neuron", "the neuron", drawn(lambda n: n["neuron"].draw(**n["point"]))),
    ],
    "forward_mode": [("circuit", "the circuit at (2, 3)", drawn(lambda n: n["f"].draw(2.0, 3.0)))],
    "matrix_gradients": [("circuit", "arrays by shape and norm", drawn(lambda n: n["f"].draw(n["x"], n["W"])))],
}  # fmt: skip
"""The pictures of an example: a name, what is seen, and what draws it of the example's variables."""


TUTORIALS: dict[str, tuple[str, Callable[[Names, Path, str], None]]] = {
    "circuits-to-network": ("regions", spiral_regions),
    "six-parameters": ("fit", two_peaks),
    "optimal-control": ("trajectory", trajectory),
    "newton-krylov": ("solution", solution),
}
"""The picture of a tutorial: its name, and what draws it of the tutorial's variables."""

CIRCUITS: dict[str, Callable[[], Any]] = {
    "derivative": lambda: sd.grad("f(x, y) = x*sin(y)", "y").draw(2.0, 1.0),
    "guarded": lambda: sd.grad("f(x) = where(x > 0, sqrt(x), 0)").draw(-1.0),
}
"""Pictures of circuits for other pages."""


def figure_names() -> set[str]:
    """The names of the files for light pages."""
    found = {f"{example}-{name}.svg" for example, made in FIGURES.items() for name, _, _ in made}
    found |= {f"{page}-{name}.svg" for page, (name, _) in TUTORIALS.items()}
    return found | {f"circuit-{name}.svg" for name in CIRCUITS}


def run(example: str) -> tuple[Names, str]:
    """An example's variables, and what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        names = runpy.run_path(str(EXAMPLES / f"{example}.py"))
    return names, said.getvalue()


def run_tutorial(page: str) -> Names:
    """The variables of a tutorial's blocks, without those that need other libraries."""
    text = (Path(__file__).parent / "tutorials" / f"{page}.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for comment, block in re.findall(r"(?ms)^(<!-- [^\n]* -->\n)?```python\n(.*?)^```", text):
            prompted = [e.source for e in doctest.DocTestParser().get_examples(block)]
            for source in () if comment else prompted or [block]:
                exec(compile(source, page, "exec"), names)  # of our own page
    return names


def is_newer(files: Iterable[Path], sources: Iterable[Path]) -> bool:
    """Whether files are there and newer than what they are made of."""
    newest = max(p.stat().st_mtime for p in (*sources, Path(__file__)))
    return all(p.exists() and p.stat().st_mtime > newest for p in files)


def write_figures(folder: Path) -> None:
    """The pictures of pages that are written by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    for page, (name, make) in TUTORIALS.items():
        light, dark = folder / f"{page}-{name}.svg", folder / f"{page}-{name}-dark.svg"
        if not is_newer([light, dark], [Path(__file__).parent / "tutorials" / f"{page}.md"]):
            names = run_tutorial(page)
            make(names, light, "light")
            make(names, dark, "dark")
    for name, picture in CIRCUITS.items():
        for theme, ending in (("light", ""), ("dark", "-dark")):
            (folder / f"circuit-{name}{ending}.svg").write_text(picture().svg(theme), encoding="utf-8")


def write_gallery(pages: Path, figures: Path) -> None:
    """Run each example, draw its pictures and write its page, where it is newer than these."""
    for folder in (pages, figures):
        folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(EXAMPLES.glob("*.py")):
        example, page = source.stem, pages / f"{source.stem}.md"
        told = FIGURES.get(example, [])
        paths = [(figures / f"{example}-{n}.svg", figures / f"{example}-{n}-dark.svg", make) for n, _, make in told]
        files = [page, *(p for light, dark, _ in paths for p in (light, dark))]
        if is_newer(files, [source]):
            continue
        names, said = run(example)
        for light, dark, make in paths:
            make(names, light, "light")
            make(names, dark, "dark")
        text = source.read_text(encoding="utf-8")
        title, code = re.findall(r'(?s)\A"""(.*?)"""\n\n?(.*)', text)[0]
        heading = example.replace("_", " ").replace("newtons", "Newton's")
        lines = [f"# {heading[0].upper()}{heading[1:]}", "", title.strip(), ""]
        for name, what, _ in told:
            lines += [f"![{what}](../../_figures/{example}-{name}.svg)", "", f"*{what[0].upper()}{what[1:]}.*", ""]
        lines += ["```python", code.rstrip(), "```", "", "It prints", "", "```text", said.rstrip(), "```", ""]
        page.write_text("\n".join(lines), encoding="utf-8")
