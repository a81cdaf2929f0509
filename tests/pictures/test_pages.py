"""Pages in Chromium: texts are there and apart, no wire runs through one, replay and folding work."""

import numpy as np
import pytest

import symdiff as sd
from tests.pictures import browser

pytestmark = pytest.mark.skipif(bool(browser.MISSING), reason=f"not installed: {', '.join(browser.MISSING)}")

QZ = sd.function("q = x + y\nf = q*z", ["x", "y", "z"])
NEURON = sd.function("a = w0*x0\nb = w1*x1\nc = a + b + w2\nf = 1/(1 + exp(-c))", ["w0", "x0", "w1", "x1", "w2"])
NETWORK = sd.function("f(W1[3, 4], b1[3], W2[1, 3], x[4]) = sum((W2 @ tanh(W1 @ x + b1))**2)")
MIXED = sd.function("f(x, y) = where(x > y, max(x, 0)/2, x**3 - 2/x)**0.5 + atan2(y, 2*x) - clip(x, 0, 1)")
FORWARD = sd.function("f(x1, x2) = log(x1) + x1*x2 - sin(x2)")
TERM = "sin(h*{0} + y) + h/(1 + exp(-h)) + cos({0}*h)*h"
LINE = " + ".join(f"({TERM.format(f'{{k}}.{j}')})" for j in range(1, 6))
CHAIN = sd.function(
    "\n".join(["h0 = x", *(f"h{k} = {LINE.format(k=k).replace('h', f'h{k - 1}')}" for k in range(1, 41)), "h40*2"]),
    ["x", "y"],
)
POINT = (2, -1, -3, -2, -3)
ARRAYS = tuple(np.random.default_rng(0).normal(size=s) for s in ((3, 4), 3, (1, 3), 4))

PICTURES = {
    "first circuit": (QZ, (-2, 5, -4)),
    "neuron": (NEURON, POINT),
    "forward mode": (FORWARD, (2, 5)),
    "without a point": (NEURON, ()),
    "branches": (MIXED, (1.5, 0.5)),
    "derivative": (sd.grad(NEURON), POINT),
    "second derivative": (sd.hessian(QZ), (-2, 5, -4)),
    "network": (NETWORK, ARRAYS),
    "derivative of a network": (sd.grad(NETWORK), ARRAYS),
    "2,000 nodes": (CHAIN, (0.1, 0.2)),
}

OVERLAPS = """
const svg = document.querySelector("svg.symdiff-picture");
const boxes = [...svg.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
const glyphs = [...svg.querySelectorAll(".glyph")].map((g) => [g, g.getBoundingClientRect()]);
const found = [];
const apart = (a, b, m) => a.right - m < b.left || b.right - m < a.left || a.bottom - m < b.top || b.bottom - m < a.top;
boxes.forEach(([text, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
  if (!apart(a, b, 1)) found.push([text, other]);
}));
const bare = (box) => ({
  left: box.left + 1, right: box.right - 1, top: box.top + box.height * 0.22, bottom: box.bottom - box.height * 0.22,
});
for (const wire of svg.querySelectorAll(".wire, .stub")) {
  const matrix = wire.getScreenCTM(), length = wire.getTotalLength?.() ?? 0;
  for (let at = 2; at < length - 2; at += 2) {
    const p = wire.getPointAtLength(at).matrixTransform(matrix);
    for (const [text, box] of boxes) {
      const b = bare(box);
      if (p.x < b.left || p.x > b.right || p.y < b.top || p.y > b.bottom) continue;
      found.push(["wire", text]);
      at = length;
      break;
    }
  }
}
return found;
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser.opened(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def page(driver, tmp_path):
    """Opens the page of a picture; whatever the browser complains of is an error."""

    def open_page(picture):
        driver.get(f"file://{picture.save(tmp_path / 'picture.html')}")
        return driver

    yield open_page
    assert [entry["message"] for entry in driver.get_log("browser")] == []


def texts(driver, selector):
    return driver.execute_script(f"return [...document.querySelectorAll({selector!r})].map((e) => e.textContent)")


def shown(driver, kind):
    """The texts of a kind that are visible."""
    script = f"""return [...document.querySelectorAll("svg.symdiff-picture .{kind}")]
        .filter((e) => getComputedStyle(e).visibility === "visible").map((e) => e.textContent)"""
    return driver.execute_script(script)


@pytest.mark.parametrize("engine", ["dot", "grandalf"])
@pytest.mark.parametrize("name", PICTURES)
def test_texts_are_there_and_apart(page, name, engine):
    if engine == "grandalf":
        pytest.importorskip("grandalf")
        if name == "2,000 nodes":
            pytest.skip("takes long, and is drawn from the same parts")
    function, point = PICTURES[name]
    picture = function.draw(*point, layout=engine)
    driver = page(picture)
    written = set(texts(driver, "svg.symdiff-picture text"))
    for unit in picture.first.units:
        assert {t for t in (unit.label, unit.name, unit.value, unit.gradient) if t} <= written
    assert driver.execute_script(OVERLAPS) == []


def keys(driver, *pressed):
    from selenium.webdriver.common.action_chains import ActionChains

    actions = ActionChains(driver)
    for key in pressed:
        actions.send_keys(key)
    actions.perform()


def test_replay_goes_forward_and_backward(page):
    from selenium.webdriver.common.keys import Keys

    driver = page(QZ.draw(-2, 5, -4))
    assert shown(driver, "value") == ["−2", "5", "−4", "3", "−12"]
    assert shown(driver, "gradient") == ["−4", "−4", "3", "−4", "1"]
    keys(driver, Keys.HOME)
    assert shown(driver, "value") == shown(driver, "gradient") == []
    keys(driver, *[Keys.ARROW_RIGHT] * 4)
    assert (shown(driver, "value"), shown(driver, "gradient")) == (["−2", "5", "−4", "3"], [])
    assert texts(driver, ".told") == ["q = x + y = 3"]
    assert texts(driver, "tr.current td.name") == ["q"]
    keys(driver, *[Keys.ARROW_RIGHT] * 3)
    assert len(shown(driver, "value")) == 5
    assert shown(driver, "gradient") == ["−4", "1"]
    assert texts(driver, ".told") == ["∂f/∂q = ∂f/∂f·∂f/∂q = -4"]
    keys(driver, Keys.ARROW_LEFT)
    assert shown(driver, "gradient") == ["1"]
    driver.find_element("id", "end").click()
    assert len(shown(driver, "gradient")) == 5


def test_folded_parts_open(page):
    from selenium.webdriver.common.keys import Keys

    driver = page(CHAIN.draw(0.1, 0.2))
    blocks = driver.find_elements("css selector", "[data-opens]")
    title = driver.execute_script("return arguments[0].querySelector('.name').textContent", blocks[2])
    blocks[2].click()
    assert texts(driver, "nav button")[:2] == ["circuit", title]
    inner = driver.find_elements("css selector", "[data-opens]")
    inner[0].click()
    names = texts(driver, "tbody tr:not([hidden]) td.name")
    assert 40 < len(names) < 60
    keys(driver, Keys.ESCAPE, Keys.ESCAPE)
    assert len(driver.find_elements("css selector", "[data-opens]")) == len(blocks)


def test_light_and_dark(page):
    driver = page(QZ.draw(-2, 5, -4))
    color = "return getComputedStyle(document.body).backgroundColor"
    light = driver.execute_script(color)
    keys(driver, "t")
    dark = driver.execute_script(color)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(15, 20, 26)")
    keys(driver, "t")
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    assert driver.execute_script(color) == light
    driver.refresh()
    assert driver.execute_script(color) == dark
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_pan_and_zoom(page):
    driver = page(NEURON.draw(*POINT))
    box = "return document.querySelector('svg.symdiff-picture').getAttribute('viewBox').split(' ').map(Number)"
    before = driver.execute_script(box)
    keys(driver, "+")
    closer = driver.execute_script(box)
    assert closer[2] == pytest.approx(0.8 * before[2])
    from selenium.webdriver.common.action_chains import ActionChains

    stage = driver.find_element("css selector", ".stage")
    ActionChains(driver).drag_and_drop_by_offset(stage, 60, 30).perform()
    moved = driver.execute_script(box)
    assert moved[0] < closer[0]
    assert moved[1] < closer[1]
    keys(driver, "0")
    assert driver.execute_script(box) == pytest.approx(before)


def test_a_click_shows_the_path_of_an_adjoint(page):
    from selenium.webdriver.common.keys import Keys

    driver = page(NEURON.draw(*POINT))
    (label,) = [e for e in driver.find_elements("css selector", ".unit .label") if e.text == "−x"]
    label.click()
    assert texts(driver, ".unit.traced .label") == ["−x", "exp", "+1", "1/x"]
    keys(driver, Keys.ESCAPE)
    assert texts(driver, ".tracing .unit") == []


NASTY = "</script><img src=x onerror=\"document.title='owned'\"><b>&amp;'"


def test_what_users_write_is_text_only(page):
    picture = sd.function("f(x, y) = where(x < y, x*2, y)").draw(2.0, 1.0)
    picture.title = NASTY
    picture.first.title = NASTY
    for unit in picture.first.units:
        unit.label = unit.name = unit.value = unit.gradient = unit.note = unit.key = NASTY
    driver = page(picture)
    assert driver.title == NASTY
    assert driver.find_elements("css selector", "img, b") == []
    assert set(texts(driver, "svg.symdiff-picture text")) <= {NASTY, "="}
    assert "where(x < y, 2*x, y)" in "".join(texts(driver, "pre"))
