/**
 * Pictures as numbers: blurs, resampling, and putting an edit back into its photo, as `stylemap/faces/pasting.py`,
 * `stylemap/editing/pasting.py` and `stylemap/resampling.py` do it, which explain it.
 *
 * A picture is {data, width, height} with its channels side by side in data, a field Float32Array of side * side. A matrix [a, b, x, y] is the
 * similarity that takes (u, v) to (a u - b v + x, b u + a v + y); whole numbers are the middles of pixels.
 */

const REACH = 4; // pixels that Lanczos-4 reads to each side

export const smoothstep = (t) => ((t) => t * t * (3 - 2 * t))(Math.min(1, Math.max(0, t)));

/** Gaussian blur of fields or pictures with ``channels``; beyond the frame they are mirrored about the middle of the border's pixels, or go on. */
export function blurred(values, width, height, channels, sigma, { size = Math.round(sigma * 8 + 1) | 1, replicates = false } = {}) {
  const half = (size - 1) / 2;
  const kernel = Array.from({ length: size }, (_, i) => Math.exp(-((i - half) ** 2) / (2 * sigma * sigma)));
  const total = kernel.reduce((a, b) => a + b);
  const inside = (i, length) => {
    if (replicates) return Math.min(length - 1, Math.max(0, i));
    if (length === 1) return 0;
    const period = 2 * length - 2;
    const k = ((i % period) + period) % period;
    return k < length ? k : period - k;
  };
  const along = (from, length, step, lines, stride) => {
    const result = new Float32Array(from.length);
    for (let at = 0; at < length; at += 1) {
      for (let k = 0; k < size; k += 1) {
        const source = inside(at + k - half, length) * step;
        const weight = kernel[k] / total;
        for (let line = 0; line < lines; line += 1) {
          const [to, of] = [line * stride + at * step, line * stride + source];
          for (let c = 0; c < channels; c += 1) result[to + c] += weight * from[of + c];
        }
      }
    }
    return result;
  };
  return along(along(values, width, channels, height, width * channels), height, width * channels, width, channels);
}

/** The most within ``radius`` pixels along both axes. */
export function dilated(values, side, radius) {
  const along = (from, step, stride) => {
    const result = new Float32Array(from.length);
    for (let line = 0; line < side; line += 1) {
      for (let at = 0; at < side; at += 1) {
        let most = -Infinity;
        for (let k = Math.max(0, at - radius); k <= Math.min(side - 1, at + radius); k += 1) most = Math.max(most, from[line * stride + k * step]);
        result[line * stride + at * step] = most;
      }
    }
    return result;
  };
  return radius === 0 ? values : along(along(values, 1, side), side, 1);
}

/** The inverse of a similarity. */
export function inverse([a, b, x, y]) {
  const square = a * a + b * b;
  const [c, d] = [a / square, -b / square];
  return [c, d, -(c * x - d * y), -(d * x + c * y)];
}

/**
 * What a picture shows under a similarity -> Float32Array of width * height * channels. Each pixel is the mean over its own area, where that
 * is larger than a pixel of the picture.
 * @param {{data: ArrayLike<number>, width: number, height: number}} picture
 * @param {number[]} matrix from pixels of the result to pixels of the picture
 * @param {"lanczos" | "linear"} kind
 */
export function warped(picture, channels, matrix, width, height, kind = "lanczos", border = "mirror") {
  const step = Math.hypot(matrix[0], matrix[1]);
  const reduction = Math.max(1, Math.floor(step / 2 + 1e-9));
  let [source, [a, b, x, y]] = [picture, matrix];
  if (reduction > 1) {
    source = reduced(picture, channels, reduction);
    [a, b] = [a / reduction, b / reduction];
    [x, y] = [x, y].map((at) => (at + 0.5) / reduction - 0.5);
  }
  const samples = Math.max(1, Math.ceil(step / reduction - 1e-9));
  const read = kind === "linear" ? linear : lanczos;
  const result = new Float32Array(width * height * channels);
  const pixel = new Float32Array(channels);
  for (let v = 0; v < height; v += 1) {
    for (let u = 0; u < width; u += 1) {
      const to = (v * width + u) * channels;
      for (let k = 0; k < samples * samples; k += 1) {
        const right = u + ((k % samples) + 0.5) / samples - 0.5;
        const down = v + (Math.floor(k / samples) + 0.5) / samples - 0.5;
        read(source, channels, a * right - b * down + x, b * right + a * down + y, border, pixel);
        for (let c = 0; c < channels; c += 1) result[to + c] += pixel[c] / (samples * samples);
      }
    }
  }
  return result;
}

/** Means of blocks; the last may be cut. */
function reduced({ data, width, height }, channels, by) {
  const [wide, high] = [Math.ceil(width / by), Math.ceil(height / by)];
  const result = new Float32Array(wide * high * channels);
  for (let y = 0; y < high; y += 1) {
    const bottom = Math.min(height, (y + 1) * by);
    for (let x = 0; x < wide; x += 1) {
      const right = Math.min(width, (x + 1) * by);
      for (let c = 0; c < channels; c += 1) {
        let sum = 0;
        for (let v = y * by; v < bottom; v += 1) {
          for (let u = x * by; u < right; u += 1) sum += data[(v * width + u) * channels + c];
        }
        result[(y * wide + x) * channels + c] = sum / ((bottom - y * by) * (right - x * by));
      }
    }
  }
  return { data: result, width: wide, height: high };
}

function within(i, length, border) {
  if (i >= 0 && i < length) return i;
  if (border === "replicate") return Math.min(length - 1, Math.max(0, i));
  const k = ((i % (2 * length)) + 2 * length) % (2 * length); // mirrored about the border itself
  return k < length ? k : 2 * length - 1 - k;
}

function linear({ data, width, height }, channels, x, y, border, pixel) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, down] = [x - left, y - top];
  pixel.fill(0);
  for (let k = 0; k < 4; k += 1) {
    const weight = (k & 1 ? right : 1 - right) * (k & 2 ? down : 1 - down);
    const at = (within(top + (k >> 1), height, border) * width + within(left + (k & 1), width, border)) * channels;
    for (let c = 0; c < channels; c += 1) pixel[c] += weight * data[at + c];
  }
}

const FINE = 32; // places of the kernel within a pixel
const KERNELS = Array.from({ length: FINE + 1 }, (_, i) => {
  const weights = Array.from({ length: 2 * REACH }, (_, k) => {
    const t = Math.PI * (k - REACH + 1 - i / FINE);
    const weight = t === 0 ? 1 : (REACH * Math.sin(t) * Math.sin(t / REACH)) / (t * t);
    return Math.abs(weight) < 1e-12 ? 0 : weight; // where it is a whole number of pixels away
  });
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
});

function lanczos({ data, width, height }, channels, x, y, border, pixel) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [across, down] = [KERNELS[Math.round((x - left) * FINE)], KERNELS[Math.round((y - top) * FINE)]];
  pixel.fill(0);
  for (let j = 0; j < 2 * REACH; j += 1) {
    if (down[j] === 0) continue;
    const row = within(top + j - REACH + 1, height, border) * width;
    for (let i = 0; i < 2 * REACH; i += 1) {
      const weight = down[j] * across[i];
      if (weight === 0) continue;
      const at = (row + within(left + i - REACH + 1, width, border)) * channels;
      for (let c = 0; c < channels; c += 1) pixel[c] += weight * data[at + c];
    }
  }
}

export const toBytes = (values) => Uint8ClampedArray.from(values, Math.round);
