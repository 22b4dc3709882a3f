// The power spectrum of real samples: radix 2, tables made once.

export class PowerSpectrum {
  /** @param {number} size a power of two */
  constructor(size) {
    this.size = size;
    this.window = Float32Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size));
    this.cosine = Float32Array.from({ length: size / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.sine = Float32Array.from({ length: size / 2 }, (_, k) => -Math.sin((2 * Math.PI * k) / size));
    this.real = new Float32Array(size);
    this.imaginary = new Float32Array(size);
    this.power = new Float32Array(size / 2);
    const bits = Math.log2(size);
    this.reversed = Uint16Array.from({ length: size }, (_, n) => {
      let out = 0;
      for (let bit = 0; bit < bits; bit++) out |= ((n >> bit) & 1) << (bits - 1 - bit);
      return out;
    });
  }

  /** A sine of full scale is 1 in its bin. @param {Float32Array} samples the last `size`, in order */
  of(samples) {
    const { size, real, imaginary, power } = this;
    for (let n = 0; n < size; n++) real[this.reversed[n]] = samples[n] * this.window[n];
    imaginary.fill(0);
    for (let half = 1; half < size; half *= 2) this.butterflies(half);
    const scale = 16 / (size * size); // of Hann's window: a quarter of the size
    for (let k = 0; k < size / 2; k++) power[k] = scale * (real[k] ** 2 + imaginary[k] ** 2);
    return power;
  }

  butterflies(half) {
    const { size, real, imaginary, cosine, sine } = this;
    const stride = size / (2 * half);
    for (let start = 0; start < size; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const low = start + k;
        const high = low + half;
        const re = real[high] * cosine[k * stride] - imaginary[high] * sine[k * stride];
        const im = real[high] * sine[k * stride] + imaginary[high] * cosine[k * stride];
        real[high] = real[low] - re;
        imaginary[high] = imaginary[low] - im;
        real[low] += re;
        imaginary[low] += im;
      }
    }
  }
}
