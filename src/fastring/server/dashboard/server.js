// The server itself: asked now and then while the page is looked at.
import { find, make, write } from "./dom.js";
import { milliseconds, span } from "./format.js";

const EVERY_MS = 2000;
const ROWS = 50;
const PATIENCE_MS = 5000;

/** What the server answered: 0 if it did not. */
export class Server {
  /** @param {string} address */
  constructor(address) {
    this.address = address;
    this.key = "";
    this.mine = ""; // the id of this page's stream
    this.health = null;
    this.reachable = false;
  }

  async ask(path) {
    const headers = this.key ? { Authorization: `Bearer ${this.key}` } : {};
    try {
      const answer = await fetch(new URL(path, this.address), { headers, signal: AbortSignal.timeout(PATIENCE_MS) });
      const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
      return { status: answer.status, body: isJson ? await answer.json() : null };
    } catch {
      return { status: 0, body: null };
    }
  }

  async refresh() {
    const { status, body } = await this.ask("api/v1/stream/health");
    this.reachable = status === 200 || status === 503;
    this.health = this.reachable ? body : null;
    this.showHealth(status);
    return status;
  }

  /** 200: come in; 401: a key is needed, or another one. */
  async admits() {
    const { status, body } = await this.ask("api/v1/stream/list");
    if (status === 200) this.showStreams(body.streams);
    return status;
  }

  /** Ask from now on, while the page is looked at. */
  watch() {
    const look = async () => {
      if (!document.hidden) await this.look();
      setTimeout(look, EVERY_MS);
    };
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
    look();
  }

  async look() {
    await this.refresh();
    if (!this.reachable || !this.admitted) return;
    await this.admits();
    const { status, body } = await this.ask("metrics/streaming");
    if (status === 200) this.showMetrics(body);
  }

  showHealth(status) {
    const chip = find("health");
    const states = { 0: ["bad", "not reachable"], 200: ["good", "healthy"], 503: ["warn", "going down"] };
    const [state, text] = states[status] ?? ["bad", `status ${status}`];
    chip.dataset.state = state;
    write(chip, text);
    if (!this.health) return;
    const { engine, model, version, streams, max_streams: most, connections, uptime_s: uptime } = this.health;
    const hint = model === "digits" ? ": hears the spoken digits zero to nine, in English" : "";
    write(find("engine"), `${engine}, model ${model.split(/[\\/]/).at(-1)}${hint}`);
    write(find("version"), `fastring ${version}`);
    write(find("server-streams"), `${streams} of ${most}`);
    write(find("server-connections"), String(connections));
    write(find("server-uptime"), span(uptime));
  }

  showMetrics({ p95_latency_ms: latency, dropped_segments: refused }) {
    write(find("server-latency"), milliseconds(latency));
    write(find("server-refused"), String(refused));
  }

  showStreams(streams) {
    const rows = streams.slice(0, ROWS).map((stream) => {
      const { stream_id: id, kind, sample_rate: rate, connections, uptime_s: uptime } = stream;
      const cells = [id, kind, `${rate} Hz`, String(connections), span(uptime)];
      const row = make("tr", "", ...cells.map((cell) => make("td", "", cell)));
      row.classList.toggle("mine", this.mine !== "" && id.startsWith(this.mine));
      return row;
    });
    if (!rows.length) rows.push(remark("none is open"));
    if (streams.length > ROWS) rows.push(remark(`and ${streams.length - ROWS} more`));
    find("streams").replaceChildren(...rows);
  }
}

function remark(text) {
  const cell = make("td", "note", text);
  cell.colSpan = 5;
  return make("tr", "", cell);
}
