// Between pictures, RGBA of 0 to 255, and what the network takes and gives: (1, C, H, W).

/** Width and height at which a picture is translated: at the scale of training, and a multiple of
 * the network's stride. */
export function sizeFor({ scale, stride, smallest, source }, width, height) {
  let across = width * (source.enlarge ?? 1), down = height * (source.enlarge ?? 1);
  if (scale?.factors) {
    across *= scale.factors[0];
    down *= scale.factors[1];
  } else if (scale) {
    const [tall, wide] = Array.isArray(scale.size) ? scale.size : [scale.size, scale.size];
    const share = Math.max(tall / height, wide / width);
    [across, down] = scale.resize === "shorter" ? [width * share, height * share] : [wide, tall];
  }
  const side = (px) => Math.max(Math.round(px / stride) * stride, smallest);
  return [side(across), side(down)];
}

const hex = (red, green, blue) => (red << 16) | (green << 8) | blue;
const number = (colour) => parseInt(colour.slice(1), 16);

/** A source of pixels, as float32. */
export function toSource(pixels, { channels, range, stored, hole }) {
  const count = pixels.length / 4, source = new Float32Array(channels * count);
  const [low, high] = range, scaled = (value) => low + (value / 255) * (high - low);
  const numbers = stored && new Map(Object.entries(stored).map(([colour, values]) => [number(colour), values]));
  const gone = hole === undefined ? -1 : number(hole);
  for (let i = 0; i < count; i++) {
    const [red, green, blue] = [pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2]];
    if (numbers) {
      const values = numbers.get(hex(red, green, blue)) ?? nearest(stored, red, green, blue);
      for (let c = 0; c < channels; c++) source[c * count + i] = values[c];
    } else if (channels === 1) {
      source[i] = scaled(Math.round(0.299 * red + 0.587 * green + 0.114 * blue)); // as Pillow does
    } else {
      source[i] = scaled(red);
      source[count + i] = scaled(green);
      source[2 * count + i] = scaled(blue);
      if (channels === 4) source[3 * count + i] = hex(red, green, blue) === gone ? low : high;
    }
  }
  return source;
}

function nearest(stored, red, green, blue) {
  const away = (colour) => {
    const value = number(colour);
    return ((value >> 16) - red) ** 2 + (((value >> 8) & 255) - green) ** 2 + ((value & 255) - blue) ** 2;
  };
  return stored[Object.keys(stored).reduce((one, other) => (away(other) < away(one) ? other : one))];
}

/** Pixels of an output: to look at, with classes in colours; or as they are `stored`, to be kept. */
export function toPixels(values, { channels, range, shown }, asStored = false) {
  const count = values.length / channels, pixels = new Uint8ClampedArray(4 * count);
  const [low, high] = range, colours = !asStored && shown && new Map(shown);
  const scaled = (value) => ((value - low) / (high - low)) * 255; // is rounded and clamped by pixels
  for (let i = 0; i < count; i++) {
    const grey = scaled(values[i]);
    const colour = colours ? colours.get(Math.round(values[i])) ?? [0, 0, 0]
      : channels < 3 ? [grey, grey, grey] : [grey, scaled(values[count + i]), scaled(values[2 * count + i])];
    pixels.set(colour, 4 * i);
    pixels[4 * i + 3] = channels === 4 ? scaled(values[3 * count + i]) : 255;
  }
  return pixels;
}

/** A picture at a size, its pixels as the board is to show them: holes and numbers of classes in
 * colours of their own. */
export function fitted(image, width, height, { kind, source, board }) {
  const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext("2d", { willReadFrequently: true });
  if (source.hole === undefined) {
    pen.fillStyle = board.background; // under what is transparent
    pen.fillRect(0, 0, width, height);
  }
  Object.assign(pen, { imageSmoothingEnabled: kind !== "labels", imageSmoothingQuality: "high" });
  pen.drawImage(image, 0, 0, width, height);
  if (source.hole === undefined && !source.stored) return canvas;
  const found = pen.getImageData(0, 0, width, height), pixels = found.data;
  const hole = source.hole && rgb(source.hole);
  const colours = new Map(Object.entries(source.stored ?? {}).map(([colour, values]) => [values.join(), rgb(colour)]));
  for (let at = 0; at < pixels.length; at += 4) {
    const [red, green, blue, opacity] = pixels.subarray(at, at + 4), grey = red === green && green === blue;
    const colour = hole ? opacity < 128 && hole : grey && colours.get(`${red}`);
    if (colour) pixels.set(colour, at);
    pixels[at + 3] = 255;
  }
  pen.putImageData(found, 0, 0);
  return canvas;
}

function rgb(colour) {
  const value = number(colour);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
