// The last seconds of sound: its envelope, onsets, where somebody spoke, and the words where they were said.
import { Sheet } from "./painter.js";
import { RATE } from "./sources.js";

const COLUMN_SAMPLES = 320; // 20 ms
const COLUMNS = 640; // held, 12.8 s
const PIXELS_PER_SECOND = 105;
const LONGEST_S = 12;
const SHORTEST_S = 3;
const LANE = 26; // below, for words
const TICK = 14; // above, for onsets
const QUIETEST = 1600; // of 32768: noise stays small

export class Waveform {
  constructor(canvas) {
    this.sheet = new Sheet(canvas);
    this.begin();
  }

  begin() {
    this.low = new Int16Array(COLUMNS);
    this.high = new Int16Array(COLUMNS);
    this.samples = 0;
    this.loudest = QUIETEST;
    this.onsets = [];
    this.speech = []; // {utterance, start, end}
    this.words = new Map(); // by utterance
  }

  /** @param {Int16Array} samples */
  push(samples) {
    for (let from = 0; from < samples.length;) {
      const column = Math.floor(this.samples / COLUMN_SAMPLES) % COLUMNS;
      const filled = this.samples % COLUMN_SAMPLES;
      const part = samples.subarray(from, from + COLUMN_SAMPLES - filled);
      this.widen(column, part, filled ? this.low[column] : part[0], filled ? this.high[column] : part[0]);
      this.samples += part.length;
      from += part.length;
    }
  }

  widen(column, samples, low, high) {
    for (const sample of samples) {
      if (sample < low) low = sample;
      else if (sample > high) high = sample;
    }
    this.low[column] = low;
    this.high[column] = high;
  }

  /** @param {object} event of the session */
  hear(event) {
    switch (event.type) {
      case "analysis": this.onsets.push(...event.onsets); break;
      case "speech_started": this.speech.push({ utterance: event.utterance, start: event.start, end: null }); break;
      case "speech_ended":
        for (const stretch of this.speech) if (stretch.utterance === event.utterance) stretch.end = event.end;
        break;
      case "partial": case "final": this.words.set(event.utterance, event.words); break;
      default: return;
    }
    this.forget(this.samples / RATE - LONGEST_S - 1);
  }

  forget(before) {
    this.onsets = this.onsets.filter((onset) => onset >= before);
    this.speech = this.speech.filter(({ end }) => end === null || end >= before);
    for (const [utterance, words] of this.words) {
      if (!words.length || words.at(-1).end < before) this.words.delete(utterance);
    }
  }

  paint() {
    const { sheet } = this;
    const context = sheet.clear();
    const shownS = Math.min(LONGEST_S, Math.max(SHORTEST_S, sheet.width / PIXELS_PER_SECOND));
    const nowS = this.samples / RATE;
    const scale = sheet.width / shownS;
    const x = (seconds) => sheet.width - (nowS - seconds) * scale;
    const height = sheet.height - LANE;
    this.paintSpeech(context, x, nowS, height);
    this.paintTime(context, x, nowS - shownS, nowS, height);
    this.paintWave(context, scale, height);
    this.paintOnsets(context, x, height);
    this.paintWords(context, x, height);
  }

  paintSpeech(context, x, nowS, height) {
    context.fillStyle = this.sheet.colours.speech;
    for (const { start, end } of this.speech) context.fillRect(x(start), 0, x(end ?? nowS) - x(start), height);
  }

  paintTime(context, x, fromS, toS, height) {
    context.fillStyle = this.sheet.colours.line;
    for (let second = Math.max(0, Math.ceil(fromS)); second <= toS; second++) {
      context.fillRect(Math.round(x(second)), height - 5, 1, 5);
    }
    context.fillRect(0, height, this.sheet.width, 1);
    context.fillRect(0, Math.round(height / 2), this.sheet.width, 1);
  }

  /** Quiet speech fills the height as loud speech does: the drawing follows the loudest that it holds. */
  scale() {
    let loudest = QUIETEST;
    for (let column = 0; column < COLUMNS; column++) loudest = Math.max(loudest, this.high[column], -this.low[column]);
    this.loudest += (1.1 * loudest - this.loudest) * (loudest > this.loudest ? 0.5 : 0.05);
  }

  paintWave(context, scale, height) {
    this.scale();
    const step = (COLUMN_SAMPLES / RATE) * scale;
    const last = Math.ceil(this.samples / COLUMN_SAMPLES) - 1;
    const right = this.sheet.width - ((this.samples - last * COLUMN_SAMPLES) / RATE) * scale;
    const middle = height / 2;
    context.fillStyle = this.sheet.colours.wave;
    const oldest = Math.max(0, last - COLUMNS + 1);
    for (let column = last, left = right; column >= oldest && left > -step; column--, left -= step) {
      const top = middle - (this.high[column % COLUMNS] / this.loudest) * middle;
      const bottom = middle - (this.low[column % COLUMNS] / this.loudest) * middle;
      context.fillRect(left, top, Math.max(1, step - 0.6), Math.max(1, bottom - top));
    }
  }

  paintOnsets(context, x, height) {
    context.fillStyle = this.sheet.colours.onset;
    for (const onset of this.onsets) context.fillRect(Math.round(x(onset)) - 1, 0, 3, TICK);
    context.globalAlpha = 0.3;
    for (const onset of this.onsets) context.fillRect(Math.round(x(onset)), TICK, 1, height - TICK);
    context.globalAlpha = 1;
  }

  paintWords(context, x, height) {
    context.font = `13px ${this.sheet.font}`;
    context.textBaseline = "middle";
    for (const words of this.words.values()) {
      for (const { word, start, stable } of words) {
        context.fillStyle = stable === false ? this.sheet.colours.faint : this.sheet.colours.ink;
        context.fillText(word, x(start), height + LANE / 2 + 2);
      }
    }
  }
}
