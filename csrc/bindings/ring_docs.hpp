// What help() says about the raw methods of RingBuffer and RingReader.
#pragma once

namespace fastring::bindings {

inline constexpr const char* kReadDoc =
    "read($self, n=None, dtype=None)\n--\n\n"
    "The next frames, in a new array; fewer than `n` if fewer are held, which is no error.\n\n"
    "Args:\n    n: frames to read at most, all that are available if None.\n"
    "    dtype: \"int16\" or \"float32\", the ring's own if None. int16 / 32768 gives float32; float32 is rounded and\n"
    "        saturated to int16.\n\n"
    "Returns:\n    shape (frames,) if the ring is mono, else (frames, channels).\n\n"
    "Raises:\n    ConfigError: if `n` is negative.\n    BusyError: if another thread is in this reader.";
inline constexpr const char* kReadIntoDoc =
    "read_into($self, out, /)\n--\n\n"
    "The next frames, into `out`; returns how many: fewer than fit if fewer are held.\n\n"
    "Args:\n    out: C-contiguous int16 or float32 array of shape (frames,) if the ring is mono, of (frames * "
    "channels,)\n"
    "        or (frames, channels) otherwise; or a writable buffer for raw samples of the ring's dtype. What lies "
    "behind\n"
    "        the frames read keeps its content, except after the writer overtook this very read.\n\n"
    "Raises:\n    AudioFormatError: if `out` does not fit; nothing was read.\n"
    "    BusyError: if another thread is in this reader.";
inline constexpr const char* kPeekDoc =
    "peek($self, n=None, /)\n--\n\n"
    "The next frames in place, without a copy: a read-only view that is good until `commit`.\n\n"
    "The view ends where the ring wraps, so it may be shorter than `n` and than `available`: peek again after "
    "`commit`.\n"
    "It never wraps if every write and commit is of one length that divides the capacity. On a drop-oldest ring a "
    "writer\n"
    "may overwrite the view; `commit` then says how much of it.";
inline constexpr const char* kCommitDoc =
    "commit($self, n, /)\n--\n\n"
    "Moves on by `n` frames; returns how many of them had been overwritten already (they count as dropped).\n\n"
    "0 means that a view of them from `peek` was good throughout.\n\n"
    "Raises:\n    ConfigError: if `n` is negative or more than what is available.";
inline constexpr const char* kReadAtDoc =
    "The frames `start` to `start + n`, if all are still held; moves no reader, so windows may overlap.\n\n"
    "Args:\n    start: index of the first frame.\n    n: frames, at least 0.\n    dtype: as in `read`.\n\n"
    "Returns:\n    shape (n,) if the ring is mono, else (n, channels).\n\n"
    "Raises:\n    RangeLostError: if any of it was overwritten, reset away, or is not written yet.";
inline constexpr const char* kResetDoc =
    "Forgets what is held and starts the statistics again; the writer's thread calls it.\n\n"
    "Indices go on: the next frame of every reader is the next one written. What a reader had not read, or had lost\n"
    "without noticing yet, is not counted as dropped.";
inline constexpr const char* kWriteDoc =
    "write($self, audio, /)\n--\n\n"
    "Appends audio; returns the number of frames. Never waits.\n\n"
    "Of more frames than the capacity the last are kept and the others count as dropped.\n\n"
    "Args:\n    audio: C-contiguous array of the ring's dtype, of shape (frames,) if the ring is mono, of\n"
    "        (frames * channels,) or (frames, channels) otherwise; or raw little-endian samples of that dtype as "
    "bytes,\n"
    "        bytearray, memoryview or any other contiguous buffer.\n\n"
    "Raises:\n    AudioFormatError: if `audio` does not fit; the ring is unchanged.\n"
    "    BufferClosedError: after `close`.\n"
    "    BufferFullError: if a \"reject\" ring has no room for all of it; the ring is unchanged.\n"
    "    BusyError: if another thread is writing.";
inline constexpr const char* kReserveDoc =
    "reserve($self, n, /)\n--\n\n"
    "The ring's next frames in place: a writable view to fill, then `publish`. No copy, never waits.\n\n"
    "The view ends where the ring wraps, so it may be shorter than `n`: publish it and reserve the rest. It never\n"
    "wraps if every write is of one length that divides the capacity. Its content is undefined. Room is made for it\n"
    "now: on a full drop-oldest ring the oldest frames are lost here, and are even if less is published. Do not touch\n"
    "the view after `publish`: it is the ring itself.\n\n"
    "Args:\n    n: frames wanted, at least 0.\n\n"
    "Returns:\n    the ring's dtype, shape (frames,) if the ring is mono, else (frames, channels).\n\n"
    "Raises:\n    ConfigError: if `n` is negative.\n    BufferClosedError: after `close`.\n"
    "    BufferFullError: if a \"reject\" ring has no room for all of the view; nothing is reserved.\n"
    "    BusyError: if another thread is writing, or frames are reserved already.";
inline constexpr const char* kPublishDoc =
    "publish($self, n, /)\n--\n\n"
    "Appends the first `n` frames of the view from `reserve`; returns `n`. 0 gives the reservation back.\n\n"
    "Raises:\n    ConfigError: if `n` is negative or more than what is reserved; the reservation stays.\n"
    "    BufferClosedError: after `close`; the reservation is gone.\n"
    "    BusyError: if another thread is writing.";

}  // namespace fastring::bindings
