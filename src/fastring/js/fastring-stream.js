/** A live voice stream in a browser: sends audio, gives events, and when its connection is lost makes another. */

import { Conversation } from "./fastring-conversation.js";
import { StreamError } from "./fastring-error.js";
import { refusalOf } from "./fastring-refusal.js";

const FOR_GOOD = new Set([1002, 1003, 1007, 1008, 1009, 4409]); // another attempt would end the same way
const GIVEN_UP = 4000;
const BUFFERED_S = 2; // audio that may wait in the browser's own buffer, where it cannot be counted
const DRAIN_MS = 50;
const LASTED_S = 5; // a connection that stood so long, or brought an ack or its session back, was a good one

/** A live stream: send audio, iterate over its events; it reconnects and resumes by itself. */
export class VoiceStream {
  /**
   * @param {string} url of the server, http or https
   * @param {object} [options]
   * @param {string} [options.streamId] a name, `[A-Za-z0-9._-]{1,128}`
   * @param {string} [options.apiKey]
   * @param {number} [options.sampleRate] of the audio, mono 16-bit (16000)
   * @param {import("./fastring-conversation.js").Limits} [options.limits]
   * @param {number} [options.deadAfterS] a server that owes an answer and is silent this long is taken for dead (10)
   * @param {number} [options.firstWaitS] bound of the first wait before another attempt; it doubles (0.2)
   * @param {number} [options.longestWaitS] and grows no further (5)
   * @param {number} [options.giveUpS] without a good connection this long, the stream fails (120)
   * @param {Object<string, string|number|boolean>} [options.parameters] of the endpoint: language, interim, model
   */
  constructor(url, options = {}) {
    const { streamId = `js-${Math.random().toString(36).slice(2, 12)}`, apiKey = "", sampleRate = 16000 } = options;
    this.options = { deadAfterS: 10, firstWaitS: 0.2, longestWaitS: 5, giveUpS: 120, ...options };
    this.streamId = streamId;
    this.sampleRate = sampleRate;
    this.conversation = new Conversation(sampleRate, options.limits);
    const query = new URLSearchParams({
      encoding: "linear16", sample_rate: sampleRate, channels: 1, resumes: true, ...options.parameters,
    });
    const address = url.replace(/^http/, "ws").replace(/\/$/, "");
    this.address = `${address}/api/v1/stream/voice/${encodeURIComponent(streamId)}?${query}`;
    this.apiKey = apiKey;
    this.protocols = apiKey ? ["bearer", apiKey] : [];
    this.events = [];
    this.waiting = null;
    this.over = false;
    this.failure = null;
    this.attempt = 0;
    this.aliveS = now();
    this.serverSaid = "";
    this.connect();
  }

  // --- the user's side ------------------------------------------------------------------------------------------------

  /** Send audio. @param {Int16Array|Float32Array} samples mono, at the declared rate; floats in [-1, 1] */
  send(samples) {
    const pcm = samples instanceof Int16Array ? samples.slice() : Int16Array.from(samples, toInt16);
    this.conversation.push(pcm);
    this.write();
  }

  /** End the utterance now; its final follows. */
  finalize() {
    this.conversation.finalize();
    this.write();
  }

  /** Say that no audio follows. The rest of the events still comes, `closed` the last. */
  close() {
    this.conversation.close();
    this.write();
  }

  /** Give the stream up. */
  abort() {
    this.end(new StreamError("aborted", "the stream was given up"));
  }

  /** @returns {AsyncGenerator<StreamEvent>} every event, once and in order; throws a `StreamError` if the stream fails */
  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (this.events.length) yield this.events.shift();
      if (this.over) {
        if (this.failure) throw this.failure;
        return;
      }
      await new Promise((resolve) => { this.waiting = resolve; });
    }
  }

  tell(event) {
    if (event.type === "partial" && this.events.at(-1)?.type === "partial") this.events.pop();
    this.events.push(event);
    this.waiting?.();
  }

  // --- connections ----------------------------------------------------------------------------------------------------

  connect() {
    const socket = new WebSocket(this.address, this.protocols);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.openedS = null;
    this.isGood = false;
    this.heardS = now();
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.openedS = this.heardS = now();
      this.conversation.connected();
      this.write();
    };
    socket.onmessage = ({ data }) => socket === this.socket && this.hear(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.socket && this.lost(`close code ${code}`, code);
    this.watch = setInterval(() => this.check(), this.options.deadAfterS * 250);
  }

  hear(message) {
    this.heardS = now();
    this.pinged = false;
    if (message.type === "ack" || message.type === "resumed") this.isGood = true;
    if (message.type === "ack") this.attempt = 0;
    if (message.type === "error") this.serverSaid = `: ${message.message}`;
    for (const event of this.conversation.receive(message, now())) this.tell(event);
    if (this.conversation.finished) this.end(null);
    else this.write();
  }

  /** Ask a server that is silent; give up the connection to one that stays so. */
  check() {
    const silentS = now() - this.heardS;
    if (silentS > this.options.deadAfterS && (this.conversation.waits || this.socket.readyState !== WebSocket.OPEN)) {
      this.lost(`no answer for ${this.options.deadAfterS} s`);
    } else if (silentS > this.options.deadAfterS / 2 && !this.pinged && this.socket.readyState === WebSocket.OPEN) {
      this.pinged = true;
      this.socket.send('{"type":"ping"}');
    }
  }

  /** The connection is gone: try again after a while, unless that is in vain. */
  async lost(reason, code = 0) {
    const opened = this.openedS !== null;
    if (this.isGood || (opened && now() - this.openedS > LASTED_S)) this.aliveS = now();
    this.leave();
    this.conversation.lost();
    if (FOR_GOOD.has(code)) {
      this.end(new StreamError("closed", `the server closed the stream with code ${code}${this.serverSaid}`, {
        status: code,
      }));
      return;
    }
    const refusal = opened ? null : await refusalOf(this.address, this.apiKey);
    if (this.over) return;
    if (refusal?.final) this.end(new StreamError("refused", refusal.text, { status: refusal.status }));
    else this.retryLater(refusal?.text ?? reason, refusal?.afterS ?? 0);
  }

  retryLater(reason, afterS) {
    const { longestWaitS, firstWaitS, giveUpS } = this.options;
    if (now() - this.aliveS > giveUpS) {
      this.end(new StreamError("gave_up", `no connection for ${giveUpS} s: ${reason}`));
      return;
    }
    const bound = Math.min(longestWaitS, firstWaitS * 2 ** Math.min(this.attempt++, 30));
    const delay_s = afterS + Math.random() * bound; // full jitter
    this.tell({ type: "reconnecting", attempt: this.attempt, delay_s, reason });
    this.retry = setTimeout(() => this.connect(), delay_s * 1000);
  }

  leave() {
    clearInterval(this.watch);
    clearTimeout(this.later);
    const socket = this.socket;
    this.socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(this.conversation.finished ? 1000 : GIVEN_UP);
  }

  write() {
    const { socket, conversation } = this;
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    clearTimeout(this.later);
    const buffered = BUFFERED_S * 2 * this.sampleRate;
    let message = null;
    while (socket.bufferedAmount < buffered && (message = conversation.toSend(now())) !== null) socket.send(message);
    if (conversation.isBroken) {
      this.lost("audio had to be given up");
      return;
    }
    const due = conversation.nextSendS();
    if (socket.bufferedAmount >= buffered) this.later = setTimeout(() => this.write(), DRAIN_MS);
    else if (due !== null) this.later = setTimeout(() => this.write(), Math.max(0, due - now()) * 1000);
  }

  end(failure) {
    if (this.over) return;
    this.over = true;
    this.failure = failure;
    clearTimeout(this.retry);
    this.leave();
    this.waiting?.();
  }
}

function now() {
  return performance.now() / 1000;
}

function toInt16(sample) {
  return Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
}
