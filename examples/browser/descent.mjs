/** The points of gradient descent from a point, as [x, y], until the slope is small. */
export function descend(landscape, x, y, step = 0.1) {
  const path = [[x, y]];
  for (let k = 0; k < 1000; k++) {
    const [dx, dy] = landscape.height_grad(x, y);
    if (Math.hypot(dx, dy) < 1e-6) break;
    x -= step * dx;
    y -= step * dy;
    path.push([x, y]);
  }
  return path;
}
