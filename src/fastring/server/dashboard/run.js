// One run: a source, its session, and what the user is told of both.
import { find, write } from "./dom.js";
import { Session } from "./session.js";
import { Clip, decode, openMicrophone } from "./sources.js";
import * as troubles from "./troubles.js";

const DEAF_MS = 4000; // a microphone that gives nothing for so long is gone
const PATIENCE_MS = 20_000; // for the last words

export class Run {
  /** @param {object} parts of the page; `changed(run?)` is called when it has begun, and with it when it is over */
  constructor(parts) {
    Object.assign(this, parts);
    this.source = null;
    this.session = null;
    this.ended = false;
    this.done = new Promise((resolve) => { this.settle = resolve; });
  }

  /** @param {(run: Run) => Promise<void>} open gives it its sound */
  async begin(title, open) {
    this.title = title;
    this.chip("warn", "opening");
    this.changed();
    this.opened = open(this).catch((error) => this.notices.show("source", "error", ...troubles.ofFailure(error)));
    await this.opened;
    if (!this.session) return this.finish();
    if (this.aborted) this.session.abort();
    return undefined;
  }

  async openMicrophone() {
    try {
      this.source = await openMicrophone((samples) => this.push(samples));
    } catch (error) {
      return this.notices.show("source", "error", ...troubles.ofMicrophone(error));
    }
    this.openSession();
    this.heardMs = performance.now();
    this.watch = setInterval(() => this.checkMicrophone(), 1000);
    return undefined;
  }

  async play(bytes, name) {
    let samples;
    try {
      samples = await decode(bytes);
    } catch {
      return this.notices.show("source", "error", ...troubles.ofFile(name));
    }
    this.openSession();
    this.source = new Clip(samples, (block) => this.push(block), () => this.stop());
    this.hear(find("audible").checked);
    return undefined;
  }

  hear(wanted) {
    this.source?.hear?.(wanted);
  }

  openSession() {
    for (const room of Object.values(this.rooms)) room.begin(this.title);
    this.session = new Session({
      server: this.server.address, key: this.key.value, reference: this.reference, tell: (event) => this.tell(event),
    });
    this.server.mine = this.session.streamId;
    this.painter.start();
  }

  push(samples) {
    if (!this.session) return;
    this.heardMs = performance.now();
    this.session.send(samples);
    this.rooms.waveform.push(samples);
    this.rooms.spectrum.push(samples);
    this.painter.stale = true;
  }

  checkMicrophone() {
    if (performance.now() - this.heardMs < DEAF_MS) return this.notices.clear("source");
    return this.notices.show("source", "warn", ...troubles.DEAF);
  }

  /** No more sound; the last words still come. */
  async stop() {
    if (this.stopping) return this.done;
    this.stopping = true;
    this.changed();
    await this.opened;
    if (!this.session) return this.done;
    await this.letGo();
    if (this.ended) return this.done;
    this.chip("warn", "finishing");
    this.session.close();
    return this.done;
  }

  /** As `stop`, but without waiting for ever: a second call, or too long a wait, gives up what is owed. */
  async leave() {
    if (this.stopping) this.abort();
    const timer = setTimeout(() => this.abort(), PATIENCE_MS);
    await this.stop();
    clearTimeout(timer);
  }

  abort() {
    this.aborted = true;
    this.session?.abort();
  }

  async letGo() {
    clearInterval(this.watch);
    const { source } = this;
    this.source = null;
    await source?.stop();
  }

  finish() {
    if (this.ended) return;
    this.ended = true;
    this.letGo();
    this.painter.stop();
    this.rooms.measures.still();
    this.chip("idle", "not streaming");
    this.changed(this);
    this.settle();
    this.server.look();
  }

  /** An event of the session: to every room, then to the user if it is about the connection. */
  tell(event) {
    for (const room of Object.values(this.rooms)) room.hear(event, this.session?.seconds ?? 0);
    switch (event.type) {
      case "ready": return this.live();
      case "reconnecting": return this.explain(event);
      case "resumed": return this.back(`${event.replayed_s.toFixed(1)} s of sound were sent again: nothing is lost.`);
      case "restarted": return this.back("The server had begun anew. The text so far stays.");
      case "audio_lost":
        return this.notices.show(
          "lost", "warn", `${(event.end - event.start).toFixed(1)} s of sound were lost`,
          "The connection was away for longer than sound can be kept. Say it again if it matters.",
        );
      case "status": return this.status(event);
      case "error":
        return this.notices.show("error", event.fatal ? "error" : "warn", "The server complains", event.message);
      case "measures_lost": return this.missMeasures();
      case "measures_back": return this.notices.clear("measures");
      case "over": return this.over(event.failure);
      default: return undefined;
    }
  }

  live() {
    this.isLive = true;
    this.notices.clear("connection");
    this.server.look();
    this.chip("good", this.stopping ? "finishing" : "live");
  }

  back(advice) {
    this.live();
    this.notices.show("connection", "info", "Connected again", advice);
  }

  /** The server's answers over HTTP say why there is no connection: those to a WebSocket are hidden from pages. */
  async explain({ attempt }) {
    this.chip("bad", attempt > 1 ? `connecting, attempt ${attempt}` : "connecting");
    this.isLive = false;
    const health = await this.server.refresh();
    const status = health === 200 ? await this.server.admits() : health;
    if (this.ended || this.isLive) return;
    this.notices.show(
      "connection", "warn", ...troubles.ofConnection(status, this.server.health), this.remedy(status));
    if (status === 401) this.abort();
  }

  remedy(status) {
    return status === 401 ? { label: "Enter a key", run: this.enter } : null;
  }

  async missMeasures() {
    await this.server.refresh();
    if (this.ended || !this.isLive) return; // the notice about the connection says it all
    const [title, advice] = troubles.ofConnection(200, this.server.health);
    this.notices.show("measures", "warn", "The measures are missing", `${title}. ${advice}`);
  }

  status(event) {
    if (event.state === "recovered") return this.notices.clear("busy");
    const told = troubles.ofStatus(event);
    return told && this.notices.show("busy", "warn", ...told);
  }

  over(failure) {
    if (failure && !this.aborted) {
      this.notices.show("source", "error", ...troubles.ofFailure(failure), this.remedy(failure.status));
    }
    if (!failure && !this.stopping) this.notices.show("source", "warn", ...troubles.STOPPED);
    this.finish();
  }

  chip(state, text) {
    find("connection").dataset.state = state;
    write(find("connection"), text);
  }
}
