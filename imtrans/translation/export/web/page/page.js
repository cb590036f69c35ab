// The page: a board on one side, what the network makes of it on the other.

import { createBoard } from "./board.js";
import { fitted, sizeFor } from "./pictures.js";

const MOST = 4_194_304; // pixels of a translation: memory of a browser ends at 4 GB
const LARGEST = 60_000_000; // pixels of a picture that is opened
const SEEN = 300_000; // pixels of the camera's picture, where the scale of training does not say
const NEEDED = { WebAssembly: "WebAssembly", Worker: "workers", OffscreenCanvas: "OffscreenCanvas", createImageBitmap: "createImageBitmap" };
const by = (id) => document.getElementById(id);

let model, board, camera, own;
const network = { worker: null, ready: false, busy: false, next: null, number: 0, made: null };

function complain(text) {
  by("problem").textContent = text;
  by("problem").hidden = !text;
}

// --- the network ---

function startNetwork() {
  network.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  network.worker.onmessage = ({ data }) => hear(data);
  network.worker.onerror = (event) => {
    event.preventDefault();
    complain(`The network cannot be started: ${event.message || "a file of this folder is missing, or the browser is too old"}.`);
  };
  network.worker.postMessage({ model });
}

function hear(data) {
  if (data.error !== undefined) {
    network.busy = false;
    complain(data.loading ? `The network cannot be loaded: ${data.error}` : `This cannot be translated: ${data.error}`);
    if (!data.loading) next();
  } else if (data.loaded !== undefined) {
    by("progress").value = data.loaded / data.of;
    by("loading-said").textContent = `Loading the network: ${megabytes(data.loaded)} of ${megabytes(data.of)} MB`;
  } else if (data.ready) {
    network.ready = true;
    by("loading-said").textContent = "Translating";
    translate();
  } else {
    network.busy = false;
    network.made = data;
    show(data);
    next();
  }
}

/** Of all that is drawn while the network computes, the last is translated. */
function translate(pixels = board.pixels()) {
  network.next = { pixels: pixels.data, width: pixels.width, height: pixels.height, own, seed: Number(by("seed").value) >>> 0 };
  next();
}

function next() {
  if (network.busy || !network.ready || !network.next) return;
  const job = network.next;
  network.next = null;
  network.busy = true;
  network.source = new ImageData(job.pixels, job.width, job.height);
  network.own = job.own;
  network.worker.postMessage({ ...job, number: ++network.number });
}

function show({ width, height, shown, took }) {
  put(by("output"), new ImageData(shown, width, height));
  put(by("before"), network.source);
  by("loading").hidden = true;
  by("download").disabled = false;
  by("status").textContent = `${width} × ${height} px · ${duration(took)}`;
  document.body.dataset.translated = network.number;
}

function put(canvas, image) {
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// --- the board, and pictures ---

/** `own`: width and height that its picture has by itself. */
function newBoard([width, height], [across, down] = [width, height]) {
  board?.destroy();
  own = [across, down];
  const ratio = across / down;
  document.documentElement.style.setProperty("--ratio", ratio);
  const { palette, background } = model.board;
  board = createBoard(by("board"), { width, height, ratio, palette, background, onChange: () => translate() });
  measureTools();
}

/** The output begins where the drawing does: below the board's tools. */
function measureTools() {
  const bar = by("board").querySelector(".bar");
  document.documentElement.style.setProperty("--tools", `${bar ? bar.offsetHeight + 12 : 0}px`);
}

async function open(blob, name = blob.name || "the picture") {
  complain("");
  stopCamera();
  let picture;
  try {
    picture = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  } catch {
    complain(`${name} cannot be read as a picture: PNG, JPEG and WebP can.`);
    return;
  }
  const [width, height] = sizeFor(model, picture.width, picture.height), { enlarge = 1 } = model.source;
  const size = [picture.width * enlarge, picture.height * enlarge];
  if (picture.width * picture.height > LARGEST || width * height > MOST)
    complain(`${name} is too large: ${picture.width} × ${picture.height} px${enlarge > 1 ? `, ${enlarge} times enlarged` : ""}. A page can translate ${MOST / 2 ** 20} megapixels; make it smaller, or use imtrans itself.`);
  else {
    newBoard([width, height], size);
    board.load(fitted(picture, width, height, model));
  }
  picture.close();
}

function listenForPictures() {
  by("file").onchange = () => {
    if (by("file").files.length) open(by("file").files[0]);
    by("file").value = ""; // so that the same file can be opened again
  };
  const dropping = (on) => document.body.classList.toggle("dropping", on);
  addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.items].some(({ kind }) => kind === "file")) return;
    event.preventDefault();
    dropping(true);
  });
  addEventListener("dragleave", (event) => !event.relatedTarget && dropping(false));
  addEventListener("drop", (event) => {
    event.preventDefault();
    dropping(false);
    if (event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (file) open(file, "the pasted picture");
  });
}

// --- the camera ---

async function startCamera() {
  complain("");
  const video = document.createElement("video");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  } catch (error) {
    complain(error.name === "NotAllowedError" ? "The browser does not let this page use the camera." : "There is no camera that this page can use.");
    return;
  }
  Object.assign(video, { muted: true, playsInline: true });
  await video.play();
  stopCamera();
  const seen = [video.videoWidth, video.videoHeight], share = Math.min(1, Math.sqrt(SEEN / (seen[0] * seen[1])));
  newBoard(sizeFor(model, ...seen.map((side) => Math.round(side * share))), seen);
  camera = video;
  by("camera").hidden = false;
  by("board").hidden = by("inputs").hidden = true;
  document.documentElement.style.setProperty("--tools", "32px");
  requestAnimationFrame(watch);
}

/** One picture after another, each once the one before is translated. */
function watch() {
  if (!camera) return;
  const { width, height } = board.canvas;
  if (!network.next) {
    const frame = fitted(camera, width, height, model);
    const pixels = frame.getContext("2d").getImageData(0, 0, width, height);
    put(by("live"), pixels);
    translate(pixels);
  }
  requestAnimationFrame(watch);
}

function stopCamera({ take = false } = {}) {
  if (!camera) return;
  const { width, height } = board.canvas, last = fitted(camera, width, height, model);
  for (const track of camera.srcObject.getTracks()) track.stop();
  camera = null;
  by("camera").hidden = true;
  by("board").hidden = by("inputs").hidden = false;
  measureTools();
  if (take) board.load(last);
  else translate();
}

// --- what belongs to the output ---

/** At its own size, as imtrans writes it; label maps have no colours in between. */
async function download(pixels, [width, height], smooth, name) {
  const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext("2d");
  const picture = await createImageBitmap(pixels, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  Object.assign(pen, { imageSmoothingEnabled: smooth, imageSmoothingQuality: "high" });
  pen.drawImage(picture, 0, 0, width, height);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function listen() {
  by("wipe").oninput = () => {
    by("stage").style.setProperty("--at", `${by("wipe").value}%`);
    by("stage").classList.toggle("comparing", by("wipe").value > 0);
  };
  by("download").onclick = () => {
    const { shown, kept, width, height } = network.made;
    download(new ImageData(kept ?? shown, width, height), network.own, !model.output.classes, "output.png");
  };
  by("download-source").onclick = () => download(board.pixels(), [board.canvas.width, board.canvas.height], false, "source.png");
  by("seed").oninput = () => translate();
  by("another").onclick = () => {
    by("seed").value = crypto.getRandomValues(new Uint32Array(1))[0];
    translate();
  };
  by("start-camera").hidden = !navigator.mediaDevices?.getUserMedia; // only over https, and localhost
  by("start-camera").onclick = startCamera;
  by("take").onclick = () => stopCamera({ take: true });
  by("stop").onclick = () => stopCamera();
  addEventListener("resize", () => !camera && measureTools());
  listenForPictures();
}

// --- words ---

const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
const duration = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function describe() {
  const { about, takes, kind, noise, output } = model;
  by("lead").textContent = kind === "photograph"
    ? `It takes ${takes}: open one, or paint. The output follows as you draw.`
    : `It takes ${takes}: draw, and the output follows.`;
  by("seeding").hidden = !noise;
  by("details").hidden = false;
  const made = output.classes ? "a label map" : { 1: "a grey picture", 3: "a picture", 4: "a picture with transparency" }[output.channels];
  const facts = { Takes: takes, Gives: made, Scale: about.scale ?? "pixel by pixel", Steps: about.step.toLocaleString("en"), Precision: about.precision,
    "Largest difference from imtrans": `${about.parity.max_difference.toPrecision(2)} (of -1 to 1)`, Network: `${megabytes(model.model.bytes)} MB`, imtrans: about.imtrans };
  by("about").replaceChildren(...Object.entries(facts).map(([term, text]) => {
    const pair = document.createElement("div");
    pair.append(Object.assign(document.createElement("dt"), { textContent: term }), Object.assign(document.createElement("dd"), { textContent: text }));
    return pair;
  }));
}

async function start() {
  by("waiting").remove();
  const missing = Object.keys(NEEDED).filter((name) => !(name in globalThis));
  if (missing.length) return complain(`This browser has no ${missing.map((name) => NEEDED[name]).join(" and no ")}; one of 2023 or later has.`);
  try {
    const answer = await fetch(new URL("./model.json", import.meta.url));
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    model = await answer.json();
  } catch (error) {
    return complain(`model.json cannot be loaded: ${error.message}. Was the whole folder copied?`);
  }
  try {
    describe();
    newBoard([model.board.width, model.board.height], model.board.shown);
  } catch (error) {
    return complain(`model.json is not that of this page: ${error.message}. Was the whole folder copied?`);
  }
  by("main").hidden = false;
  measureTools();
  listen();
  startNetwork();
}

start();
