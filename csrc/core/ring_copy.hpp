// Copies into and out of memory that another thread may be reading or overwriting: the only code that touches the
// samples of a ring. ring_buffer.hpp says why the copies need no lock; this file says why they are no data race.
//
// The ring side of a copy is whole words, 64-byte aligned, at `offset` bytes; offset and bytes are multiples of two.
// The other side is the caller's alone and may have any alignment. A copy that meets a concurrent store delivers a
// mixture of old and new bytes, never anything undefined; the caller finds that out by index and throws those bytes
// away.
//
// - Portable: the ring is an array of 64-bit words, and every access is a relaxed atomic load or store of one whole
// word.
//   That is plain ISO C++20, and it is what ThreadSanitizer checks. To fill half a word the writer loads its own last
//   value and stores the merged one, which loses nothing because there is one writer.
// - x86-64 with GCC or Clang: the same loads and stores, 32 or 16 bytes wide, each one instruction of inline assembly.
// The
//   compiler cannot see into them, split, repeat or reorder them (volatile), and the machine keeps loads in order among
//   loads and stores among stores, of any width, in ordinary memory. The ring needs no more than that. Atomic words
//   cost 2.5 times as much as memcpy here (47 against 18 ns for 2 KiB); these cost the same as memcpy.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define FASTRING_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define FASTRING_SANITIZED 1
#endif
#endif
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(FASTRING_SANITIZED) && \
    !defined(FASTRING_ATOMIC_HEADER)
#define FASTRING_VECTOR_COPY 1
#endif

#if defined(FASTRING_ATOMIC_HEADER)
#include FASTRING_ATOMIC_HEADER  // tests: Atomic, fences and words of a model of memory
#endif

namespace fastring::detail {

inline constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

#if !defined(FASTRING_ATOMIC_HEADER)

template <class T>
using Atomic = std::atomic<T>;

// ThreadSanitizer does not model fences and GCC warns of that. It need not: no access that a fence orders is a plain
// one.
#if defined(__GNUC__) && !defined(__clang__) && defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
inline void acquire_fence() noexcept {
  std::atomic_thread_fence(std::memory_order_acquire);
}
inline void release_fence() noexcept {
  std::atomic_thread_fence(std::memory_order_release);
}
inline void sequential_fence() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
#if defined(__GNUC__) && !defined(__clang__) && defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic pop
#endif

inline std::uint64_t load_word(const std::uint64_t* word) noexcept {
#if defined(__GNUC__) || defined(__clang__)
  return __atomic_load_n(word, __ATOMIC_RELAXED);
#else
  return std::atomic_ref<std::uint64_t>(*const_cast<std::uint64_t*>(word)).load(std::memory_order_relaxed);
#endif
}

inline void store_word(std::uint64_t* word, std::uint64_t value) noexcept {
#if defined(__GNUC__) || defined(__clang__)
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
#else
  std::atomic_ref<std::uint64_t>(*word).store(value, std::memory_order_relaxed);
#endif
}

#endif

#if defined(FASTRING_VECTOR_COPY)

using Vec16 = long long __attribute__((vector_size(16)));
using Vec32 = long long __attribute__((vector_size(32)));
using Vec16At = long long __attribute__((vector_size(16), aligned(1), may_alias));
using Vec32At = long long __attribute__((vector_size(32), aligned(1), may_alias));
using SampleAt = std::uint16_t __attribute__((aligned(1), may_alias));

#define FASTRING_MOVE(instruction, Vec, VecAt, to, from)                                            \
  do {                                                                                              \
    Vec value;                                                                                      \
    asm volatile(instruction " %1, %0" : "=x"(value) : "m"(*reinterpret_cast<const VecAt*>(from))); \
    asm volatile(instruction " %1, %0" : "=m"(*reinterpret_cast<VecAt*>(to)) : "x"(value));         \
  } while (false)

// Whole vectors, then one more that ends exactly at the end and may overlap the last. At least 32 bytes.
__attribute__((target("avx2"))) inline void copy_32(unsigned char* to, const unsigned char* from,
                                                    std::size_t bytes) noexcept {
  std::size_t at = 0;
  for (; at + 64 <= bytes; at += 64) {
    FASTRING_MOVE("vmovdqu", Vec32, Vec32At, to + at, from + at);
    FASTRING_MOVE("vmovdqu", Vec32, Vec32At, to + at + 32, from + at + 32);
  }
  if (at + 32 <= bytes) FASTRING_MOVE("vmovdqu", Vec32, Vec32At, to + at, from + at);
  if (bytes % 32 != 0) FASTRING_MOVE("vmovdqu", Vec32, Vec32At, to + bytes - 32, from + bytes - 32);
}

// The same on every x86-64. At least 16 bytes.
inline void copy_16(unsigned char* to, const unsigned char* from, std::size_t bytes) noexcept {
  for (std::size_t at = 0; at + 16 <= bytes; at += 16) FASTRING_MOVE("movdqu", Vec16, Vec16At, to + at, from + at);
  if (bytes % 16 != 0) FASTRING_MOVE("movdqu", Vec16, Vec16At, to + bytes - 16, from + bytes - 16);
}

#undef FASTRING_MOVE

inline const bool kHasAvx2 = __builtin_cpu_supports("avx2") != 0;

inline void copy_shared(unsigned char* to, const unsigned char* from, std::size_t bytes) noexcept {
  if (bytes >= 32 && kHasAvx2) return copy_32(to, from, bytes);
  if (bytes >= 16) return copy_16(to, from, bytes);
  for (std::size_t at = 0; at < bytes; at += 2) {
    const auto* in = reinterpret_cast<const volatile SampleAt*>(from + at);
    *reinterpret_cast<volatile SampleAt*>(to + at) = *in;
  }
}

inline void copy_out(void* to, const std::uint64_t* words, std::size_t offset, std::size_t bytes) noexcept {
  copy_shared(static_cast<unsigned char*>(to), reinterpret_cast<const unsigned char*>(words) + offset, bytes);
}

inline void copy_in(std::uint64_t* words, std::size_t offset, const void* from, std::size_t bytes) noexcept {
  copy_shared(reinterpret_cast<unsigned char*>(words) + offset, static_cast<const unsigned char*>(from), bytes);
}

#else

inline void copy_out(void* to, const std::uint64_t* words, std::size_t offset, std::size_t bytes) noexcept {
  auto* out = static_cast<unsigned char*>(to);
  const std::uint64_t* word = words + offset / kWordBytes;
  for (std::size_t skip = offset % kWordBytes; bytes > 0; ++word, skip = 0) {
    const std::size_t part = bytes < kWordBytes - skip ? bytes : kWordBytes - skip;
    const std::uint64_t value = load_word(word);
    std::memcpy(out, reinterpret_cast<const unsigned char*>(&value) + skip, part);
    out += part;
    bytes -= part;
  }
}

inline void copy_in(std::uint64_t* words, std::size_t offset, const void* from, std::size_t bytes) noexcept {
  const auto* in = static_cast<const unsigned char*>(from);
  std::uint64_t* word = words + offset / kWordBytes;
  for (std::size_t skip = offset % kWordBytes; bytes > 0; ++word, skip = 0) {
    const std::size_t part = bytes < kWordBytes - skip ? bytes : kWordBytes - skip;
    std::uint64_t value = part == kWordBytes ? 0 : load_word(word);
    std::memcpy(reinterpret_cast<unsigned char*>(&value) + skip, in, part);
    store_word(word, value);
    in += part;
    bytes -= part;
  }
}

#endif

}  // namespace fastring::detail
