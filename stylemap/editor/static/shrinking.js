/** Photos that are larger than the server takes are made smaller here. All others go as they are: an edit goes back into them. */

const QUALITY = 0.95;
const STEP = 0.8; // of the sides, while there are too many bytes
const TRIES = 8;

/**
 * A photo that the server takes, in memory, since its file may be moved or written over before it is sent again.
 * @param {{bytes: number, pixels: number}} limits
 * @returns {Promise<{file: Blob, remark: string | null}>} remark: what was done to it. What the browser cannot read goes as it is.
 */
export async function fitted(file, limits) {
  const size = await sizeOf(file);
  const isWithin = file.size <= limits.bytes && (size === null || size.width * size.height <= limits.pixels);
  if (size === null || isWithin) return { file: await inMemory(file, limits.bytes), remark: null };
  let scale = Math.min(1, Math.sqrt(limits.pixels / (size.width * size.height)));
  for (let tries = 0; tries < TRIES; tries += 1, scale *= STEP) {
    const [width, height] = [size.width, size.height].map((side) => Math.max(1, Math.floor(side * scale)));
    const smaller = await resized(file, width, height);
    if (smaller.size > limits.bytes) continue;
    const how = scale < 1 ? `smaller, ${width} × ${height} instead of ${size.width} × ${size.height} pixels` : "a JPEG of the same size";
    const name = file.name || "The photo";
    return { file: new File([smaller], file.name ?? "", { type: smaller.type }), remark: `${name} is larger than can be taken here. The page made it ${how}.` };
  }
  return { file: await inMemory(file, limits.bytes), remark: null };
}

/** A file's bytes, where there are not too many. */
export async function inMemory(file, most) {
  const name = file.name || "The file";
  if (file.size > most) {
    const [size, limit] = [file.size, most].map((bytes) => (bytes / 1e6).toPrecision(3));
    throw new Error(`${name} has ${size} MB. At most ${limit} MB can be taken here.`);
  }
  try {
    return new File([await file.arrayBuffer()], file.name ?? "", { type: file.type });
  } catch {
    throw new Error(`${name} cannot be read. Choose a file that still exists, not a folder.`);
  }
}

/** The upright size of an image, or null. Its pixels are not decoded for that. */
async function sizeOf(file) {
  const image = new Image();
  const address = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src: address }));
    return { width: image.naturalWidth, height: image.naturalHeight };
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** As a JPEG, upright, over white. */
async function resized(file, width, height) {
  const bitmap = await createImageBitmap(file, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}
