// What the sound is made of now: bands of equal width to the ear, and the pitch among them.
import { PowerSpectrum } from "./fft.js";
import { Sheet } from "./painter.js";
import { RATE } from "./sources.js";

const SIZE = 1024;
const BANDS = 56;
const LOWEST_HZ = 50;
const FLOOR_DB = -85;
const TOP_DB = -15; // as loud as a band of speech gets
const FALL_DB = 2.5; // a painting
const LABELS = [[100, "100"], [300, "300"], [1000, "1k"], [3000, "3k"]];

export class Spectrum {
  constructor(canvas) {
    this.sheet = new Sheet(canvas);
    this.transform = new PowerSpectrum(SIZE);
    const edge = (band) => LOWEST_HZ * (RATE / 2 / LOWEST_HZ) ** (band / BANDS);
    this.bands = Array.from({ length: BANDS }, (_, band) => {
      const from = Math.round((edge(band) * SIZE) / RATE);
      return [from, Math.max(from + 1, Math.round((edge(band + 1) * SIZE) / RATE))];
    });
    this.begin();
  }

  begin() {
    this.recent = new Float32Array(SIZE);
    this.shown = new Float32Array(BANDS).fill(FLOOR_DB);
    this.pitch = null;
    this.quiet = true;
  }

  /** @param {Int16Array} samples */
  push(samples) {
    const taken = samples.subarray(Math.max(0, samples.length - SIZE));
    this.recent.copyWithin(0, taken.length);
    for (let index = 0; index < taken.length; index++) this.recent[SIZE - taken.length + index] = taken[index] / 32768;
    this.quiet = false;
  }

  /** @param {object} event of the session */
  hear(event) {
    if (event.type === "analysis") this.pitch = event.pitch;
  }

  paint() {
    const context = this.sheet.clear();
    const { width, height, colours } = this.sheet;
    const ground = height - 18;
    if (!this.quiet) this.measure();
    const step = width / BANDS;
    context.fillStyle = colours.wave;
    this.shown.forEach((level, band) => {
      const tall = Math.max(1, ((level - FLOOR_DB) / (TOP_DB - FLOOR_DB)) * ground);
      context.fillRect(band * step, ground - tall, Math.max(1, step - 2), tall);
    });
    const x = (hz) => (width * Math.log(hz / LOWEST_HZ)) / Math.log(RATE / 2 / LOWEST_HZ);
    this.paintScale(context, x, height);
    if (this.pitch !== null) {
      context.fillStyle = colours.onset;
      context.fillRect(x(this.pitch) - 1, 0, 2, ground);
    }
  }

  measure() {
    const power = this.transform.of(this.recent);
    this.bands.forEach(([from, to], band) => {
      let strongest = 0;
      for (let bin = from; bin < to; bin++) strongest = Math.max(strongest, power[bin]);
      const level = Math.max(FLOOR_DB, Math.min(TOP_DB, 10 * Math.log10(strongest + 1e-12)));
      this.shown[band] = Math.max(level, this.shown[band] - FALL_DB);
    });
  }

  paintScale(context, x, height) {
    context.fillStyle = this.sheet.colours.faint;
    context.font = `11px ${this.sheet.font}`;
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    for (const [hz, label] of LABELS) context.fillText(`${label} Hz`, x(hz), height - 3);
  }
}
