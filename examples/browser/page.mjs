import { load } from "./build/landscape.mjs";
import { descend } from "./descent.mjs";

const landscape = await load();
const canvas = document.getElementById("map");
const context = canvas.getContext("2d");
const { width, height } = canvas;
const reach = 3; // the map is of -3 to 3
const toPixel = ([x, y]) => [((x + reach) / (2 * reach)) * width, ((reach - y) / (2 * reach)) * height];
const fromPixel = (i, j) => [(2 * reach * i) / width - reach, reach - (2 * reach * j) / height];

/** The map: all pixels in one call. */
function draw() {
  const x = new Float64Array(width * height);
  const y = new Float64Array(width * height);
  for (let k = 0; k < x.length; k++) [x[k], y[k]] = fromPixel(k % width, Math.floor(k / width));
  const image = context.createImageData(width, height);
  landscape.height.batch(x, y).forEach((z, k) => {
    const light = 255 / (1 + Math.exp(-1.5 * z));
    image.data.set([light, 0.9 * light + 20, 255 - light / 2, 255], 4 * k);
  });
  context.putImageData(image, 0, 0);
}

canvas.addEventListener("click", ({ offsetX, offsetY }) => {
  const path = descend(landscape, ...fromPixel(offsetX, offsetY));
  draw();
  context.beginPath();
  path.forEach((point) => context.lineTo(...toPixel(point)));
  context.stroke();
  const [x, y] = path.at(-1);
  const said = `${path.length - 1} steps to (${x.toFixed(4)}, ${y.toFixed(4)})`;
  document.getElementById("said").textContent = `${said}, height ${landscape.height(x, y).toFixed(4)}`;
});

draw();
