"""What a wheel in an empty environment must do: import light, keep audio in a ring, measure it."""

import subprocess
import sys

import numpy as np

IMPORT_LIMIT_MS = 30.0


def import_cost_ms() -> float:
    """Milliseconds that `import fastring` adds to `import numpy`: the least of seven fresh processes."""
    code = "import numpy, time; t = time.perf_counter(); import fastring; print((time.perf_counter() - t) * 1e3)"
    return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(7))


def main() -> None:
    """Fail loudly if the wheel does not do its work."""
    cost_ms = import_cost_ms()
    assert cost_ms <= IMPORT_LIMIT_MS, f"import fastring costs {cost_ms:.1f} ms over NumPy, limit {IMPORT_LIMIT_MS}"

    import fastring

    ring = fastring.RingBuffer(48_000)
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)).astype(np.int16)
    ring.write(tone)
    np.testing.assert_array_equal(ring.read(44_100), tone)

    analyzer = fastring.RealtimeAudioAnalyzer(sample_rate=44_100)
    result = analyzer.analyze(tone, 0.0)
    assert result.pitch is not None, "no pitch in a pure tone"
    assert abs(result.pitch - 440) < 1, f"pitch of a 440 Hz tone: {result.pitch}"
    print(f"wheel works: import {cost_ms:.1f} ms over NumPy, 440 Hz heard as {result.pitch:.2f} Hz")


if __name__ == "__main__":
    main()
