// What was said, a line an utterance. A word that is settled keeps its element: nothing ever touches it again.
import { cap, find, make, write } from "./dom.js";
import { clock } from "./format.js";

const LINES = 300;
const NEAR_END = 60; // pixels
const DOUBTFUL = 0.5; // of confidence

class Line {
  constructor(utterance, start) {
    this.stableText = "";
    this.stable = make("span", "stable");
    this.unstable = make("span", "unstable");
    this.text = make("p", "text", this.stable, this.unstable);
    this.asides = make("div", "aside");
    this.element = make("li", "utterance", make("time", "", clock(start)), this.text, this.asides);
    this.element.dataset.utterance = utterance;
    this.triggers = new Map();
    this.reply = null;
  }

  /** Append what is newly settled, and replace what may still change. */
  show(stableText, text) {
    if (!stableText.startsWith(this.stableText)) this.restart();
    for (const piece of stableText.slice(this.stableText.length).match(/\s*\S+/g) ?? []) {
      const space = piece.length - piece.trimStart().length;
      if (space) this.stable.append(piece.slice(0, space));
      this.stable.append(make("span", "word", piece.trimStart()));
    }
    this.stableText = stableText;
    write(this.unstable, text.slice(stableText.length));
  }

  /** The server had to begin anew, and heard it in another way. */
  restart() {
    this.stable.replaceChildren();
    this.stableText = "";
  }

  settle(event) {
    this.show(event.text, event.text);
    if (!event.text) this.text.replaceChildren(make("span", "nothing", "(nothing understood)"));
    for (const [element, sinceMs] of this.triggers.values()) {
      if (!element.classList.contains("retracted")) element.append(`, ${seconds(sinceMs)} s before the final`);
    }
    const spans = this.stable.querySelectorAll(".word");
    if (spans.length !== event.words.length) return;
    event.words.forEach(({ confidence, start }, index) => {
      spans[index].title = `${clock(start)}, ${Math.round(100 * confidence)} % sure`;
      spans[index].classList.toggle("doubtful", confidence < DOUBTFUL);
    });
  }

  trigger({ trigger_id, text }) {
    const element = make("p", "trigger", `Early trigger: “${text}”`);
    this.triggers.set(trigger_id, [element, performance.now()]);
    this.asides.append(element);
  }

  retract({ trigger_id, reason }) {
    const [element] = this.triggers.get(trigger_id) ?? [];
    element?.classList.add("retracted");
    if (element) element.title = `taken back: ${reason}`;
  }

  answer(text) {
    if (!this.reply) this.asides.append((this.reply = make("p", "reply")));
    this.reply.append(text);
  }
}

export class Transcript {
  constructor() {
    this.box = find("transcript-box");
    this.list = find("transcript");
    this.lines = new Map();
    this.atEnd = true;
    this.scrolling = 0;
    this.box.onscroll = () => {
      this.atEnd = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_END;
    };
    find("clear").onclick = () => this.clear();
    find("copy").onclick = () => this.copy();
    find("copy").hidden = !navigator.clipboard;
  }

  /** A new source: its utterances count from 0 again. */
  begin(title) {
    this.lines.clear();
    this.list.append(make("li", "run", `${title}, ${new Date().toLocaleTimeString([], { timeStyle: "short" })}`));
    this.follow(() => {});
  }

  /** @param {object} event of the session */
  hear(event) {
    if (event.type === "partial") this.follow(() => this.line(event).show(event.stable_text, event.text));
    else if (event.type === "final") this.follow(() => this.line(event).settle(event));
    else if (event.type === "early_trigger") this.follow(() => this.line(event).trigger(event));
    else if (event.type === "early_trigger_retracted") this.line(event).retract(event);
    else if (event.type === "reply_delta") this.follow(() => this.line(event).answer(event.text));
    if (event.type === "final" && event.text) write(find("spoken"), event.text);
  }

  line({ utterance, start = 0 }) {
    let line = this.lines.get(utterance);
    if (!line) {
      line = new Line(utterance, start);
      this.lines.set(utterance, line);
      this.list.append(line.element);
      cap(this.list, LINES);
      for (const [old, { element }] of this.lines) if (!element.isConnected) this.lines.delete(old);
    }
    return line;
  }

  /** Stay at the end, unless somebody reads further up. */
  follow(change) {
    change();
    find("transcript-empty").hidden = this.list.children.length > 0;
    if (!this.atEnd || this.scrolling) return;
    this.scrolling = requestAnimationFrame(() => { // once for all that is new: each look at its height costs a layout
      this.scrolling = 0;
      this.box.scrollTop = this.box.scrollHeight;
    });
  }

  clear() {
    this.lines.clear();
    this.list.replaceChildren();
    find("transcript-empty").hidden = false;
  }

  async copy() {
    const lines = [...this.list.querySelectorAll(".text")].map((text) => text.textContent.trim()).filter(Boolean);
    await navigator.clipboard.writeText(lines.join("\n"));
    write(find("copy"), "Copied");
    setTimeout(() => write(find("copy"), "Copy"), 1500);
  }
}

function seconds(sinceMs) {
  return ((performance.now() - sinceMs) / 1000).toFixed(2);
}
