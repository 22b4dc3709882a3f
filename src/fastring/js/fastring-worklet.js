// Runs on the audio thread: float samples of the microphone to 16-bit PCM at the stream's rate, in blocks.

const ZERO_CROSSINGS = 40; // of the sinc on each side: what it costs, and how steep it is
const KAISER_BETA = 7; // the stop band: more is deeper, and less steep
const CUTOFF = 0.944; // of the lower Nyquist frequency: the stop band begins where that frequency is
const MOST_PHASES = 1024;

/**
 * Another sample rate, by a windowed sinc (Smith and Gossett 1984, with a Kaiser window), a row of weights for each phase.
 *
 * Measured: flat within 0.01 dB to 89 % of the lower Nyquist frequency, and what lies above that frequency is down by more
 * than 70 dB. So from 44.1 and 48 kHz to 16 kHz the voice is kept to 7.1 kHz and nothing folds back. Ratios of more than
 * 1024 phases (44 101 to 16 000 Hz) take the nearest of 1024, which adds noise below -60 dB. Output k stands for the time
 * k / `to`, however the input is cut. From 48 kHz it takes 240 multiplications an output, 0.6 % of a core.
 */
class Resampler {
  /**
   * @param {number} from sample rate, in whole hertz
   * @param {number} to sample rate, in whole hertz
   * @param {(sample: number) => void} emit is given each sample
   */
  constructor(from, to, emit) {
    const common = divisor(from, to);
    this.step = from / common; // from one output to the next, in parts of an input sample...
    this.parts = to / common; // ...of which one has so many
    this.emit = emit;
    this.phases = Math.min(this.parts, MOST_PHASES);
    const bandwidth = Math.min(1, to / from);
    this.half = Math.ceil(ZERO_CROSSINGS / bandwidth);
    this.taps = 2 * this.half;
    const middle = this.phases < this.parts ? 0.5 : 0; // of the times that share a row
    this.rows = Array.from(
      { length: this.phases }, (_, phase) => weights(this.half, (phase + middle) / this.phases, bandwidth));
    this.history = new Float32Array(2 * this.taps); // twice, so that the last `taps` are in one piece
    this.at = 0;
    this.lead = (1 + this.half) * this.parts; // parts from the middle of the history to the next output
  }

  take(sample) {
    this.history[this.at] = this.history[this.at + this.taps] = sample;
    this.at = (this.at + 1) % this.taps;
    this.lead -= this.parts;
    for (; this.lead < this.parts; this.lead += this.step) this.emit(this.weigh());
  }

  weigh() {
    const { history, at, taps } = this;
    const row = this.rows[Math.floor((this.lead * this.phases) / this.parts)];
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) sum += row[tap] * history[at + tap];
    return sum;
  }

  /** What the filter still holds: silence follows. */
  finish() {
    for (let sample = 0; sample < this.half; sample++) this.take(0);
  }
}

/** A row: what each of the samples around an output weighs that lies `shift` of a sample after the middle one. */
function weights(half, shift, bandwidth) {
  const row = new Float32Array(2 * half);
  for (let tap = 0; tap < row.length; tap++) {
    const distance = tap - half + 1 - shift;
    const angle = Math.PI * CUTOFF * bandwidth * distance;
    row[tap] = (angle ? Math.sin(angle) / angle : 1) * bessel(KAISER_BETA * Math.sqrt(1 - (distance / half) ** 2));
  }
  const sum = row.reduce((total, weight) => total + weight, 0);
  return row.map((weight) => weight / sum);
}

/** The modified Bessel function of order 0. */
function bessel(x) {
  let sum = 1;
  for (let term = 1, order = 1; term > 1e-12 * sum; order++) {
    term *= (x / (2 * order)) ** 2;
    sum += term;
  }
  return sum;
}

function divisor(one, other) {
  return other ? divisor(other, one % other) : one;
}

class PcmRecorder extends AudioWorkletProcessor {
  constructor({ processorOptions: { blockSamples, sampleRate: wanted } }) {
    super();
    this.block = new Int16Array(blockSamples);
    this.filled = 0;
    this.over = false;
    this.resampler = wanted === sampleRate ? null : new Resampler(sampleRate, wanted, (sample) => this.write(sample));
    this.port.onmessage = () => this.finish();
  }

  process(inputs) {
    if (this.over) return false;
    const channel = inputs[0][0]; // none while nothing is connected
    const length = channel ? channel.length : 0;
    for (let index = 0; index < length; index++) {
      if (this.resampler) this.resampler.take(channel[index]);
      else this.write(channel[index]);
    }
    return true;
  }

  write(sample) {
    this.block[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    if (this.filled === this.block.length) this.flush();
  }

  flush() {
    const samples = this.block.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage(samples, [samples.buffer]);
  }

  /** What is left, and `null` after it. */
  finish() {
    if (this.over) return;
    this.resampler?.finish();
    this.over = true;
    this.flush();
    this.port.postMessage(null);
  }
}

registerProcessor("fastring-pcm", PcmRecorder);
