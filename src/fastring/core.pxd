# The native ring for Cython: `from fastring.core cimport RingBuffer, RingReader`, with fastring.get_include() on the
# include path and C++20. Header-only: nothing to link. The headers are the documentation.
from libc.stdint cimport int64_t

cdef extern from "fastring/pcm.hpp" namespace "fastring" nogil:
    cdef enum class SampleType:
        kInt16
        kFloat32

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
        RingView peek(int64_t frames)
        int64_t commit(int64_t frames)
        bint take_lost(LostRange& lost)
