// A test framework in one page: TEST registers a function, CHECK counts a failure and goes on, main() reports.
#pragma once

#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace fastring::testing {

struct Registry {
  std::vector<std::pair<std::string, std::function<void()>>> tests;
  int failures = 0;
  static Registry& get() {
    static Registry registry;
    return registry;
  }
};

struct Register {
  Register(const char* name, std::function<void()> body) { Registry::get().tests.emplace_back(name, std::move(body)); }
};

inline void fail(const char* file, int line, const std::string& what) {
  ++Registry::get().failures;
  std::printf("%s:%d: %s\n", file, line, what.c_str());
}

}  // namespace fastring::testing

#define FASTRING_JOIN2(a, b) a##b
#define FASTRING_JOIN(a, b) FASTRING_JOIN2(a, b)
#define TEST(name)                                                                  \
  static void FASTRING_JOIN(test_body_, __LINE__)();                                \
  static const fastring::testing::Register FASTRING_JOIN(test_register_, __LINE__)( \
      name, FASTRING_JOIN(test_body_, __LINE__));                                   \
  static void FASTRING_JOIN(test_body_, __LINE__)()
#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) fastring::testing::fail(__FILE__, __LINE__, #condition); \
  } while (false)
#define CHECK_NEAR(a, b, tolerance)                                                                         \
  do {                                                                                                      \
    const double fastring_a = static_cast<double>(a);                                                       \
    const double fastring_b = static_cast<double>(b);                                                       \
    if (!(std::fabs(fastring_a - fastring_b) <= (tolerance)))                                               \
      fastring::testing::fail(                                                                              \
          __FILE__, __LINE__,                                                                               \
          std::string(#a " = ") + std::to_string(fastring_a) + ", " #b " = " + std::to_string(fastring_b)); \
  } while (false)
#define CHECK_THROWS(expression, type)                                                                 \
  do {                                                                                                 \
    bool fastring_thrown = false;                                                                      \
    try {                                                                                              \
      (void)(expression);                                                                              \
    } catch (const type&) {                                                                            \
      fastring_thrown = true;                                                                          \
    }                                                                                                  \
    if (!fastring_thrown) fastring::testing::fail(__FILE__, __LINE__, #expression " threw no " #type); \
  } while (false)

int main() {
  auto& registry = fastring::testing::Registry::get();
  for (auto& [name, body] : registry.tests) {
    const int before = registry.failures;
    body();
    std::printf("%s %s\n", registry.failures == before ? "ok  " : "FAIL", name.c_str());
  }
  std::printf("%zu tests, %d failed checks\n", registry.tests.size(), registry.failures);
  return registry.failures == 0 && !registry.tests.empty() ? 0 : 1;
}
