#include "arrays.hpp"
#include "cpu.hpp"
#include "register.hpp"

PYBIND11_MODULE(_native, m, pybind11::mod_gil_not_used()) {
  m.doc() = "The native core of fastring; use it through the fastring package.";
  m.attr("__version__") = FASTRING_VERSION;
  m.attr("isa") = fastring::isa_name(fastring::active_isa());
  fastring::bindings::init_arrays();
  fastring::bindings::register_errors(m);
  fastring::bindings::register_ring_buffer(m);
  fastring::bindings::register_pcm(m);
  fastring::bindings::register_analyzer(m);
  fastring::bindings::register_energy_gate(m);
}
