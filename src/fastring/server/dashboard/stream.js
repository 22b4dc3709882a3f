// What the server says of this stream: latency, buffers, drops, and what happened, the newest first.
import { find, make, write } from "./dom.js";
import { clock, megabytes, milliseconds, percent } from "./format.js";
import { RATE } from "./sources.js";

const HAPPENINGS = 60;
const IN_WORDS = {
  ready: () => "Stream open",
  speech_started: () => "Somebody speaks",
  speech_ended: () => "Speech ended",
  early_trigger: ({ confidence }) => `Early trigger, ${percent(confidence)} sure`,
  early_trigger_retracted: () => "Early trigger taken back",
  reconnecting: ({ attempt }) => `Connection lost, attempt ${attempt} to get it back`,
  resumed: ({ replayed_s }) => `Connected again, ${replayed_s.toFixed(1)} s sent again`,
  restarted: () => "Connected again, to a new session",
  audio_lost: ({ start, end }) => `${(end - start).toFixed(1)} s of sound were lost`,
  status: ({ state }) => `Server: ${state.replaceAll("_", " ")}`,
  error: ({ message }) => message,
  final_result: ({ score }) => `Recitation: ${percent(score)} right`,
  closed: () => "Stream closed",
};

export class StreamCard {
  constructor() {
    this.list = find("happenings");
    this.begin();
  }

  begin() {
    this.dropped = { voice: 0, analysis: 0 };
    this.usage = { voice: 0, analysis: 0 };
    for (const id of ["latency", "final-latency", "buffer", "dropped", "sent"]) write(find(id), "–");
    write(find("latency-parts"), "");
    showShare(0);
    this.list.replaceChildren();
  }

  /** @param {object} event of the session @param {number} seconds since its beginning */
  hear(event, seconds) {
    if (event.type === "partial") this.showBuffers("voice", event);
    if (event.type === "analysis") this.showBuffers("analysis", event);
    if (event.type === "partial") this.showLatency(event.latency_ms);
    if (event.type === "final") write(find("final-latency"), milliseconds(event.latency_ms.total_ms));
    if (Object.hasOwn(IN_WORDS, event.type)) this.tell(IN_WORDS[event.type](event), seconds);
    write(find("sent"), `${clock(seconds)}, ${megabytes(2 * RATE * seconds)}`);
  }

  tell(text, seconds) {
    this.list.prepend(make("li", "", make("time", "", clock(seconds)), make("span", "", text)));
    while (this.list.children.length > HAPPENINGS) this.list.lastElementChild.remove();
  }

  showLatency({ total_ms: total, inference_ms: inference, buffer_ms: buffer, queue_ms: queue }) {
    write(find("latency"), milliseconds(total));
    const waiting = (buffer ?? 0) + (queue ?? 0);
    write(find("latency-parts"), `${milliseconds(waiting)} waiting, ${milliseconds(inference)} inference`);
  }

  showBuffers(part, { buffer_usage, dropped }) {
    this.usage[part] = buffer_usage;
    this.dropped[part] = dropped;
    const usage = Math.max(this.usage.voice, this.usage.analysis);
    showShare(usage);
    write(find("buffer"), percent(usage));
    const samples = this.dropped.voice + this.dropped.analysis;
    write(find("dropped"), samples ? `${samples} samples` : "nothing");
  }
}

function showShare(usage) {
  find("buffer-fill").style.transform = `scaleX(${usage.toFixed(3)})`;
  find("buffer-bar").setAttribute("aria-valuenow", Math.round(100 * usage));
}
