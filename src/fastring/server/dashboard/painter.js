// Paints the drawings when there is new sound, at most once a frame, and never otherwise.

const CALM_MS = 250; // between two paintings for those who want little motion
const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** A canvas with its size in CSS pixels and the palette of the page. */
export class Sheet {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.fresh = false;
    new ResizeObserver(() => { this.fresh = false; }).observe(canvas);
    dark.addEventListener("change", () => { this.fresh = false; });
  }

  /** Cleared, and as large as it is shown. */
  clear() {
    if (!this.fresh) this.measure();
    this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.context.clearRect(0, 0, this.width, this.height);
    return this.context;
  }

  measure() {
    this.ratio = Math.min(2, devicePixelRatio || 1);
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * this.ratio);
    this.canvas.height = Math.round(this.height * this.ratio);
    const style = getComputedStyle(this.canvas);
    const names = ["ink", "faint", "line", "wave", "onset", "speech", "accent"];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.font = style.fontFamily;
    this.fresh = true;
  }
}

export class Painter {
  constructor(drawings) {
    this.drawings = drawings;
    this.running = false;
    this.stale = false; // there is something new to paint
    const once = () => this.paint();
    new ResizeObserver(once).observe(document.body);
    dark.addEventListener("change", () => requestAnimationFrame(once));
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.paintedMs = 0;
    requestAnimationFrame((nowMs) => this.frame(nowMs));
  }

  stop() {
    this.running = false;
    this.paint();
  }

  frame(nowMs) {
    if (!this.running) return;
    if (this.stale && (!still.matches || nowMs - this.paintedMs >= CALM_MS)) {
      this.stale = false;
      this.paintedMs = nowMs;
      this.paint();
    }
    requestAnimationFrame((next) => this.frame(next));
  }

  paint() {
    for (const drawing of this.drawings) drawing.paint();
  }
}
