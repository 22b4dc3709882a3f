// A WebSocket that is fed with audio beside the voice stream: it never holds more than a few seconds.

const LATE_BYTES = 320_000; // ten seconds of 16 kHz PCM16 that the network has not taken

export class Feed {
  /**
   * @param {string} address ws or wss
   * @param {string} key "" on an open server
   * @param {object} told `message(object)`, `open()` and `closed(code)`
   */
  constructor(address, key, told) {
    this.waiting = [];
    this.waitingBytes = 0;
    this.skipped = 0; // bytes
    this.socket = new WebSocket(address, key ? ["bearer", key] : []);
    this.socket.onopen = () => {
      told.open?.();
      for (const message of this.waiting.splice(0)) this.socket.send(message);
    };
    this.socket.onmessage = ({ data }) => told.message(JSON.parse(data));
    this.socket.onclose = ({ code }) => told.closed(code);
  }

  /** Audio, which is skipped if the network is too slow for it. @param {Int16Array} samples */
  send(samples) {
    const { socket } = this;
    if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount < LATE_BYTES) socket.send(samples);
    else if (socket.readyState === WebSocket.CONNECTING && this.waitingBytes < LATE_BYTES) {
      this.waiting.push(samples);
      this.waitingBytes += samples.byteLength;
    } else this.skipped += samples.byteLength;
  }

  /** A message that must arrive. */
  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
    else if (this.socket.readyState === WebSocket.CONNECTING) this.waiting.push(JSON.stringify(message));
  }

  hangUp() {
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
  }
}

/** `http://host/` and a path to the address of a WebSocket. */
export function socketAddress(server, path, parameters) {
  return `${server.replace(/^http/, "ws").replace(/\/$/, "")}${path}?${new URLSearchParams(parameters)}`;
}
