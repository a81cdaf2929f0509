// The same functions in Node.
import { load } from "./build/landscape.mjs";
import { descend } from "./descent.mjs";

const landscape = await load();
const path = descend(landscape, 2, 1.5);
const [x, y] = path.at(-1);
console.log(`${path.length - 1} steps to (${x.toFixed(4)}, ${y.toFixed(4)}), height ${landscape.height(x, y).toFixed(4)}`);
const [dx, dy] = landscape.height_grad(x, y);
if (Math.hypot(dx, dy) > 1e-6) process.exit(1);
