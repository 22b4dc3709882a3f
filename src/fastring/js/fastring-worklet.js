// Runs on the audio thread: float samples of the microphone to 16-bit PCM, in blocks.
class PcmRecorder extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.block = new Int16Array(options.processorOptions.blockSamples);
    this.filled = 0;
    this.port.onmessage = () => this.flush();
  }

  process(inputs) {
    const channel = inputs[0][0];
    if (channel) for (const sample of channel) this.take(sample);
    return true;
  }

  take(sample) {
    this.block[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    if (this.filled === this.block.length) this.flush();
  }

  flush() {
    const samples = this.block.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage(samples, [samples.buffer]);
  }
}

registerProcessor("fastring-pcm", PcmRecorder);
