// Where sound comes from: the microphone, or a recording that is played in real time. All of it is 16 kHz mono PCM16.
import { microphone } from "../static/fastring.js";

export const RATE = 16_000;
export const LARGEST_BYTES = 200e6;
const BLOCK_S = 0.032;
const EVERY_MS = 32;
const LONGEST_SAMPLES = RATE / 4; // at a time, however late the timer is

/** Sound until it is stopped. @param {(samples: Int16Array) => void} push */
export async function openMicrophone(push) {
  if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("no microphone here", "InsecureContext");
  return microphone({ sampleRate: RATE, send: push }, { blockS: BLOCK_S });
}

/** Any recording the browser can read. @param {ArrayBuffer} bytes @returns {Promise<Float32Array>} mono at `RATE` */
export async function decode(bytes) {
  const context = new OfflineAudioContext(1, 1, RATE);
  const audio = await context.decodeAudioData(bytes);
  const channels = Array.from({ length: audio.numberOfChannels }, (_, channel) => audio.getChannelData(channel));
  if (channels.length === 1) return channels[0];
  const mixed = new Float32Array(audio.length);
  for (const channel of channels) {
    for (let index = 0; index < mixed.length; index++) mixed[index] += channel[index] / channels.length;
  }
  return mixed;
}

/** A recording in real time, by the clock: a page in the background is called rarely, and must not fall behind. */
export class Clip {
  /**
   * @param {Float32Array} samples
   * @param {(samples: Int16Array) => void} push
   * @param {() => void} ended called once, when all of it was pushed
   */
  constructor(samples, push, ended) {
    Object.assign(this, { samples, push, ended });
    this.sent = 0;
    this.beganMs = performance.now();
    this.timer = setInterval(() => this.advance(), EVERY_MS);
  }

  get durationS() {
    return this.samples.length / RATE;
  }

  advance() {
    const due = Math.floor(((performance.now() - this.beganMs) / 1000) * RATE);
    const end = Math.min(due, this.samples.length);
    while (this.sent < end) {
      const next = Math.min(end, this.sent + LONGEST_SAMPLES);
      this.push(Int16Array.from(this.samples.subarray(this.sent, next), toInt16));
      this.sent = next;
    }
    if (end < this.samples.length) return;
    clearInterval(this.timer);
    this.quieten();
    this.ended();
  }

  /** Let it be heard from where it is, or no more. It goes on if the sound cannot be played. */
  hear(wanted) {
    this.quieten();
    if (!wanted || this.sent >= this.samples.length) return;
    const context = new AudioContext();
    const audio = context.createBuffer(1, this.samples.length, RATE);
    audio.copyToChannel(this.samples, 0);
    const player = context.createBufferSource();
    player.buffer = audio;
    player.connect(context.destination);
    player.start(0, this.sent / RATE);
    this.context = context;
  }

  quieten() {
    this.context?.close();
    this.context = null;
  }

  async stop() {
    clearInterval(this.timer);
    this.quieten();
  }
}

function toInt16(sample) {
  return Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
}
