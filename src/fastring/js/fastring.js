/**
 * A client of a fastring server for browsers: live speech that survives its connections. No build step:
 *
 *     import { VoiceStream, microphone } from "http://127.0.0.1:8000/static/fastring.js";
 *     const stream = new VoiceStream("http://127.0.0.1:8000", { sampleRate: 16000 });
 *     const mic = await microphone(stream);
 *     for await (const event of stream) if (event.type === "final") console.log(event.text);
 *
 * `Conversation` is the half without sockets and clocks, the twin of `fastring/client/conversation.py`.
 */

const FRAMES_PER_SECOND = 16000 / 512;
const FORCED_END_S = 0.5;
const NUMBERED = new Set(["speech_started", "final", "speech_ended", "early_trigger", "early_trigger_retracted"]);
const TIMES = ["start", "end"];
const FOR_GOOD = new Set([1002, 1003, 1007, 1008, 1009, 4409]);
const GIVEN_UP = 4000;

/**
 * @typedef {object} Limits
 * @property {number} [bufferS] audio held for the case that it must be sent again, seconds (60)
 * @property {number} [messageS] audio in one message, seconds (0.1)
 * @property {number} [catchUpRate] seconds of audio per second after a connection was lost; 0 is no limit (4)
 */

/**
 * @typedef {object} StreamEvent
 * What a stream gives: the messages of the native protocol (`ready`, `speech_started`, `partial`, `final`, ...), times
 * and numbers counted since the stream's first sample, and those of the client itself: `reconnecting` {attempt, delay_s,
 * reason}, `resumed` {replayed_s}, `restarted` {reason, start}, `audio_lost` {start, end}.
 * @property {string} type
 */

/** Samples by index, as far as they are not forgotten. */
class HeldAudio {
  constructor() {
    this.blocks = []; // {start, samples}, in order
    this.oldest = 0;
    this.end = 0;
  }

  append(samples) {
    if (samples.length) this.blocks.push({ start: this.end, samples });
    this.end += samples.length;
  }

  read(start, count) {
    const out = new Int16Array(Math.max(0, Math.min(start + count, this.end) - start));
    for (const block of this.blocks) {
      const from = Math.max(start, block.start);
      const to = Math.min(start + out.length, block.start + block.samples.length);
      if (from < to) out.set(block.samples.subarray(from - block.start, to - block.start), from - start);
    }
    return out;
  }

  forget(before) {
    this.oldest = Math.max(this.oldest, Math.min(before, this.end));
    while (this.blocks.length && this.blocks[0].start + this.blocks[0].samples.length <= this.oldest) {
      this.blocks.shift();
    }
  }
}

/** One voice stream over any number of connections, without I/O. */
export class Conversation {
  /**
   * @param {number} sampleRate in Hz; mono
   * @param {Limits} [limits]
   */
  constructor(sampleRate, limits = {}) {
    const { bufferS = 60, messageS = 0.1, catchUpRate = 4 } = limits;
    this.rate = sampleRate;
    this.held = new HeldAudio();
    this.capacity = Math.round(bufferS * sampleRate);
    this.messageSamples = Math.max(1, Math.round(messageS * sampleRate));
    this.frameSamples = Math.max(1, Math.round(sampleRate / FRAMES_PER_SECOND));
    this.catchUpRate = catchUpRate;
    this.token = null; // null: there was no session yet
    this.nextToken = "";
    this.phase = "away";
    this.offset = this.sent = this.received = this.committed = this.answered = 0;
    this.seenSeq = -1;
    this.told = this.firstUtterance = this.utterances = 0;
    this.openUtterance = null;
    this.lastFinal = null; // of the open utterance
    this.finalizes = [];
    this.finalizesSent = 0;
    this.closing = this.closeSent = this.finished = false;
    this.pace = { beganS: 0, from: 0, until: 0 };
  }

  /** Something was sent that the server has to answer. */
  get waits() {
    return this.phase !== "live" || this.sent > this.received || this.closeSent;
  }

  /** Audio was given up that the session still lacked: this connection can only be given up, too. */
  get isBroken() {
    return this.phase === "live" && this.sent < this.held.oldest;
  }

  /** Take audio. A full buffer gives up its oldest: a microphone cannot wait. @param {Int16Array} samples */
  push(samples) {
    if (this.closing) return;
    this.held.append(samples);
    this.held.forget(this.held.end - this.capacity);
  }

  finalize() {
    if (!this.closing) this.finalizes.push(this.held.end);
  }

  close() {
    this.closing = true;
  }

  connected() {
    this.phase = "opening";
    this.closeSent = false;
  }

  lost() {
    this.phase = "away";
  }

  /** When `toSend` may have something if nothing else happens, in seconds; null: never. */
  nextSendS() {
    return this.phase === "live" && this.isPaced() ? this.paceDueS() : null;
  }

  /** The next message for the connection, null if there is none now. */
  toSend(nowS) {
    if (this.phase === "opening" && this.token) {
      this.phase = "resuming";
      const oldest_sample = Math.max(0, this.held.oldest - this.offset);
      return JSON.stringify({ type: "resume", token: this.token, last_seq: this.seenSeq, oldest_sample });
    }
    if (this.phase !== "live" || this.isBroken) return null;
    if (this.finalizesSent < this.finalizes.length && this.finalizes[this.finalizesSent] <= this.sent) {
      this.finalizesSent += 1;
      return '{"type":"finalize"}';
    }
    if (this.sent < this.held.end) return this.audioToSend(nowS);
    if (this.closing && !this.closeSent) {
      this.closeSent = true;
      return '{"type":"close"}';
    }
    return null;
  }

  audioToSend(nowS) {
    if (this.isPaced() && this.paceDueS() > nowS) return null;
    let count = this.messageSamples;
    if (this.finalizesSent < this.finalizes.length) {
      count = Math.min(count, this.finalizes[this.finalizesSent] - this.sent);
    }
    const samples = this.held.read(this.sent, count);
    this.sent += samples.length;
    return samples;
  }

  isPaced() {
    return this.catchUpRate > 0 && this.sent < this.pace.until;
  }

  paceDueS() {
    return this.pace.beganS + (this.sent - this.pace.from) / this.rate / this.catchUpRate;
  }

  startPace(nowS) {
    this.pace = { beganS: nowS, from: this.sent, until: this.held.end };
  }

  /** Take a message of the server. @returns {StreamEvent[]} what there is to tell the user */
  receive(message, nowS) {
    switch (message.type) {
      case "ack": return this.acknowledged(message);
      case "ready": return this.ready(message, nowS);
      case "resumed": return this.resumed(message, nowS);
      case "closed": return this.closed(message);
      case "pong": return [];
      case "error":
        if (message.code !== "resume_failed" || this.phase !== "resuming") return [message];
        this.token = this.nextToken;
        this.phase = "live";
        return this.restart(message.reason, nowS);
      default: return this.tell(message);
    }
  }

  ready(message, nowS) {
    this.nextToken = message.resume_token ?? "";
    if (this.phase === "resuming" || this.token) return [];
    const first = this.token === null;
    this.token = this.nextToken;
    this.phase = "live";
    return first ? [message] : this.restart("no token", nowS);
  }

  resumed(message, nowS) {
    this.token = message.resume_token;
    this.phase = "live";
    this.sent = this.received = this.offset + message.next_sample;
    this.finalizesSent = Math.min(message.finalizes ?? this.finalizesSent, this.finalizes.length);
    this.startPace(nowS);
    return [{ type: "resumed", replayed_s: (this.held.end - this.sent) / this.rate }];
  }

  /** The session before is gone: go on in a fresh one, from the end of what was answered. */
  restart(reason, nowS) {
    const frames = Math.floor((this.answered - this.offset) / this.frameSamples);
    const aligned = this.offset + frames * this.frameSamples;
    const start = Math.max(this.held.oldest, Math.min(aligned, this.held.end));
    const lostFrom = Math.max(this.answered, this.committed);
    const told = [];
    if (this.lastFinal !== null) { // its end says no more than the final that was told
      const { utterance, end } = this.lastFinal;
      told.push({ type: "speech_ended", seq: this.told++, utterance, end });
      this.openUtterance = this.lastFinal = null;
    }
    if (this.utterances) {
      this.finalizes = this.finalizes.filter((at) => at > this.answered + FORCED_END_S * this.rate);
    }
    this.finalizesSent = 0;
    this.offset = this.sent = this.received = this.committed = start;
    this.seenSeq = -1;
    this.firstUtterance = this.openUtterance ?? this.utterances;
    this.startPace(nowS);
    if (start > lostFrom) told.push({ type: "audio_lost", start: lostFrom / this.rate, end: start / this.rate });
    return [...told, { type: "restarted", reason, start: start / this.rate }];
  }

  acknowledged(message) {
    this.received = Math.max(this.received, this.offset + message.received);
    this.committed = Math.max(this.committed, this.offset + message.committed);
    this.held.forget(Math.min(this.committed, this.sent));
    this.token = message.resume_token || this.token;
    return [];
  }

  closed(message) {
    if (message.reason === "going away") return []; // the connection ends now, and the next one goes on
    this.finished = true;
    return [message];
  }

  tell(message) {
    if (NUMBERED.has(message.type)) {
      if (message.seq <= this.seenSeq) return [];
      this.seenSeq = message.seq;
      if (message.type === "speech_started" && this.begun(message.utterance + this.firstUtterance)) return [];
    }
    const event = this.shifted(message);
    if (NUMBERED.has(message.type)) event.seq = this.told++;
    if (message.type === "speech_ended") this.openUtterance = this.lastFinal = null;
    if (message.type === "final") {
      this.lastFinal = event;
      this.answered = Math.max(this.answered, this.offset + Math.round(message.end * this.rate));
    }
    return [event];
  }

  /** An utterance begins; whether it had begun before, in a session that is gone. */
  begun(utterance) {
    const again = this.openUtterance === utterance;
    this.openUtterance = utterance;
    this.utterances = utterance + 1;
    return again;
  }

  shifted(message) {
    const seconds = this.offset / this.rate;
    const moved = (item) => {
      const copy = { ...item };
      for (const name of TIMES) if (typeof copy[name] === "number") copy[name] += seconds;
      return copy;
    };
    const event = moved(message);
    if (event.words) event.words = event.words.map(moved);
    if (typeof event.utterance === "number") event.utterance += this.firstUtterance;
    return event;
  }
}

/** A live stream: send audio, iterate over its events; it reconnects and resumes by itself. */
export class VoiceStream {
  /**
   * @param {string} url of the server, http or https
   * @param {object} [options]
   * @param {string} [options.streamId] a name, `[A-Za-z0-9._-]{1,128}`
   * @param {string} [options.apiKey]
   * @param {number} [options.sampleRate] of the audio, mono 16-bit (16000)
   * @param {Limits} [options.limits]
   * @param {number} [options.deadAfterS] a server that owes an answer and is silent this long is taken for dead (10)
   * @param {number} [options.firstWaitS] bound of the first wait before another attempt; it doubles (0.2)
   * @param {number} [options.longestWaitS] and grows no further (5)
   * @param {number} [options.giveUpS] without a session this long, the stream fails (120)
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
    this.protocols = apiKey ? ["bearer", apiKey] : [];
    this.events = [];
    this.waiting = null;
    this.over = false;
    this.failure = null;
    this.attempt = 0;
    this.aliveS = now();
    this.everOpen = false;
    this.connect();
  }

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
    this.end(new Error("the stream was given up"));
  }

  /** @returns {AsyncGenerator<StreamEvent>} every event, once and in order */
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

  connect() {
    const socket = new WebSocket(this.address, this.protocols);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heardS = now();
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.everOpen = true;
      this.aliveS = this.heardS = now();
      this.conversation.connected();
      this.write();
    };
    socket.onmessage = ({ data }) => socket === this.socket && this.hear(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.socket && this.lost(`close code ${code}`, code);
    this.watch = setInterval(() => this.check(), this.options.deadAfterS * 250);
  }

  hear(message) {
    this.heardS = this.aliveS = now();
    this.pinged = false;
    if (message.type === "ack") this.attempt = 0;
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

  lost(reason, code = 0) {
    this.leave();
    this.conversation.lost();
    if (FOR_GOOD.has(code)) return this.end(new Error(`the server closed the stream with code ${code}`));
    if (now() - this.aliveS > this.options.giveUpS) {
      return this.end(new Error(`no connection for ${this.options.giveUpS} s: ${reason}`));
    }
    const bound = Math.min(this.options.longestWaitS, this.options.firstWaitS * 2 ** Math.min(this.attempt++, 30));
    const delay_s = Math.random() * bound; // full jitter
    this.tell({ type: "reconnecting", attempt: this.attempt, delay_s, reason });
    this.retry = setTimeout(() => this.connect(), delay_s * 1000);
    return undefined;
  }

  leave() {
    clearInterval(this.watch);
    clearTimeout(this.pacing);
    const socket = this.socket;
    this.socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(this.conversation.finished ? 1000 : GIVEN_UP);
  }

  write() {
    const { socket, conversation } = this;
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    clearTimeout(this.pacing);
    for (let message; (message = conversation.toSend(now())) !== null;) socket.send(message);
    if (conversation.isBroken) this.lost("audio had to be given up");
    const due = conversation.nextSendS();
    if (due !== null) this.pacing = setTimeout(() => this.write(), Math.max(0, due - now()) * 1000);
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

/**
 * Stream the microphone until `stop` is called. The browser asks its user first; the page must be of https or localhost.
 *
 * @param {VoiceStream} stream whose `sampleRate` is recorded at
 * @param {object} [options]
 * @param {number} [options.blockS] seconds of audio at a time (0.1)
 * @param {MediaTrackConstraints} [options.constraints]
 * @returns {Promise<{stop: () => Promise<void>}>} `stop` sends what is left and lets the microphone go
 */
export async function microphone(stream, { blockS = 0.1, constraints = {} } = {}) {
  const media = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...constraints } });
  const context = new AudioContext({ sampleRate: stream.sampleRate });
  await context.audioWorklet.addModule(new URL("./fastring-worklet.js", import.meta.url));
  const recorder = new AudioWorkletNode(context, "fastring-pcm", {
    numberOfOutputs: 0,
    processorOptions: { blockSamples: Math.round(blockS * stream.sampleRate) },
  });
  let flushed = null;
  recorder.port.onmessage = ({ data }) => {
    if (data.length) stream.send(data);
    flushed?.();
  };
  context.createMediaStreamSource(media).connect(recorder);
  return {
    async stop() {
      for (const track of media.getTracks()) track.stop();
      await new Promise((resolve) => {
        flushed = resolve;
        recorder.port.postMessage("flush");
      });
      await context.close();
    },
  };
}

function now() {
  return performance.now() / 1000;
}

function toInt16(sample) {
  return Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
}
