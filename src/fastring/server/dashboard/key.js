// The API key: asked for if the server wants one, kept in this tab, sent by header and sub-protocol alone.
import { find, write } from "./dom.js";

const PLACE = "fastring-key";
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // what a browser can offer as a sub-protocol

export class Key {
  constructor() {
    this.dialog = find("key-dialog");
    this.value = "";
    try {
      this.value = sessionStorage.getItem(PLACE) ?? "";
    } catch { /* a browser that keeps nothing asks again */ }
  }

  keep(value) {
    this.value = value;
    try {
      if (value) sessionStorage.setItem(PLACE, value);
      else sessionStorage.removeItem(PLACE);
    } catch { /* as above */ }
  }

  /**
   * Ask until a key is right or the user gives up.
   * @param {(key: string) => Promise<number>} check the status the server answers with
   * @returns {Promise<boolean>} whether there is a key that is right
   */
  ask(check) {
    const { dialog } = this;
    const field = find("key");
    field.value = "";
    write(find("key-problem"), this.value ? "The key that was used so far is not one of this server." : "");
    if (!dialog.open) dialog.showModal();
    return new Promise((resolve) => {
      find("key-form").onsubmit = async (event) => {
        event.preventDefault();
        const problem = await this.problem(field.value.trim(), check);
        write(find("key-problem"), problem);
        if (problem) return field.select();
        this.keep(field.value.trim());
        field.value = "";
        dialog.close();
        return resolve(true);
      };
      find("key-later").onclick = () => dialog.close();
      dialog.onclose = () => resolve(false);
    });
  }

  async problem(key, check) {
    if (!TOKEN.test(key)) return "A browser can send keys of letters, digits and !#$%&'*+-.^_`|~ only.";
    const status = await check(key);
    if (status === 401) return "The server does not know this key: look for a missing or a wrong character.";
    if (status === 0) return "The server is not reachable: is it still running?";
    return status === 200 ? "" : `The server answers with status ${status}.`;
  }
}
