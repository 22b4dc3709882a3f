# The native core for Cython: `from fastring.core cimport RingBuffer, Analyzer`, with C++20 and fastring.get_include()
# on the include path. The ring is header-only; the analyzer and conversions link against the static library
# fastring_core in fastring.get_library_dir(). The headers are the documentation, docs/howto/extension.md an example.
from libc.stdint cimport int16_t, int64_t, uint8_t
from libcpp.vector cimport vector

cdef extern from "fastring/pcm.hpp" namespace "fastring" nogil:
    cdef enum class SampleType:
        kInt16
        kFloat32

    void pcm16_to_float32(const int16_t* audio, float* out, size_t samples)
    void float32_to_pcm16(const float* audio, int16_t* out, size_t samples)
    void mulaw_to_pcm16(const uint8_t* audio, int16_t* out, size_t samples)
    void alaw_to_pcm16(const uint8_t* audio, int16_t* out, size_t samples)

cdef extern from "fastring/ring_buffer.hpp" namespace "fastring" nogil:
    cdef enum class OverflowPolicy:
        kDropOldest
        kReject

    cdef enum class WriteStatus:
        kOk
        kClosed
        kFull
        kIndexExhausted
        kReserved
        kNotReserved

    cdef cppclass RingWriteView:
        void* audio
        int64_t start
        int64_t frames
        WriteStatus status

    cdef cppclass RingConfig:
        int64_t capacity_frames
        int channels
        SampleType sample_type
        OverflowPolicy overflow
        int64_t start_index
        bint touched

    cdef cppclass RingStats:
        int64_t capacity_frames
        int64_t held_frames
        int64_t used_frames
        int64_t total_written_frames
        int64_t total_read_frames
        int64_t overflows
        int64_t dropped_frames
        int64_t high_water_frames

    cdef cppclass RingBuffer:
        RingBuffer(const RingConfig&) except +
        WriteStatus write(const void* audio, int64_t frames)
        RingWriteView reserve(int64_t frames)
        WriteStatus publish(int64_t frames)
        int64_t reserved_frames()
        bint read_at(int64_t start, void* out, int64_t frames)
        void close()
        bint closed()
        void reset()
        int64_t write_index()
        int64_t oldest_index()
        RingStats stats()

cdef extern from "fastring/ring_reader.hpp" namespace "fastring" nogil:
    cdef cppclass LostRange:
        int64_t start
        int64_t frames

    cdef cppclass ReadResult:
        int64_t start
        int64_t frames

    cdef cppclass RingView:
        const void* audio
        int64_t start
        int64_t frames

    cdef cppclass RingReader:
        RingReader(RingBuffer&) except +
        RingReader(RingBuffer&, int64_t start) except +
        int64_t available()
        int64_t position()
        int64_t dropped_frames()
        ReadResult read(void* out, int64_t frames)
        ReadResult read_converted(void* out, int64_t frames)
        RingView peek(int64_t frames)
        int64_t commit(int64_t frames)
        bint take_lost(LostRange& lost)

cdef extern from "fastring/analyzer_settings.hpp" namespace "fastring" nogil:
    cdef cppclass AnalyzerSettings:
        AnalyzerSettings()
        double hop_ms
        double spectrum_window_ms
        int spectrum_every_hops
        double rolloff_fraction
        double onset_window_ms
        double onset_min_hz
        double onset_max_hz
        double onset_bands_per_octave
        double onset_gain
        int onset_lag_hops
        double onset_threshold
        double onset_ratio
        double onset_floor_ratio
        double onset_floor_share
        double onset_floor_ms
        double onset_mean_ms
        double onset_max_ms
        int onset_lookahead_hops
        double onset_min_interval_ms
        double onset_offset_ms
        double pitch_window_ms
        int pitch_every_hops
        double pitch_min_hz
        double pitch_max_hz
        double pitch_lowpass_hz
        double pitch_lowpass_order
        double pitch_silence
        double pitch_voicing
        double pitch_octave_cost
        double pitch_jump_cost
        double pitch_voiced_cost
        int pitch_lag_frames
        double tempo_min_bpm
        double tempo_max_bpm
        double tempo_history_s
        double tempo_update_s
        double tempo_prior_bpm
        double tempo_prior_octaves
        double tempo_min_confidence

cdef extern from "fastring/onset.hpp" namespace "fastring" nogil:
    cdef cppclass OnsetEvent:
        int64_t sample_index
        int64_t report_index
        float strength

cdef extern from "fastring/spectrum.hpp" namespace "fastring" nogil:
    cdef cppclass SpectrumFrame:
        int64_t end_index
        float centroid_hz
        float rolloff_hz
        float flux
        float flatness
        float rms
        float peak
        float zero_crossing_rate

cdef extern from "fastring/pitch.hpp" namespace "fastring" nogil:
    cdef cppclass PitchFrame:
        int64_t centre_index
        float f0_hz
        float candidate_hz
        float confidence

cdef extern from "fastring/tempo.hpp" namespace "fastring" nogil:
    cdef cppclass TempoEstimate:
        int64_t sample_index
        float bpm
        float confidence

cdef extern from "fastring/analyzer.hpp" namespace "fastring" nogil:
    cdef cppclass ChunkLevel:
        float rms
        float energy
        float peak
        float dc_offset
        float zero_crossing_rate
        int64_t non_finite

    cdef cppclass AnalyzerSink:
        pass

    cdef cppclass Analyzer:
        Analyzer(double sample_rate, int channels, const AnalyzerSettings&) except +
        ChunkLevel push(const int16_t* samples, size_t frames, AnalyzerSink&) except +
        ChunkLevel push(const float* samples, size_t frames, AnalyzerSink&) except +
        void reset() except +
        double sample_rate()
        int channels()
        int hop_samples()
        int pitch_latency_samples()
        SpectrumFrame spectrum()
        PitchFrame pitch()
        TempoEstimate tempo()
        int64_t samples_pushed()
        int64_t non_finite_samples()
        size_t state_bytes()

cdef extern from "fastring/analyzer_recorder.hpp" namespace "fastring" nogil:
    cdef cppclass AnalyzerRecorder(AnalyzerSink):
        AnalyzerRecorder()
        vector[OnsetEvent] onsets
        vector[SpectrumFrame] spectra
        vector[PitchFrame] pitches
        vector[TempoEstimate] tempos
        vector[int64_t] novelty_end_index
        vector[float] novelty
        void clear()
