"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  const whole = new Intl.NumberFormat("en");
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  function text(value) {
    if (value === null || value === undefined) return "-";
    const size = Math.abs(value);
    if (size >= 1000 && size < 1e9) return whole.format(Math.round(value));
    return size < 1e-4 && size ? String(Number(value.toExponential(3))).replace("e+", "e")
      : String(Number(value.toPrecision(4))).replace("e+", "e");
  }

  function radios(fieldset, labels, chosen, onChoice) {
    all("label", fieldset).forEach((label) => label.remove());
    labels.forEach((name, index) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      input.type = "radio";
      input.name = `choice-${radios.count}`;
      input.checked = index === chosen;
      input.addEventListener("change", () => onChoice(index));
      label.append(input, name);
      fieldset.append(label);
    });
    radios.count += 1;
  }
  radios.count = 0;

  // Charts: what is under the pointer, in all charts of a group at once.

  function nearest(steps, step) {
    let low = 0, high = steps.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (steps[middle] < step) low = middle; else high = middle;
    }
    return step - steps[low] <= steps[high] - step ? low : high;
  }

  function chart(figure, data) {
    const plot = one("[data-plot]", figure), cursor = one("[data-cursor]", figure);
    const values = all("[data-value]", figure), at = one("[data-at]", figure);
    const before = [...values.map((value) => value.textContent), at.textContent];
    const width = data.right - data.left;
    return {
      plot,
      show(step) {
        const closest = data.traces.map(({ steps }) => steps[nearest(steps, step)]);
        const shown = closest.reduce((a, b) => (Math.abs(b - step) < Math.abs(a - step) ? b : a));
        const read = data.traces.map(({ steps, values }) =>
          shown < steps[0] || shown > steps[steps.length - 1] ? null : values[nearest(steps, shown)]);
        read.forEach((value, line) => { values[line].textContent = text(value); });
        const value = read.find((each) => each !== null) ?? null;
        at.textContent = `at step ${whole.format(shown)}`;
        cursor.hidden = value === null;
        cursor.style.left = `${((shown - data.left) / width) * 100}%`;
        const share = (value - data.bottom) / (data.top - data.bottom);
        cursor.style.setProperty("--y", `${(1 - clamp(share, 0, 1)) * 100}%`);
      },
      clear() {
        cursor.hidden = true;
        values.forEach((value, index) => { value.textContent = before[index]; });
        at.textContent = before[before.length - 1];
      },
    };
  }

  function charts(group) {
    const data = JSON.parse(one('script[type="application/json"]', group).textContent);
    const found = all("[data-chart]", group).map((figure, index) => chart(figure, data[index]));
    const left = Math.min(...data.map((each) => each.left));
    const right = Math.max(...data.map((each) => each.right));
    const read = one("[data-read]", group), range = one("input", read), output = one("output", read);
    const show = (step) => {
      found.forEach((each) => each.show(step));
      range.value = ((step - left) / (right - left)) * 1000;
      output.textContent = whole.format(Math.round(step));
    };
    range.addEventListener("input", () => show(left + (range.value / 1000) * (right - left)));
    output.textContent = whole.format(right);
    read.hidden = false;
    found.forEach(({ plot }, index) => {
      plot.addEventListener("pointermove", (event) => {
        const box = plot.getBoundingClientRect();
        const share = clamp((event.clientX - box.left) / box.width, 0, 1);
        show(data[index].left + share * (data[index].right - data[index].left));
      });
      plot.addEventListener("pointerleave", () => found.forEach((each) => each.clear()));
    });
  }

  // Zoom: one picture at a time, at one place; digits switch between them.

  function zoomer(dialog) {
    const canvas = one("[data-canvas]", dialog), image = one("img", canvas);
    const scaleText = one("[data-scale]", dialog), sides = one("[data-sides]", dialog);
    const fingers = new Map();
    let pictures = [], side = 0, scale = 1, x = 0, y = 0;

    function place() {
      image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
      image.classList.toggle("pixelated", scale > 3);
      scaleText.textContent = `${Math.round(scale * 100)}%`;
    }
    function fit() {
      const { width, height } = pictures[side];
      scale = Math.min(canvas.clientWidth / width, canvas.clientHeight / height, 8) * 0.96;
      x = (canvas.clientWidth - width * scale) / 2;
      y = (canvas.clientHeight - height * scale) / 2;
      place();
    }
    function zoom(factor, atX = canvas.clientWidth / 2, atY = canvas.clientHeight / 2) {
      const next = clamp(scale * factor, 0.05, 64);
      x = atX - (atX - x) * (next / scale);
      y = atY - (atY - y) * (next / scale);
      scale = next;
      place();
    }
    function turnTo(index) {
      if (!pictures[index]) return;
      const before = pictures[side], next = pictures[index];
      scale *= before.width / next.width;  // the same part of a picture of another size
      side = index;
      image.src = next.src;
      image.width = next.width;
      image.height = next.height;
      image.alt = next.label;
      all("input", sides)[index].checked = true;
      place();
    }
    function local(event) {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    }
    function move(event) {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      const now = local(event), other = [...fingers].find(([id]) => id !== event.pointerId);
      if (other) {
        const [ox, oy] = other[1];
        const far = (point) => Math.hypot(point[0] - ox, point[1] - oy) || 1;
        zoom(far(now) / far(last), ox, oy);
      } else {
        x += now[0] - last[0];
        y += now[1] - last[1];
        place();
      }
      fingers.set(event.pointerId, now);
    }
    function key(event) {
      const arrows = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "+" || event.key === "=") zoom(1.25);
      else if (event.key === "-") zoom(0.8);
      else if (event.key === "0") fit();
      else if (/^[1-9]$/.test(event.key)) turnTo(Number(event.key) - 1);
      else if (arrows[event.key] && event.target === canvas) {
        x += arrows[event.key][0];
        y += arrows[event.key][1];
        place();
      } else return;
      event.preventDefault();
    }
    dialog.addEventListener("keydown", key);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), ...local(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, local(event));
    });
    canvas.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("dblclick", fit);
    one("[data-in]", dialog).addEventListener("click", () => zoom(1.25));
    one("[data-out]", dialog).addEventListener("click", () => zoom(0.8));
    one("[data-fit]", dialog).addEventListener("click", fit);
    one("[data-close]", dialog).addEventListener("click", () => dialog.close());
    window.addEventListener("resize", () => { if (dialog.open) fit(); });

    return (name, given, chosen) => {
      pictures = given;
      side = chosen;
      one("[data-name]", dialog).textContent = name;
      radios(sides, given.map((picture) => picture.label), chosen, turnTo);
      dialog.showModal();
      turnTo(chosen);
      fit();
      canvas.focus();
    };
  }

  // Pictures: one viewer with a divider, and the thumbnails that choose what it shows.

  function viewer(root, openZoom) {
    const stage = one("[data-stage]", root), wipe = one("[data-wipe]", root);
    const under = one("[data-under]", root), over = one("[data-over]", root);
    const compare = one("[data-compare]", root), any = all("[data-any]", root);
    const listed = one("[data-values]", root), thumbs = all("[data-thumb]", root);
    let current = 0, sides = new Map(), shown = [];

    function divide() {
      stage.style.setProperty("--at", `${wipe.value}%`);
    }
    function extent(image) {
      return ["width", "height"].map((side) => Number(image.getAttribute(side)));
    }
    function outputs() {
      return [...sides.keys()].filter((label) => sides.get(label).classList.contains("output"));
    }
    function size() {
      const [natural, tall] = outputs().map((label) => extent(sides.get(label)))
        .reduce((a, b) => (b[0] > a[0] ? b : a));
      const longest = Math.max(natural * 3, 384);
      const tallest = (window.innerHeight * 0.8 * natural) / tall;
      const beside = root.clientWidth - (compare ? 280 : 400);
      const wide = beside > 360 ? beside : root.clientWidth;
      stage.style.maxWidth = `${Math.min(longest, Math.max(tallest, 240), wide)}px`;
      stage.style.aspectRatio = `${natural} / ${tall}`;
      for (const image of [under, over])
        image.classList.toggle("pixelated", stage.clientWidth > 3.05 * natural);
    }
    function put(pair) {
      shown = [...pair];
      const [left, right] = pair;
      over.src = sides.get(left).src;
      over.alt = `${left} of ${thumbs[current].dataset.name}`;
      under.src = sides.get(right).src;
      under.alt = `${right} of ${thumbs[current].dataset.name}`;
      one("[data-left]", root).textContent = left;
      one("[data-right]", root).textContent = right;
      wipe.setAttribute("aria-label", `Divider between ${left} and ${right}`);
    }
    function offerPairs() {
      const pairs = [["source", "output"], ["output", "target"], ["source", "target"]];
      const possible = pairs.filter((pair) => pair.every((label) => sides.has(label)));
      if (!possible.length) possible.push(["output", "output"]);
      let chosen = possible.findIndex((pair) => pair.join() === shown.join());
      if (chosen < 0) chosen = Math.min(1, possible.length - 1);
      compare.hidden = possible.length < 2;
      radios(compare, possible.map((pair) => pair.join(" | ")), chosen, (each) => put(possible[each]));
      put(possible[chosen]);
    }
    function offerAny() {
      const labels = [...sides.keys()];
      if (!shown.length || !shown.every((label) => sides.has(label))) shown = outputs().slice(0, 2);
      any.forEach((fieldset, side) => radios(fieldset, labels, labels.indexOf(shown[side]), (each) => {
        const pair = [...shown], other = 1 - side;
        if (pair[other] === labels[each]) {  // the two change places
          pair[other] = pair[side];
          all("input", any[other])[labels.indexOf(pair[other])].checked = true;
        }
        pair[side] = labels[each];
        put(pair);
      }));
      put(shown);
    }
    function definitions(rows) {
      return rows.map(([name, value]) => {
        const row = document.createElement("div");
        const term = document.createElement("dt"), description = document.createElement("dd");
        term.textContent = name;
        description.textContent = value;
        row.append(term, description);
        return row;
      });
    }
    function table(columns, rows) {
      const made = document.createElement("table");
      made.className = "numbers";
      [["", ...columns], ...rows].forEach((cells, index) => {
        const row = (index ? made.tBodies[0] ?? made.createTBody() : made.createTHead()).insertRow();
        cells.forEach((text, column) => {
          const cell = document.createElement(index && column ? "td" : "th");
          if (cell.tagName === "TH") cell.scope = index ? "row" : "col";
          cell.textContent = text;
          row.append(cell);
        });
      });
      return made;
    }
    function list({ columns, rows }) {
      listed.hidden = !rows.length;
      listed.replaceChildren(...(columns.length ? [table(columns, rows)] : definitions(rows)));
    }
    function show(index) {
      thumbs[current].setAttribute("aria-pressed", "false");
      current = (index + thumbs.length) % thumbs.length;
      const thumb = thumbs[current];
      thumb.setAttribute("aria-pressed", "true");
      sides = new Map(all("img", thumb).map((image) => [image.dataset.side, image]));
      one("[data-name]", root).textContent = thumb.dataset.name;
      list(JSON.parse(thumb.dataset.values));
      if (compare) offerPairs(); else offerAny();
      size();
    }
    for (const thumb of thumbs.filter((each) => each.dataset.same)) {  // a page has a picture once
      const first = one(`[data-number="${thumb.dataset.same}"] .sides`, root);
      one(".above", thumb).replaceWith(first.cloneNode(true));
    }
    wipe.addEventListener("input", divide);
    thumbs.forEach((thumb, index) => thumb.addEventListener("click", () => {
      show(index);
      if (stage.getBoundingClientRect().bottom < 80) root.scrollIntoView();
    }));
    one("[data-previous]", root).addEventListener("click", () => show(current - 1));
    one("[data-next]", root).addEventListener("click", () => show(current + 1));
    one("[data-zoom]", root).addEventListener("click", () => {
      const pictures = [...sides].map(([label, image]) => {
        const [width, height] = extent(image);
        return { label, src: image.src, width, height };
      });
      openZoom(thumbs[current].dataset.name, pictures, [...sides.keys()].indexOf(outputs()[0]));
    });
    window.addEventListener("resize", size);
    one("[data-viewer]", root).hidden = false;
    show(0);
    divide();
  }

  // The film: cells of the grid on canvases, drawn from the frame of a step.

  function film(root) {
    const { translators, steps, notes } = JSON.parse(one('script[type="application/json"]', root).textContent);
    const rows = Number(root.dataset.rows), cells = one("[data-cells]", root);
    const frames = all("img.frame", root), sources = one("img.sources", root), targets = one("img.targets", root);
    const range = one("[data-frame]", root), play = one("[data-play]", root);
    const width = Number(frames[0].getAttribute("width"));
    const height = Number(frames[0].getAttribute("height")) / rows;
    const outputs = [];
    let timer = 0;

    function canvas(label) {
      const made = document.createElement("canvas");
      made.width = width;
      made.height = height;
      made.setAttribute("role", "img");
      made.setAttribute("aria-label", label);
      return made;
    }
    function draw(made, image, row) {
      const across = image.naturalWidth, down = image.naturalHeight / rows;
      made.getContext("2d").drawImage(image, 0, row * down, across, down, 0, 0, width, height);
    }
    function column(cell, name, row, image) {
      const made = canvas(`${name} of sample ${row + 1}`);
      const box = document.createElement("div"), label = document.createElement("span");
      label.textContent = name;
      box.append(label, made);
      cell.append(box);
      if (image) image.decode().then(() => draw(made, image, row));
      else outputs.push(made);
    }
    function show(index) {
      const frame = frames[index];
      range.value = index;
      const step = `step ${whole.format(steps[index])}`;
      one("[data-step]", root).textContent = step;
      range.setAttribute("aria-valuetext", step);
      one("[data-note]", root).textContent = notes[index];
      frame.decode().then(() => {
        if (Number(range.value) === index) outputs.forEach((made, row) => draw(made, frame, row));
      });
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
    }
    function start() {
      if (Number(range.value) === frames.length - 1) show(0);
      play.textContent = "Pause";
      timer = setInterval(() => {
        show(Number(range.value) + 1);
        if (Number(range.value) === frames.length - 1) stop();
      }, 180);
    }

    const each = rows / translators.length;
    translators.forEach((name, index) => {
      if (translators.length > 1) {
        const title = document.createElement("h3");
        title.textContent = name;
        cells.append(title);
      }
      const grid = document.createElement("div");
      grid.className = "cells";
      for (let row = index * each; row < (index + 1) * each; row += 1) {
        const cell = document.createElement("div");
        cell.className = "cell";
        column(cell, "source", row, sources);
        column(cell, "output", row, null);
        if (targets) column(cell, "target", row, targets);
        grid.append(cell);
      }
      cells.append(grid);
    });
    range.addEventListener("input", () => { stop(); show(Number(range.value)); });
    play.addEventListener("click", () => (timer ? stop() : start()));
    one("[data-controls]", root).hidden = false;
    one("[data-strip]", root).hidden = true;
    show(frames.length - 1);
  }

  function copies(root) {
    const button = one("button", root);
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = one("code", root);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  function sections() {
    const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const link = links.get(entry.target.id);
        if (!link || !entry.isIntersecting) continue;
        links.forEach((other) => other.removeAttribute("aria-current"));
        link.setAttribute("aria-current", "true");
      }
    }, { rootMargin: "-20% 0px -75%" });
    all("main section[id]").forEach((section) => seen.observe(section));
  }

  document.documentElement.classList.add("scripted");
  const dialog = one("[data-zoom-dialog]"), openZoom = dialog && zoomer(dialog);
  all("[data-pictures]").forEach((root) => viewer(root, openZoom));
  all("[data-film]").forEach(film);
  all("[data-charts]").forEach(charts);
  all("[data-copy]").forEach(copies);
  sections();
})();
