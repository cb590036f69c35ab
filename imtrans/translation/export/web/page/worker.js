// The network, beside the page: while it computes, strokes are drawn as if it did not.

import * as ort from "./runtime/ort.wasm.bundle.min.js";
import { normal } from "./noise.js";
import { toPixels, toSource } from "./pictures.js";

let model, session;

self.onmessage = async ({ data }) => {
  try {
    if (data.model) await load(data.model);
    else await translate(data);
  } catch (error) {
    self.postMessage({ error: String(error?.message ?? error), loading: !session });
  }
};

async function load(described) {
  model = described;
  const content = await fetched(model.model);
  // More threads need a server that isolates the page (COOP and COEP); most static ones do not.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency ?? 1, 4) : 1;
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  self.postMessage({ ready: true });
}

async function digest(content) {
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(found, (value) => value.toString(16).padStart(2, "0")).join("");
}

/** The files of the network in one piece, and how much of it is here, some times a second. */
async function fetched({ files, bytes, sha256 }) {
  const content = new Uint8Array(bytes), named = files.join(" + ");
  let have = 0, said = 0;
  for (const file of files) {
    const answer = await fetch(new URL(file, import.meta.url));
    if (!answer.ok) throw new Error(`${file}: the server answers ${answer.status}`);
    const reader = answer.body.getReader();
    for (let part; !(part = await reader.read()).done; have += part.value.length) {
      if (have + part.value.length <= bytes) content.set(part.value, have);
      if (performance.now() < said + 100) continue;
      said = performance.now();
      self.postMessage({ loaded: have, of: bytes });
    }
  }
  if (have !== bytes)
    throw new Error(`${named}: ${have} bytes, of ${bytes} when it was exported. was it copied whole? of Git LFS, a pointer is no model`);
  if (crypto.subtle && (await digest(content)) !== sha256) // which only https and localhost have
    throw new Error(`${named} is damaged: it is not the file that was exported. copy it again`);
  return content;
}

async function translate({ number, pixels, width, height, seed }) {
  const start = performance.now(), { source, output, noise } = model;
  const given = { source: new ort.Tensor("float32", toSource(pixels, source), [1, source.channels, height, width]) };
  if (noise) given.noise = new ort.Tensor("float32", normal(seed, noise * width * height), [1, noise, height, width]);
  const made = await session.run(given), values = made.output.data;
  const shown = toPixels(values, output), kept = output.shown ? toPixels(values, output, true) : null;
  for (const each of [...Object.values(given), ...Object.values(made)]) each.dispose();
  const answer = { number, width, height, shown, kept, took: performance.now() - start };
  self.postMessage(answer, [shown.buffer, ...(kept ? [kept.buffer] : [])]);
}
