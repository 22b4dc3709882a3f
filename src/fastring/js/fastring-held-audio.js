/** The audio a client may have to send again: what nobody has answered yet, by sample index. */

/** Samples by index, as far as they are not forgotten. */
export class HeldAudio {
  constructor() {
    this.blocks = []; // {start, samples}, in order
    this.oldest = 0;
    this.end = 0;
  }

  append(samples) {
    if (samples.length) this.blocks.push({ start: this.end, samples });
    this.end += samples.length;
  }

  read(start, count) {
    const out = new Int16Array(Math.max(0, Math.min(start + count, this.end) - start));
    for (const block of this.blocks) {
      const from = Math.max(start, block.start);
      const to = Math.min(start + out.length, block.start + block.samples.length);
      if (from < to) out.set(block.samples.subarray(from - block.start, to - block.start), from - start);
    }
    return out;
  }

  forget(before) {
    this.oldest = Math.max(this.oldest, Math.min(before, this.end));
    while (this.blocks.length && this.blocks[0].start + this.blocks[0].samples.length <= this.oldest) {
      this.blocks.shift();
    }
  }
}
