/** A voice stream without sockets and clocks: what to send next, what was heard; the twin of `client/conversation.py`. */

import { HeldAudio } from "./fastring-held-audio.js";

const FRAMES_PER_SECOND = 16000 / 512;
const FORCED_END_S = 0.5;
const NUMBERED = new Set(["speech_started", "final", "speech_ended", "early_trigger", "early_trigger_retracted"]);
const TIMES = ["start", "end"];

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
