// How well the words follow a text that is known.
import { find, make, write } from "./dom.js";
import { percent } from "./format.js";

const IN_WORDS = {
  pending: "not reached yet", correct: "right", minor_mistake: "nearly right", wrong: "wrong", missing: "left out",
};

export class Feedback {
  constructor() {
    this.list = find("feedback");
  }

  get reference() {
    return find("reference").value.trim();
  }

  set reference(text) {
    find("reference").value = text;
  }

  begin() {
    this.list.replaceChildren();
    write(find("score"), "");
    write(find("extra"), "");
  }

  /** @param {object} event of the session */
  hear(event) {
    if (event.type === "partial_result" || event.type === "final_result") this.show(event);
    if (event.type === "final_result") write(find("score"), `${percent(event.score)} right`);
    if (event.type === "final_result_error") write(find("extra"), `No result: ${event.message}`);
    if (event.type === "feedback_lost") write(find("extra"), "Its connection was lost: start again for more.");
  }

  show({ word_feedback: words, extra_words: extra }) {
    words.forEach((word, index) => this.showWord(this.list.children[index] ?? this.list.appendChild(make("li")), word));
    while (this.list.children.length > words.length) this.list.lastElementChild.remove();
    write(find("extra"), extra.length ? `Not in the text: ${extra.join(", ")}` : "");
  }

  showWord(element, { word, status, heard }) {
    const seen = `${status} ${heard ?? ""}`;
    if (element.dataset.seen === seen) return;
    element.dataset.seen = seen;
    element.dataset.status = status;
    element.title = heard ? `${IN_WORDS[status]}: “${heard}” was heard` : IN_WORDS[status];
    element.replaceChildren(word);
    if (heard && heard !== word) element.append(" ", make("small", "", `(${heard})`));
    element.append(make("span", "hidden", `, ${IN_WORDS[status]}`));
  }
}
