// One run of sound: the same samples to the voice stream, to the analysis and, if a text is given, to the recitation.
import { VoiceStream } from "../static/fastring.js";
import { Feed, socketAddress } from "./feed.js";
import { RATE } from "./sources.js";

const UPDATE_HZ = 20;
const AGAIN_MS = [300, 700, 2000, 5000]; // waits before the analysis is connected again
const TOLD_AT = 3; // failures in a row
const RESULT_MS = 60_000; // what a recitation may take for its result

/**
 * Tells everything by `tell(event)`: events of the voice stream as they are, and `analysis`, `measures_lost`,
 * `measures_back`, `partial_result`, `final_result`, `final_result_error`, `feedback_lost`, then, the last of all,
 * `over` {failure}.
 */
export class Session {
  constructor({ server, key, reference, tell }) {
    Object.assign(this, { server, key, tell });
    this.samples = 0;
    this.closing = false;
    this.attempt = 0;
    this.streamId = `page-${Math.random().toString(36).slice(2, 10)}`;
    this.voice = new VoiceStream(server, { apiKey: key, sampleRate: RATE, streamId: this.streamId });
    this.openAnalysis();
    this.recitation = reference ? this.openRecitation(reference) : null;
    this.listen();
  }

  /** Samples since the beginning, in seconds. */
  get seconds() {
    return this.samples / RATE;
  }

  /** @param {Int16Array} samples */
  send(samples) {
    if (this.closing) return;
    this.samples += samples.length;
    this.voice.send(samples);
    this.analysis?.send(samples);
    this.recitation?.send(samples);
  }

  /** No sound follows; what is still owed comes before `over`. */
  close() {
    if (this.closing) return;
    this.closing = true;
    this.voice.close();
    this.analysis?.say({ type: "close" });
    this.recitation?.say({ type: "end" });
    if (this.recitation) setTimeout(this.settle, RESULT_MS);
  }

  abort() {
    this.closing = true;
    this.voice.abort();
  }

  async listen() {
    let failure = null;
    try {
      for await (const event of this.voice) this.tell(event);
      await this.result;
    } catch (error) {
      failure = error;
    }
    this.closing = true;
    clearTimeout(this.retry);
    this.analysis?.hangUp();
    this.recitation?.hangUp();
    this.tell({ type: "over", failure });
  }

  openAnalysis() {
    const address = socketAddress(this.server, `/api/v1/stream/audio/${this.streamId}-measures`, {
      encoding: "linear16", sample_rate: RATE, channels: 1, update_hz: UPDATE_HZ,
    });
    const since = this.seconds; // the analysis counts from its own first sample
    const shifted = (message) => ({
      ...message, timestamp: message.timestamp + since, onsets: message.onsets.map((onset) => onset + since),
    });
    this.analysis = new Feed(address, this.key, {
      message: (message) => {
        if (this.attempt >= TOLD_AT) this.tell({ type: "measures_back" });
        this.attempt = 0;
        if (message.type === "analysis") this.tell(shifted(message));
      },
      closed: () => this.analysisLost(),
    });
  }

  analysisLost() {
    this.analysis = null;
    if (this.closing) return;
    const wait = AGAIN_MS[Math.min(this.attempt++, AGAIN_MS.length - 1)];
    if (this.attempt === TOLD_AT) this.tell({ type: "measures_lost" });
    this.retry = setTimeout(() => this.openAnalysis(), wait);
  }

  openRecitation(reference) {
    const address = socketAddress(this.server, "/ws/recite", { reference, stream_id: `${this.streamId}-words` });
    this.result = new Promise((resolve) => { this.settle = resolve; });
    let answered = false;
    return new Feed(address, this.key, {
      message: (message) => {
        answered ||= message.type.startsWith("final_result");
        if (message.type.includes("_result")) this.tell(message);
        if (answered) this.settle();
      },
      closed: () => {
        if (!answered) this.tell({ type: "feedback_lost" });
        this.recitation = null;
        this.settle();
      },
    });
  }
}
