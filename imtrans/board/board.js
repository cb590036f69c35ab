// A drawing board for a browser, in one file that needs no other: hard-edged strokes in the exact
// colours of a palette. A label map in between two colours would be of no class, so that pixels are
// set here, one by one; the paths of a canvas have soft edges.

const TOOLS = [
  { id: "brush", name: "Brush", key: "b", icon: "M4 20c4 0 5-2 5-4l9-11 2 2-11 9c-2 0-3 1-5 4z" },
  { id: "line", name: "Line", key: "l", icon: "M5 19 19 5" },
  { id: "rectangle", name: "Rectangle", key: "r", icon: "M4 6h16v12H4z", solid: true },
  { id: "frame", name: "Frame", key: "o", icon: "M4 6h16v12H4z" },
  { id: "fill", name: "Fill", key: "f", icon: "M11 3 3 11l7 7 8-8zM3 11h15M20 14c-2 3-2 5 0 5s2-2 0-5z" },
  { id: "eraser", name: "Eraser", key: "e", icon: "M8 20 3 15 14 4l6 6-10 10zM9 9l6 6M8 20h12" },
];
const ICONS = { undo: "M9 5 4 10l5 5M4 10h10a6 6 0 0 1 0 12h-2", redo: "m15 5 5 5-5 5M20 10H10a6 6 0 0 0 0 12h2",
  clear: "M5 7h14M10 4h4M7 7l1 13h8l1-13" };
const KEPT = 64e6; // bytes of undo
let boards = 0;

/**
 * A board within an element. `palette`: [{name, colour: "#rrggbb"}]; `onChange(canvas, {done})` is
 * called while somebody draws, at most once a frame, and with `done` at the end of each change.
 * `ratio`: how wide it is shown for its height, where its pixels are not to be square.
 * `load` and `pixels` give and take exact values: some browsers blur what a canvas is read for.
 */
export function createBoard(element, { width, height, palette, background, ratio = width / height, onChange = () => {} }) {
  const board = new Board(element, { width, height, palette, background, ratio, onChange });
  return {
    canvas: board.canvas,
    clear: () => board.clear(),
    undo: () => board.travel("undo"),
    redo: () => board.travel("redo"),
    load: (image, options) => board.load(image, options),
    pixels: () => new ImageData(board.raster.image.data.slice(), width, height),
    toBlob: () => new Promise((done) => board.canvas.toBlob(done, "image/png")),
    destroy: () => board.destroy(),
  };
}

/** "#rrggbb" as the four bytes of a pixel. */
function pixel(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return new Uint32Array(new Uint8ClampedArray([red, green, blue, 255]).buffer)[0];
}

/** Pixels, and the smallest area that holds all that were set since `clean`. */
class Raster {
  constructor(width, height, colour) {
    this.width = width;
    this.height = height;
    this.image = new ImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer).fill(colour);
    this.clean();
  }

  clean() {
    this.area = { left: this.width, top: this.height, right: 0, bottom: 0 };
  }

  /** One row from x to `end`, which is not part of it. */
  span(y, x, end, colour) {
    const from = Math.max(x, 0), to = Math.min(end, this.width), area = this.area;
    if (y < 0 || y >= this.height || from >= to) return;
    this.pixels.fill(colour, y * this.width + from, y * this.width + to);
    area.left = Math.min(area.left, from);
    area.right = Math.max(area.right, to);
    area.top = Math.min(area.top, y);
    area.bottom = Math.max(area.bottom, y + 1);
  }

  /** All pixels whose centre is within half of `size` of the line between two points. */
  line(start, end, size, colour) {
    const radius = size / 2, [ax, ay] = snapped(start, size), [bx, by] = snapped(end, size);
    const dx = bx - ax, dy = by - ay, long = dx * dx + dy * dy || 1;
    const low = Math.floor(Math.min(ax, bx) - radius), high = Math.ceil(Math.max(ax, bx) + radius);
    const inside = (x, y) => {
      const along = Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / long, 0), 1);
      return (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2 <= radius * radius + 1e-9;
    };
    for (let y = Math.floor(Math.min(ay, by) - radius); y < Math.max(ay, by) + radius; y++) {
      let from = low, to = high; // the shape is convex: a row of it has no gap
      while (from < high && !inside(from + 0.5, y + 0.5)) from++;
      while (to > from && !inside(to - 0.5, y + 0.5)) to--;
      this.span(y, from, to, colour);
    }
  }

  /** Both corners are part of it. `thick`: of a frame; else the rectangle is filled. */
  rectangle(start, end, colour, thick = Infinity) {
    const [left, right] = [start[0], end[0]].map(Math.floor).sort((a, b) => a - b);
    const [top, bottom] = [start[1], end[1]].map(Math.floor).sort((a, b) => a - b);
    for (let y = Math.max(top, 0); y <= Math.min(bottom, this.height - 1); y++) {
      if (Math.min(y - top, bottom - y) < thick) this.span(y, left, right + 1, colour);
      else {
        this.span(y, left, Math.min(left + thick, right + 1), colour);
        this.span(y, Math.max(right + 1 - thick, left), right + 1, colour);
      }
    }
  }

  /** All pixels of one colour that are connected by their sides. */
  fill([startX, startY], colour) {
    const { width, height, pixels } = this, old = pixels[startY * width + startX];
    const waiting = old === colour ? [] : [[startX, startY]];
    while (waiting.length) {
      const [x, y] = waiting.pop(), row = y * width;
      if (pixels[row + x] !== old) continue;
      let from = x, to = x + 1;
      while (from > 0 && pixels[row + from - 1] === old) from--;
      while (to < width && pixels[row + to] === old) to++;
      this.span(y, from, to, colour);
      for (const next of [y - 1, y + 1].filter((each) => each >= 0 && each < height))
        for (let at = from; at < to; at++)
          if (pixels[next * width + at] === old && (at === from || pixels[next * width + at - 1] !== old))
            waiting.push([at, next]);
    }
  }

  cut({ left, top, right, bottom }, pixels = this.pixels) {
    const rows = [];
    for (let y = top; y < bottom; y++) rows.push(pixels.slice(y * this.width + left, y * this.width + right));
    return rows;
  }

  paste({ left, top, right }, rows) {
    rows.forEach((row, y) => this.pixels.set(row, (top + y) * this.width + left));
    const { area } = this, bottom = top + rows.length;
    this.area = { left: Math.min(area.left, left), top: Math.min(area.top, top),
      right: Math.max(area.right, right), bottom: Math.max(area.bottom, bottom) };
  }
}

/** An odd brush is around the centre of a pixel, an even one around a corner. */
function snapped([x, y], size) {
  return size % 2 ? [Math.floor(x) + 0.5, Math.floor(y) + 0.5] : [Math.round(x), Math.round(y)];
}

/** What was changed: areas as they were and as they are. */
class History {
  constructor() {
    this.done = [];
    this.undone = [];
  }

  add(change) {
    this.undone = [];
    this.done.push(change);
    let bytes = 0;
    const size = ({ area }) => 8 * (area.right - area.left) * (area.bottom - area.top);
    const first = this.done.findLastIndex((each) => (bytes += size(each)) > KEPT);
    this.done.splice(0, Math.min(first + 1, this.done.length - 1));
  }
}

function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function icon(path, solid = false) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawn.setAttribute("d", path);
  if (solid) drawn.setAttribute("fill", "currentColor");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.append(drawn);
  return svg;
}

class Board {
  constructor(element, options) {
    Object.assign(this, options, { element, number: ++boards, tool: "brush", stroke: null, frame: 0 });
    this.raster = new Raster(this.width, this.height, pixel(this.background));
    this.history = new History();
    this.listening = new AbortController();
    const other = this.palette.findIndex(({ colour }) => colour.toLowerCase() !== this.background.toLowerCase());
    this.colour = Math.max(other, 0);
    this.canvas = make("canvas", { width: this.width, height: this.height, tabIndex: 0, role: "application",
      "aria-label": "Drawing. Arrow keys move the brush, space sets it down and lifts it." });
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.ring = make("div", { className: "ring", hidden: true });
    this.at = [this.width / 2, this.height / 2];
    this.build();
    this.listen();
    this.context.putImageData(this.raster.image, 0, 0);
    this.raster.clean();
  }

  build() {
    const area = make("div", { className: "area" }, this.canvas, this.ring);
    area.style.setProperty("--ratio", this.ratio);
    this.buttons = {};
    for (const [id, name] of [["undo", "Undo"], ["redo", "Redo"], ["clear", "Clear"]])
      this.buttons[id] = make("button", { type: "button", title: name, "aria-label": name, disabled: id !== "clear" }, icon(ICONS[id]));
    const largest = Math.max(8, Math.round(Math.max(this.width, this.height) / 6));
    const usual = this.palette.length > 2 ? 24 : 85; // labels are areas, drawings thin lines
    this.size = make("input", { type: "range", min: 1, max: largest, "aria-label": "Brush size in pixels",
      value: Math.max(1, Math.round(Math.max(this.width, this.height) / usual)) });
    this.size_said = make("output");
    this.element.classList.add("imtrans-board");
    this.element.replaceChildren(
      make("div", { className: "bar" }, this.tools(),
        make("div", { className: "acts" }, ...Object.values(this.buttons)),
        make("label", { className: "size" }, make("span", {}, "Size"), this.size, this.size_said)),
      area,
      this.colours(),
    );
    this.say_size();
  }

  tools() {
    this.tool_inputs = TOOLS.map(({ id }) => make("input", { type: "radio", name: `imtrans-tool-${this.number}`, value: id, checked: id === this.tool }));
    return make("fieldset", { className: "tools" }, make("legend", {}, "Tool"), ...TOOLS.map((tool, at) =>
      make("label", { title: `${tool.name} (${tool.key})` }, this.tool_inputs[at], icon(tool.icon, tool.solid), make("span", {}, tool.name))));
  }

  colours() {
    this.colour_inputs = this.palette.map((_, at) => make("input", { type: "radio", name: `imtrans-colour-${this.number}`, value: at, checked: at === this.colour }));
    const labels = this.palette.map(({ name, colour }, at) => {
      const label = make("label", { title: name }, this.colour_inputs[at], make("span", {}, name));
      label.style.setProperty("--colour", colour);
      return label;
    });
    return make("fieldset", { className: "colours" }, make("legend", {}, "Colour"), ...labels);
  }

  listen() {
    const { signal } = this.listening, on = (target, kind, heard) => target.addEventListener(kind, (event) => heard.call(this, event), { signal });
    on(this.canvas, "pointerdown", this.press);
    on(this.canvas, "pointermove", this.move);
    on(this.canvas, "pointerup", this.lift);
    on(this.canvas, "pointercancel", this.lift);
    on(this.canvas, "pointerleave", () => (this.ring.hidden = !this.stroke));
    on(this.canvas, "blur", () => {
      this.ring.hidden = true;
      if (this.stroke?.pointer === "keys") this.finish();
    });
    on(this.canvas, "keydown", this.steer);
    on(this.element, "keydown", this.shortcut);
    on(this.element, "input", this.choose);
    on(this.buttons.undo, "click", () => this.travel("undo"));
    on(this.buttons.redo, "click", () => this.travel("redo"));
    on(this.buttons.clear, "click", this.clear);
  }

  choose({ target }) {
    if (target === this.size) this.say_size();
    if (this.tool_inputs.includes(target)) this.tool = target.value;
    if (this.colour_inputs.includes(target)) {
      this.colour = Number(target.value);
      if (this.tool === "eraser") this.pick_tool("brush");
    }
  }

  pick_tool(id) {
    this.tool = id;
    this.tool_inputs[TOOLS.findIndex((tool) => tool.id === id)].checked = true;
  }

  say_size() {
    this.size_said.textContent = `${this.size.value} px`;
    this.show_ring();
  }

  /** Where on the drawing an event is (px). */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.width, ((event.clientY - box.top) / box.height) * this.height];
  }

  inside([x, y], margin = 0) {
    return [Math.min(Math.max(x, 0), this.width - margin), Math.min(Math.max(y, 0), this.height - margin)];
  }

  press(event) {
    if (this.stroke || event.button !== 0) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.begin(this.place(event), event.pointerId);
  }

  move(event) {
    const drawn = this.stroke?.pointer === event.pointerId;
    if (this.stroke && !drawn) return; // a second finger
    const events = drawn ? event.getCoalescedEvents?.() ?? [] : [];
    for (const each of events.length ? events : [event]) {
      this.at = this.place(each);
      if (drawn) this.go_on(this.at, event.shiftKey);
    }
    this.show_ring(event.pointerType !== "touch");
  }

  lift(event) {
    if (this.stroke?.pointer === event.pointerId) this.finish();
  }

  begin(point, pointer) {
    const name = this.tool === "eraser" ? this.background : this.palette[this.colour].colour;
    this.stroke = { pointer, start: point, last: point, colour: pixel(name), before: this.raster.pixels.slice() };
    this.raster.clean();
    if (this.tool === "fill") {
      this.raster.fill(this.inside(point.map(Math.floor), 1), this.stroke.colour);
      this.soon();
    } else this.go_on(point);
  }

  go_on(point, straight = false) {
    const { stroke, raster } = this, size = Number(this.size.value);
    if (this.tool === "fill") return;
    if (this.tool === "brush" || this.tool === "eraser") raster.line(stroke.last, point, size, stroke.colour);
    else {
      const { area } = raster;
      if (area.right > area.left) raster.paste(area, raster.cut(area, stroke.before));
      const end = straight ? constrained(stroke.start, point, this.tool) : point;
      if (this.tool === "line") raster.line(stroke.start, end, size, stroke.colour);
      else raster.rectangle(stroke.start, end, stroke.colour, this.tool === "frame" ? size : Infinity);
    }
    stroke.last = point;
    this.soon();
  }

  /** Shows what was drawn with the next frame, and tells of it. */
  soon() {
    this.frame ||= requestAnimationFrame(() => {
      this.show();
      this.onChange(this.canvas, { done: false });
    });
  }

  show() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { left, top, right, bottom } = this.raster.area;
    if (right > left) this.context.putImageData(this.raster.image, 0, 0, left, top, right - left, bottom - top);
  }

  finish() {
    const { before } = this.stroke, { area } = this.raster;
    this.stroke = null;
    if (area.right > area.left) this.history.add({ area, before: this.raster.cut(area, before), after: this.raster.cut(area) });
    this.settle();
  }

  /** After each change. */
  settle() {
    this.show();
    this.raster.clean();
    this.buttons.undo.disabled = !this.history.done.length;
    this.buttons.redo.disabled = !this.history.undone.length;
    this.onChange(this.canvas, { done: true });
  }

  travel(way) {
    if (this.stroke) return;
    const { done, undone } = this.history, [from, to] = way === "undo" ? [done, undone] : [undone, done];
    const change = from.pop();
    if (!change) return;
    to.push(change);
    this.raster.paste(change.area, way === "undo" ? change.before : change.after);
    this.settle();
  }

  /** All of the drawing at once, as one change. */
  replace(draw) {
    if (this.stroke) this.finish();
    this.stroke = { before: this.raster.pixels.slice() };
    draw();
    this.raster.area = { left: 0, top: 0, right: this.width, bottom: this.height };
    this.finish();
  }

  clear() {
    this.replace(() => this.raster.pixels.fill(pixel(this.background)));
  }

  /** An image, brought to the size of the board; `smooth` for photographs, never for label maps. */
  load(image, { smooth = false } = {}) {
    const scaled = new OffscreenCanvas(this.width, this.height).getContext("2d");
    scaled.fillStyle = this.background;
    scaled.fillRect(0, 0, this.width, this.height); // under what is transparent
    Object.assign(scaled, { imageSmoothingEnabled: smooth, imageSmoothingQuality: "high" });
    scaled.drawImage(image, 0, 0, this.width, this.height);
    this.replace(() => this.raster.image.data.set(scaled.getImageData(0, 0, this.width, this.height).data));
  }

  show_ring(seen = !this.ring.hidden) {
    const size = Number(this.size.value);
    const by_keys = this.canvas.matches(":focus-visible");
    this.ring.hidden = !seen || (!by_keys && ["rectangle", "fill"].includes(this.tool));
    this.ring.style.setProperty("--x", this.at[0] / this.width);
    this.ring.style.setProperty("--y", this.at[1] / this.height);
    this.ring.style.setProperty("--across", size / this.width);
    this.ring.style.setProperty("--down", size / this.height);
  }

  /** Drawing by keys alone. */
  steer(event) {
    const step = event.shiftKey ? 1 : Math.max(1, Math.round(Number(this.size.value) / 2));
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (event.key === " " || event.key === "Enter") {
      if (!this.stroke) this.begin(this.at, "keys");
      else if (this.stroke.pointer === "keys") this.finish();
      if (this.tool === "fill" && this.stroke) this.finish();
    } else if (x || y) {
      this.at = this.inside([this.at[0] + x * step, this.at[1] + y * step]);
      if (this.stroke?.pointer === "keys") this.go_on(this.at);
    } else return;
    this.show_ring(true);
    event.preventDefault();
  }

  shortcut(event) {
    const key = event.key.toLowerCase(), command = event.ctrlKey || event.metaKey;
    const tool = TOOLS.find((each) => each.key === key);
    if (command && (key === "z" || key === "y")) this.travel(key === "y" || event.shiftKey ? "redo" : "undo");
    else if (command || event.altKey) return;
    else if (tool && !this.stroke) this.pick_tool(tool.id);
    else if (key === "[" || key === "]") {
      this.size.value = Number(this.size.value) + (key === "]" ? 1 : -1);
      this.say_size();
    } else return;
    event.preventDefault();
  }

  destroy() {
    this.listening.abort();
    cancelAnimationFrame(this.frame);
    this.element.replaceChildren();
    this.element.classList.remove("imtrans-board");
  }
}

/** With shift: lines at multiples of 45 degrees, and squares. */
function constrained([ax, ay], [bx, by], tool) {
  const dx = bx - ax, dy = by - ay;
  if (tool !== "line") {
    const side = Math.max(Math.abs(dx), Math.abs(dy));
    return [ax + Math.sign(dx) * side, ay + Math.sign(dy) * side];
  }
  const turn = (Math.round((Math.atan2(dy, dx) * 4) / Math.PI) * Math.PI) / 4, long = Math.hypot(dx, dy);
  return [ax + Math.cos(turn) * long, ay + Math.sin(turn) * long];
}
