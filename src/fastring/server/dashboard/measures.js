// Figures of the sound now: level, pitch, tempo, onsets.
import { find, write } from "./dom.js";
import { decibels, note } from "./format.js";

const QUIETEST_DB = -60;
const SURE = 0.3; // a tempo below this confidence is not shown
const SETTLED = 5; // messages of which the pitch is the median
const FALL_DB = 0.8; // of the peak's mark, a message

export class Measures {
  constructor() {
    this.fields = Object.fromEntries(
      ["level", "level-bar", "level-fill", "level-peak", "pitch", "note", "tempo", "tempo-note", "onsets", "onset-note"]
        .map((id) => [id, find(id)]),
    );
    this.begin();
  }

  begin() {
    this.count = 0;
    this.peak = QUIETEST_DB;
    this.lastOnset = null;
    const { fields } = this;
    write(fields.onsets, "0");
    write(fields["onset-note"], "");
    this.still();
  }

  /** Nothing sounds: nothing is measured. */
  still() {
    const { fields } = this;
    for (const id of ["level", "pitch", "tempo"]) write(fields[id], "–");
    for (const id of ["note", "tempo-note"]) write(fields[id], "");
    this.pitches = [];
    this.peak = QUIETEST_DB;
    this.showLevel(-Infinity, -Infinity);
  }

  /** @param {object} event of the session */
  hear(event) {
    if (event.type !== "analysis") return;
    const { fields } = this;
    const level = decibels(event.rms);
    write(fields.level, Number.isFinite(level) ? `${level.toFixed(1).replace("-", "−")} dB` : "silence");
    this.showLevel(level, decibels(event.peak));
    this.showPitch(event.pitch);
    const sure = event.tempo !== null && event.tempo_confidence >= SURE;
    write(fields.tempo, sure ? `${event.tempo.toFixed(0)} BPM` : "–");
    write(fields["tempo-note"], sure ? `${Math.round(100 * event.tempo_confidence)} % sure` : "no steady beat");
    this.showOnsets(event);
  }

  showLevel(level, peak) {
    const { fields } = this;
    const share = (decibel) => Math.max(0, Math.min(1, 1 - decibel / QUIETEST_DB));
    this.peak = Math.max(QUIETEST_DB, peak, this.peak - FALL_DB);
    fields["level-fill"].style.transform = `scaleX(${share(level).toFixed(3)})`;
    fields["level-peak"].style.transform = `translateX(${(100 * share(this.peak) - 1).toFixed(1)}%)`;
    const told = Math.round(Math.max(QUIETEST_DB, level));
    fields["level-bar"].setAttribute("aria-valuenow", told);
    fields["level-bar"].setAttribute("aria-valuetext", `${told} dB`);
  }

  /** The median of the last moments: a figure that jumps cannot be read. */
  showPitch(now) {
    this.pitches = [...this.pitches, now].slice(-SETTLED);
    const voiced = this.pitches.filter((pitch) => pitch !== null).sort((a, b) => a - b);
    const pitch = voiced.length * 2 > SETTLED ? voiced[voiced.length >> 1] : null;
    write(this.fields.pitch, pitch === null ? "–" : `${pitch.toFixed(0)} Hz`);
    write(this.fields.note, pitch === null ? "no tone" : note(pitch));
  }

  showOnsets({ onsets, timestamp }) {
    this.count += onsets.length;
    this.lastOnset = onsets.at(-1) ?? this.lastOnset;
    write(this.fields.onsets, String(this.count));
    if (this.lastOnset === null) return;
    write(this.fields["onset-note"], `the last ${Math.max(0, timestamp - this.lastOnset).toFixed(1)} s ago`);
  }
}
