#include "cpu.hpp"

#include <cstdlib>
#include <cstring>

#include "check.hpp"

TEST("the active instruction set has a name and does not change") {
  const fastring::Isa isa = fastring::active_isa();
  CHECK(fastring::active_isa() == isa);
  CHECK(std::strcmp(fastring::isa_name(isa), "avx2") == 0 || std::strcmp(fastring::isa_name(isa), "baseline") == 0);
}

TEST("the environment can force the portable set") {
  const char* wish = std::getenv("FASTRING_ISA");
  if (wish != nullptr && std::strcmp(wish, "baseline") == 0) {
    CHECK(fastring::active_isa() == fastring::Isa::kBaseline);
  }
}
