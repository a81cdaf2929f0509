"use strict";
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const data = JSON.parse($("#data").textContent);
const rows = new Map($$("tbody tr").map((row) => [row.dataset.node, row]));
const stage = $(".stage"), told = $(".told");
let svg, scene, view = { x: 0, y: 0, scale: 1 }, order = [], position = 0, timer = 0;

// The scene that is seen, and the way to it

function show(key, focus) {
  scene = key;
  if (svg) svg.remove();
  svg = $(`template[data-scene="${key}"]`).content.firstElementChild.cloneNode(true);
  svg.dataset.width = svg.getAttribute("width");
  svg.dataset.height = svg.getAttribute("height");
  svg.setAttribute("preserveAspectRatio", "none");
  $(".paper", svg).remove();
  stage.prepend(svg);
  for (const block of $$("[data-opens]", svg)) {
    block.setAttribute("tabindex", "0");
    block.setAttribute("role", "button");
    block.setAttribute("aria-label", `open ${block.textContent}`);
  }
  const path = [];
  for (let k = key; k; k = data.scenes[k].parent) path.unshift(k);
  $("nav").replaceChildren(
    ...path.flatMap((k, i) => {
      const button = document.createElement("button");
      button.textContent = i ? data.scenes[k].title : "circuit";
      button.disabled = k === key;
      button.onclick = () => show(k);
      return i ? ["›", button] : [button];
    }),
  );
  $("nav").hidden = path.length < 2;
  const here = new Set($$("[data-node]", svg).map((unit) => unit.dataset.node));
  for (const [node, row] of rows) row.hidden = !here.has(node);
  order = $$(".unit", svg)
    .filter((unit) => unit.dataset.node && !unit.classList.contains("outside"))
    .sort((a, b) => a.dataset.order - b.dataset.order);
  go(length());
  fit();
  if (focus) trace(focus);
}

// Replay: forward, then backward

const length = () => order.length * (data.backward ? 2 : 1);

function go(to) {
  position = Math.max(0, Math.min(length(), to));
  const count = order.length, done = position === length();
  const back = position > count, at = back ? order[2 * count - position] : order[position - 1];
  svg.classList.toggle("replaying", !done);
  svg.classList.toggle("backward", back && !done);
  order.forEach((unit, k) => {
    const computed = k < position, appended = unit.classList.contains("appended");
    unit.classList.toggle("computed", computed);
    unit.classList.toggle("returned", appended && !data.backward ? computed : k >= 2 * count - position);
    unit.classList.toggle("current", !done && unit === at);
  });
  for (const wire of $$(".wire", svg)) {
    const end = back ? wire.dataset.from : wire.dataset.to;
    wire.classList.toggle("active", !done && !!at && end === at.dataset.unit);
  }
  for (const row of rows.values()) row.classList.remove("current");
  const row = !done && at && rows.get(at.dataset.node);
  told.replaceChildren();
  if (row) {
    row.classList.add("current");
    row.scrollIntoView({ block: "nearest" });
    say(row, back && at);
  }
  if (timer && done) pause();
}

function say(row, back) {
  const text = (column) => $(`.${column}`, row)?.textContent ?? "";
  const bold = (column) =>
    Object.assign(document.createElement("b"), { className: column, textContent: text(column) });
  if (back) told.append(`∂${data.output}/∂`, bold("name"), rule(back, text("name")), " = ", bold("gradient"));
  else told.append(bold("name"), text("expression") && ` = ${text("expression")}`, " = ", bold("value"));
}

// The chain rule at a unit, where all that use its value are seen.
function rule(unit, name) {
  const users = $$(".wire", svg)
    .filter((wire) => wire.dataset.from === unit.dataset.unit)
    .map((wire) => $(`[data-unit="${CSS.escape(wire.dataset.to)}"]`, svg));
  if (!users.length || users.length > 4 || $(".leaves", unit)) return "";
  if (!users.every((user) => user.classList.contains("operation") && rows.has(user.dataset.node))) return "";
  const names = users.map((user) => $(".name", rows.get(user.dataset.node)).textContent);
  return ` = ${names.map((user) => `∂${data.output}/∂${user}·∂${user}/∂${name}`).join(" + ")}`;
}

function play() {
  if (timer) return pause();
  if (position === length()) go(0);
  timer = setInterval(() => go(position + 1), 850);
  document.body.classList.add("playing");
}

function pause() {
  clearInterval(timer);
  timer = 0;
  document.body.classList.remove("playing");
}

// What the adjoint of a unit is put together from

function trace(unit) {
  const on = new Set([unit.dataset.unit]), wires = $$(".wire", svg);
  for (let grown = true; grown; ) {
    grown = false;
    for (const wire of wires)
      if (on.has(wire.dataset.from) && !on.has(wire.dataset.to)) grown = !!on.add(wire.dataset.to);
  }
  svg.classList.add("tracing");
  for (const other of $$(".unit", svg)) other.classList.toggle("traced", on.has(other.dataset.unit));
  for (const wire of wires) wire.classList.toggle("traced", on.has(wire.dataset.from));
}

const untrace = () => svg.classList.remove("tracing");

// Pan and zoom: the part of the picture that the stage shows

function place() {
  const box = stage.getBoundingClientRect();
  svg.setAttribute("viewBox", `${view.x} ${view.y} ${box.width * view.scale} ${box.height * view.scale}`);
}

function fit() {
  const box = stage.getBoundingClientRect(), width = +svg.dataset.width, height = +svg.dataset.height;
  view.scale = Math.min(2.2, Math.max(0.6, width / box.width, height / box.height));
  view.x = width < box.width * view.scale ? (width - box.width * view.scale) / 2 : 0;
  view.y = (height - box.height * view.scale) / 2;
  place();
}

function zoom(factor, x, y) {
  const box = stage.getBoundingClientRect();
  const px = (x ?? box.left + box.width / 2) - box.left, py = (y ?? box.top + box.height / 2) - box.top;
  const scale = Math.min(20, Math.max(0.1, view.scale * factor));
  view.x += px * (view.scale - scale);
  view.y += py * (view.scale - scale);
  view.scale = scale;
  place();
}

const pointers = new Map();
let moved = 0;
stage.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, event);
  moved = 0;
});
addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const others = [...pointers.values()].filter((p) => p.pointerId !== event.pointerId);
  if (others.length) {
    const far = (p) => Math.hypot(p.clientX - others[0].clientX, p.clientY - others[0].clientY);
    zoom(far(before) / Math.max(far(event), 1), others[0].clientX, others[0].clientY);
  } else {
    moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
    view.x -= (event.clientX - before.clientX) * view.scale;
    view.y -= (event.clientY - before.clientY) * view.scale;
    stage.classList.add("held");
    place();
  }
  pointers.set(event.pointerId, event);
});
for (const name of ["pointerup", "pointercancel"])
  addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    stage.classList.remove("held");
  });
stage.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 300), event.clientX, event.clientY);
  },
  { passive: false },
);

// Pointing and clicking

stage.addEventListener("click", (event) => {
  if (moved > 4) return;
  const unit = event.target.closest(".unit");
  if (!unit) untrace();
  else if (unit.dataset.opens) show(unit.dataset.opens);
  else if (!unit.classList.contains("constant")) trace(unit);
});
stage.addEventListener("pointerover", (event) => point(event.target.closest?.(".unit")?.dataset.node));
$("tbody")?.addEventListener("pointerover", (event) => point(event.target.closest("tr")?.dataset.node));
$("tbody")?.addEventListener("click", (event) => {
  const node = event.target.closest("tr").dataset.node;
  const unit = $(`[data-node="${node}"]`, svg), box = stage.getBoundingClientRect(), own = unit.getBBox();
  const shift = $(":scope > g", svg).transform.baseVal[0].matrix;
  view.x = own.x + shift.e + (own.width - box.width * view.scale) / 2;
  view.y = own.y + shift.f + (own.height - box.height * view.scale) / 2;
  place();
  trace(unit);
});

function point(node) {
  for (const other of $$(".pointed")) other.classList.remove("pointed");
  if (!node) return;
  rows.get(node)?.classList.add("pointed");
  for (const unit of $$(`[data-node="${node}"]`, svg)) unit.classList.add("pointed");
}

// Buttons and keys

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

function up() {
  const parent = data.scenes[scene].parent;
  if (parent) show(parent);
  else untrace();
}

const actions = {
  start: () => go(0),
  back: () => go(position - 1),
  play,
  next: () => go(position === length() ? 1 : position + 1),
  end: () => go(length()),
  closer: () => zoom(0.8),
  farther: () => zoom(1.25),
  fit,
  table: () => ($("aside").classList.toggle("away"), place()),
  theme,
};
for (const [name, action] of Object.entries(actions))
  $(`#${name}`)?.addEventListener("click", () => {
    if (["start", "back", "next", "end"].includes(name)) pause();
    action();
  });
const keys = {
  ArrowRight: "next", ArrowLeft: "back", Home: "start", End: "end", " ": "play",
  "+": "closer", "=": "closer", "-": "farther", 0: "fit", t: "theme", s: "table",
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const opens = document.activeElement?.dataset?.opens;
  if (event.key === "Escape") up();
  else if ((event.key === "Enter" || event.key === " ") && opens) show(opens);
  else if (event.key === " " && document.activeElement?.tagName === "BUTTON") return;
  else if (keys[event.key] && $(`#${keys[event.key]}`)) $(`#${keys[event.key]}`).click();
  else return;
  event.preventDefault();
});
addEventListener("resize", place);
show(data.first);
