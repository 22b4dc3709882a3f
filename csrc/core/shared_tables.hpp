// Tables that depend on the settings alone: made once, shared by every stream that uses the same ones.
#pragma once

#include <map>
#include <memory>
#include <mutex>

namespace fastring {

// The live Table for `key`, or make() if no stream holds one. Thread-safe; one cache per Table type.
template <class Table, class Key, class Make>
[[nodiscard]] std::shared_ptr<const Table> shared_tables(const Key& key, Make&& make) {
  static std::mutex mutex;
  static auto* cache = new std::map<Key, std::weak_ptr<const Table>>;  // outlives every thread on purpose
  const std::lock_guard lock(mutex);
  std::weak_ptr<const Table>& slot = (*cache)[key];
  std::shared_ptr<const Table> table = slot.lock();
  if (!table) {
    table = std::make_shared<const Table>(make());
    slot = table;
  }
  return table;
}

}  // namespace fastring
