#include "cpu.hpp"

#include <cstring>

#include "check.hpp"

TEST("the active instruction set has a name and does not change") {
  const fastring::Isa isa = fastring::active_isa();
  CHECK(fastring::active_isa() == isa);
  CHECK(std::strcmp(fastring::isa_name(isa), "avx2") == 0 || std::strcmp(fastring::isa_name(isa), "baseline") == 0);
}
