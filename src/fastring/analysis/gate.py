"""The energy gate: which 32 ms frames are loud enough, above the noise around them, to be worth a look.

It stands in front of voice detection, so that silence and steady noise cost no inference. It is generous: what it
closes for is surely not speech; what it lets through may be anything.
"""

from __future__ import annotations

from typing import Final

from fastring import _native
from fastring._native import GateFrame

__all__ = ["CONTEXT_SAMPLES", "FRAME_SAMPLES", "EnergyGate", "GateFrame"]

FRAME_SAMPLES: Final = 512  # at 16 kHz
CONTEXT_SAMPLES: Final = _native.EnergyGate.context_samples


class EnergyGate(_native.EnergyGate):
    """Follows level and noise floor of one stream, frame by frame, natively and in any chunking.

    `push(samples)` takes a chunk of any length and returns the `GateFrame`s it completed, mostly none or one; `flush()`
    completes the last one with silence; `reset()` forgets the stream. Frames lie at multiples of `frame_samples` from
    the stream's first sample, and what is said of one depends on the samples alone. For a detector behind the gate,
    `push_with_audio` and `flush_with_audio` also return the samples of the frames, ready to be scored, unless there is
    nothing to score.

    A `GateFrame` is a named tuple:

    - `is_open`: the level is above -65 dBFS (quieter than any speech a microphone is meant to catch), and stands out:
      it is above -20 dBFS (louder than any noise one would speak in), or more than 4 dB above the floor, or more than
      2 dB above it with more than one zero crossing in four samples. That may be an s or an f (L. Rabiner & M. Sambur,
      "An algorithm for determining the endpoints of isolated utterances", Bell Syst. Tech. J. 54, 1975); steady white
      noise stays out, for the level of its frames varies by 0.3 dB.
    - `level_db`: mean power, 10 log10(mean(x²)), in dBFS: a full-scale sine is at -3.01, a square wave at 0. At least
      -120, which is silence.
    - `floor_db`: the least level of the last 3 s, this frame included. Speech does not go on that long without a dip
      between words, so the dip is the noise. This is minimum statistics (R. Martin, "Noise power spectral density
      estimation based on optimal smoothing and minimum statistics", IEEE Trans. Speech Audio Process. 9, 2001) in its
      simplest form, of the whole band and without smoothing.
    - `zero_crossing_rate`: changes of the sign bit per sample with zero as positive, 0..1, the one at the seam with the
      frame before included.
    - `is_held`: the frame is open, or no more than `hold_frames` after one that was.

    NaN and infinity are counted (`non_finite_samples`) and taken as 0; samples beyond ±1e6 are clipped to that. One
    thread at a time: a second one gets `BusyError`. The state is at most 1 KiB, and one frame (`state_bytes`). The GIL
    is released for chunks of 65,536 samples and more.

    Args:
        sample_rate: of the stream, 8000..192000 Hz.
        frame_samples: length of a frame, 20 to 256 ms; 0 stands for 32 ms, 512 samples at 16 kHz.
        hold_frames: how long frames stay held after the gate has closed, 0..1000.
        high_pass_hz: takes away an offset and rumble before anything is measured, and from the audio handed on: a
            one-pole high pass, 3 dB down at this frequency, 0..200; 0 is none.

    Raises:
        ConfigError: an argument is out of range; the message names it, its value and the limit.
    """

    def __init__(
        self,
        sample_rate: float = 16_000,
        *,
        frame_samples: int = 0,
        hold_frames: int = 0,
        high_pass_hz: float = 0.0,
    ) -> None:
        super().__init__(sample_rate, frame_samples, hold_frames, high_pass_hz)

    def __repr__(self) -> str:
        return f"<EnergyGate frames of {self.frame_samples} samples, held for {self.hold_frames}>"
