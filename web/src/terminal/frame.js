// The agent's protocol, its frames (docs/agent-protocol.md, "Frames"): one binary websocket message is one frame.

export const kFrame = {
  open: 0x10,
  opened: 0x11,
  close: 0x12,
  data: 0x20,
  ack: 0x21,
  eof: 0x22,
};
export const kStream = { input: 0, output: 1, error: 2, commands: 3, events: 4 };

const kMaxDataBytes = 32 * 1024;
const kHeadBytes = 5; // type, channel
const kStreamHeadBytes = kHeadBytes + 9; // and stream, offset
const kChannel = 1; // one session for each connection

const text = new TextEncoder();

export class ProtocolError extends Error {
  code = "PROTOCOL_ERROR";
}

export function controlFrame(type, message) {
  const payload = text.encode(JSON.stringify(message));
  const frame = new Uint8Array(kHeadBytes + payload.length);
  writeHead(frame, type);
  frame.set(payload, kHeadBytes);
  return frame;
}

/** `type` is data, ack (without bytes) or eof (without bytes). */
export function streamFrame(type, stream, offset, bytes = new Uint8Array()) {
  const frame = new Uint8Array(kStreamHeadBytes + bytes.length);
  const view = writeHead(frame, type);
  view.setUint8(kHeadBytes, stream);
  view.setBigUint64(kHeadBytes + 1, BigInt(offset));
  frame.set(bytes, kStreamHeadBytes);
  return frame;
}

/** `{type, message}` of a control frame, `{type, stream, offset, bytes}` of another. Throws ProtocolError. */
export function decodeFrame(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < kHeadBytes) throw new ProtocolError("a frame is shorter than its head");
  const type = view.getUint8(0);
  if (view.getUint32(1) !== kChannel) throw new ProtocolError("a frame of a channel that was never opened");
  if (type === kFrame.opened || type === kFrame.close) return { type, message: messageOf(buffer) };
  if (type !== kFrame.data && type !== kFrame.ack && type !== kFrame.eof)
    throw new ProtocolError(`frame type ${type} is not for clients`);
  if (view.byteLength < kStreamHeadBytes) throw new ProtocolError("a stream's frame is shorter than its head");
  const bytes = new Uint8Array(buffer, kStreamHeadBytes);
  if (bytes.length > kMaxDataBytes) throw new ProtocolError("a data frame is longer than 32 KiB");
  return { type, stream: view.getUint8(kHeadBytes), offset: Number(view.getBigUint64(kHeadBytes + 1)), bytes };
}

function writeHead(frame, type) {
  const view = new DataView(frame.buffer);
  view.setUint8(0, type);
  view.setUint32(1, kChannel);
  return view;
}

function messageOf(buffer) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, kHeadBytes)));
  } catch {
    throw new ProtocolError("a control message is not understood");
  }
}
