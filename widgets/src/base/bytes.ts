/** Numbers out of the bytes that travel between kernel and browser. */

/** Copy of little-endian float32 bytes as a Float32Array, whatever view or alignment they came with. */
export function floats(bytes: unknown): Float32Array<ArrayBuffer> {
  if (bytes instanceof ArrayBuffer) return new Float32Array(bytes.slice(0));
  if (ArrayBuffer.isView(bytes)) {
    const copy = new Uint8Array(bytes.byteLength);
    copy.set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return new Float32Array(copy.buffer);
  }
  return new Float32Array(0);
}
