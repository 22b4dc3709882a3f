// What the user should know, and what to do next. One notice a subject: the newer replaces the older.
import { find, make } from "./dom.js";

const PASSING_MS = 6000;

export class Notices {
  constructor() {
    this.place = find("notices");
    this.shown = new Map();
  }

  /**
   * @param {string} subject what it is about
   * @param {"info"|"warn"|"error"} kind infos go by themselves
   * @param {string} title what happened
   * @param {string} advice what to do next
   * @param {{label: string, run: () => void}} [action] a button for that
   */
  show(subject, kind, title, advice = "", action = null) {
    this.clear(subject);
    const text = make("div", "", make("strong", "", title), advice);
    const element = make("div", "notice", text);
    element.dataset.kind = kind;
    element.dataset.subject = subject;
    if (action) element.append(button(action.label, () => { this.clear(subject); action.run(); }));
    element.append(button("Close", () => this.clear(subject)));
    this.place.append(element);
    const timer = kind === "info" ? setTimeout(() => this.clear(subject), PASSING_MS) : 0;
    this.shown.set(subject, { element, timer });
  }

  clear(subject) {
    const { element, timer } = this.shown.get(subject) ?? {};
    clearTimeout(timer);
    element?.remove();
    this.shown.delete(subject);
  }

  clearAll() {
    for (const subject of [...this.shown.keys()]) this.clear(subject);
  }
}

function button(label, run) {
  const element = make("button", "small", label);
  element.type = "button";
  element.onclick = run;
  return element;
}
