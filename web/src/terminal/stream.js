// One direction of one stream of a session, over connections that break and come back (docs/agent-protocol.md,
// "Streams"). The sender keeps what was not acknowledged; the receiver takes each byte once. No I/O here.

import { kFrame, kStream, ProtocolError, streamFrame } from "./frame.js";

const kChunkBytes = 32 * 1024;
const windowOf = (stream) => (stream === kStream.commands || stream === kStream.events ? 32 : 256) * 1024;

export class Sender {
  #stream;
  #kept = []; // [{offset, bytes}]: written and not acknowledged
  #next = 0; // which of them goes out next on this connection
  #acknowledged = 0;
  #end = 0;

  constructor(stream) {
    this.#stream = stream;
  }

  write(bytes) {
    for (let from = 0; from < bytes.length; from += kChunkBytes) {
      const piece = bytes.slice(from, from + kChunkBytes);
      this.#kept.push({ offset: this.#end, bytes: piece });
      this.#end += piece.length;
    }
  }

  /** The next frame that the window allows; null when there is none. */
  nextFrame() {
    const piece = this.#kept[this.#next];
    if (!piece || piece.offset + piece.bytes.length > this.#acknowledged + windowOf(this.#stream)) return null;
    ++this.#next;
    return streamFrame(kFrame.data, this.#stream, piece.offset, piece.bytes);
  }

  /** Everything below `position` was taken. */
  acknowledge(position) {
    if (position > this.#end) throw new ProtocolError("what was never sent is acknowledged");
    this.#acknowledged = Math.max(this.#acknowledged, position);
    while (this.#kept.length && this.#kept[0].offset + this.#kept[0].bytes.length <= position) {
      this.#kept.shift();
      this.#next = Math.max(0, this.#next - 1);
    }
  }

  /** A new connection: the other side stands at `position`, and gets the rest again. */
  resumeFrom(position) {
    if (position < this.#acknowledged) throw new ProtocolError("what was acknowledged is asked for again");
    this.acknowledge(position);
    const [first] = this.#kept;
    if (first && first.offset < position)
      this.#kept[0] = { offset: position, bytes: first.bytes.slice(position - first.offset) };
    this.#next = 0;
  }
}

export class Receiver {
  #stream;
  #received = 0;
  #taken = 0;
  #told = 0;
  #ended = false;

  constructor(stream) {
    this.#stream = stream;
  }

  /** Everything up to here was taken; the end counts one. */
  get position() {
    return this.#taken + (this.atEnd ? 1 : 0);
  }
  /** Everything has come and was taken. */
  get atEnd() {
    return this.#ended && this.#taken === this.#received;
  }

  /** What is new in a data frame, or null. To be told of by `take` when it was dealt with. */
  receive({ type, offset, bytes }) {
    const end = offset + bytes.length;
    if (offset > this.#received) throw new ProtocolError("a stream has a gap");
    if (this.#ended && end > this.#received) throw new ProtocolError("a stream goes on after its end");
    if (end > this.#taken + windowOf(this.#stream)) throw new ProtocolError("a stream is ahead of its window");
    if (type === kFrame.eof && end === this.#received) this.#ended = true;
    if (end <= this.#received) return null;
    const fresh = bytes.subarray(this.#received - offset);
    this.#received = end;
    return fresh;
  }

  take(count) {
    this.#taken += count;
  }

  /** The frame that acknowledges, when enough was taken to be worth one; null otherwise. */
  nextAck() {
    const due = this.position - this.#told >= windowOf(this.#stream) / 4 || (this.atEnd && this.#told < this.position);
    if (!due) return null;
    this.#told = this.position;
    return streamFrame(kFrame.ack, this.#stream, this.position);
  }
}
