// An array whose storage is taken once and whose length changes for free; under AddressSanitizer, touching what lies
// behind its end is an error, as it would be behind the end of a heap block of that length.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define FASTRING_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FASTRING_POISON 1
#endif
#endif
#if defined(FASTRING_POISON)
#include <sanitizer/asan_interface.h>
#endif

namespace fastring::fuzz {

template <class Item, std::size_t kMost>
class TightArray {
 public:
  TightArray() = default;
  explicit TightArray(std::size_t items) { resize(items); }
  TightArray(const TightArray&) = delete;
  TightArray& operator=(const TightArray&) = delete;
  ~TightArray() { open(); }

  // `items` of undefined content, at most kMost.
  void resize(std::size_t items) {
    open();
    items_ = items;
#if defined(FASTRING_POISON)
    __asan_poison_memory_region(storage_.data() + items, sizeof(storage_) - items * sizeof(Item));
#endif
  }
  [[nodiscard]] std::size_t size() const { return items_; }
  Item* data() { return storage_.data(); }
  [[nodiscard]] const Item* data() const { return storage_.data(); }
  Item& operator[](std::size_t i) { return storage_[i]; }
  const Item& operator[](std::size_t i) const { return storage_[i]; }
  Item* begin() { return data(); }
  Item* end() { return data() + items_; }
  [[nodiscard]] const Item* begin() const { return data(); }
  [[nodiscard]] const Item* end() const { return data() + items_; }

 private:
  void open() {
#if defined(FASTRING_POISON)
    __asan_unpoison_memory_region(storage_.data(), sizeof(storage_));
#endif
  }
  alignas(16) std::array<Item, kMost + 16 / sizeof(Item)> storage_;
  std::size_t items_ = 0;
};

}  // namespace fastring::fuzz
