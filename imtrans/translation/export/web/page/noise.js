// The noise of a seed, so that the same seed and drawing give the same output: uniform numbers of
// mulberry32 (Tommy Ettinger, public domain), made normal by Box and Muller, 1958.

/** `count` standard normal values of a seed, 0 to 2^32 - 1. */
export function normal(seed, count) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (((bits ^ (bits >>> 14)) >>> 0) + 0.5) / 4294967296; // never 0, of which there is no log
  };
  const values = new Float32Array(count);
  for (let at = 0; at < count; at += 2) {
    const far = Math.sqrt(-2 * Math.log(uniform())), turn = 2 * Math.PI * uniform();
    values[at] = far * Math.cos(turn);
    if (at + 1 < count) values[at + 1] = far * Math.sin(turn);
  }
  return values;
}
