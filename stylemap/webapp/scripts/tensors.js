/** Files of tensors, safetensors: the length of a header in 8 bytes, the header as JSON, the numbers. */

import { Refusal } from "./refusal.js";

const TYPES = { F32: Float32Array, U8: Uint8Array };

/** @param {Record<string, {shape: number[], data: Float32Array | Uint8Array}>} tensors @param {Record<string, string>} metadata */
export function toFile(tensors, metadata) {
  const header = { __metadata__: metadata };
  const parts = [];
  let offset = 0;
  const wide = ([, { data }]) => data.BYTES_PER_ELEMENT;
  for (const [name, { shape, data }] of Object.entries(tensors).sort((a, b) => wide(b) - wide(a))) { // so that numbers lie at multiples of their size
    const dtype = data instanceof Float32Array ? "F32" : "U8";
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
    parts.push(data);
  }
  const bytes = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8).fill(0x20);
  padded.set(bytes);
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(padded.length), true);
  return new Blob([length, padded, ...parts], { type: "application/octet-stream" });
}

/**
 * @param {ArrayBuffer} buffer
 * @returns {{metadata: Record<string, string>, tensors: Record<string, {shape: number[], data: Float32Array | Uint8Array}>}} those of
 *   other types are left out
 * @throws {Refusal} another kind of file
 */
export function ofFile(buffer, refusal) {
  try {
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    const { __metadata__: metadata = {}, ...described } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    const tensors = {};
    for (const [name, { dtype, shape, data_offsets: [first, end] }] of Object.entries(described)) {
      const Type = TYPES[dtype];
      const start = 8 + length + first;
      if (!Type) continue;
      if (end - first !== shape.reduce((a, b) => a * b, Type.BYTES_PER_ELEMENT)) throw new Error("a size that is not that of its shape");
      tensors[name] = { shape, data: new Type(buffer.slice(start, 8 + length + end)) };
    }
    return { metadata, tensors };
  } catch {
    throw new Refusal(422, refusal);
  }
}
