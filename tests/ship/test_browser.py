"""WebAssembly in a browser: two modules in a page and one in a worker, from a server that allows next to nothing."""

import functools
import http.server
import json
import threading

import numpy as np
import pytest

import symdiff as sd
from tests.pictures import browser
from tests.ship.c_programs import ROSENBROCK

pytestmark = pytest.mark.skipif(bool(browser.MISSING), reason=f"not installed: {', '.join(browser.MISSING)}")

POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'"

PAGE = """
import { load } from "./first.mjs";
import { load as loadSecond } from "./second.mjs";
const worker = new Worker("./worker.mjs", { type: "module" });
const answer = new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
const first = await load();
const second = await loadSecond(await (await fetch("second.wasm")).arrayBuffer());
const x = Array.from({ length: 100000 }, (_, k) => k/100000);
const said = {
  value: first.f(0.5, 2),
  gradient: Array.from(first.f_grad(0.5, 2)),
  hessian: Array.from(first.f_hess(0.5, 2)),
  batch: first.f.batch(x, 2).filter((_, k) => k % 9999 === 0),
  single: Array.from(second.g([1, 2, 3])),
  entries: Array.from(second.s([1, 2, 3, 4])),
  sparsity: second.s.sparsity,
  again: first.f(0.5, 2),
  worker: await answer,
};
said.batch = Array.from(said.batch);
document.title = JSON.stringify(said);
"""

WORKER = """
import { load } from "./first.mjs";
const first = await load();
self.postMessage(Array.from(first.f_grad.batch([0.5, 1], 2)));
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path):
    """A server's, which gives out the folder."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_pages_and_workers(tmp_path, tmp_path_factory, address):
    grad, hess = sd.grad(ROSENBROCK), sd.hessian(ROSENBROCK)
    sd.emit({"f": ROSENBROCK, "f_grad": grad, "f_hess": hess}, tmp_path, kinds="wasm", name="first")
    narrow = sd.function("g(x[3]) = exp(x)*x[0]", dtype="float32")
    sparse = sd.sparse_jacobian(sd.function("s(x[4]) = [x[0]*x[1], sin(x[1]), x[2]*x[3]]", dtype="float32"))
    sd.emit({"g": narrow, "s": sparse}, tmp_path, kinds="wasm", name="second")
    (tmp_path / "page.mjs").write_text(PAGE)
    (tmp_path / "worker.mjs").write_text(WORKER)
    (tmp_path / "index.html").write_text('<!doctype html><script type="module" src="page.mjs"></script>')
    with browser.opened(tmp_path_factory.mktemp("profile")) as driver:
        from selenium.webdriver.support.ui import WebDriverWait

        driver.get(f"{address}/index.html")
        WebDriverWait(driver, 30).until(lambda d: d.title.startswith("{"))
        said = json.loads(driver.title)
    assert said["again"] == said["value"]
    np.testing.assert_allclose(said["value"], ROSENBROCK(0.5, 2.0), rtol=1e-15)
    np.testing.assert_allclose(said["gradient"], grad(0.5, 2.0), rtol=1e-14)
    np.testing.assert_allclose(np.reshape(said["hessian"], (2, 2)), hess(0.5, 2.0), rtol=1e-14)
    np.testing.assert_allclose(said["batch"], ROSENBROCK(np.arange(0, 100000, 9999) / 100000, 2.0), rtol=1e-14)
    np.testing.assert_allclose(np.float32(said["single"]), narrow(np.float32([1, 2, 3])), rtol=3e-7)
    np.testing.assert_allclose(said["entries"], [2, 1, np.cos(2), 4, 3], rtol=1e-7)
    assert said["sparsity"] == {"shape": [3, 4], "starts": [0, 1, 3, 4, 5], "rows": [0, 0, 1, 2, 2]}
    wanted = grad(np.array([0.5, 1.0]), 2.0)
    np.testing.assert_allclose(np.reshape(said["worker"], (2, 2)), wanted, rtol=1e-14)
