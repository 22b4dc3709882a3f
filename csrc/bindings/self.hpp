// The C++ object behind `self`: for raw C methods and for pybind11 methods alike, checked for an object whose
// __init__() was never called, which pybind11 by itself would hand on as uninitialised memory.
#pragma once

#include <string>
#include <type_traits>

#include "arrays.hpp"

namespace fastring::bindings {

// For methods whose descriptor has checked the type of `self` already.
template <class Self>
Self& self_as(PyObject* self) {
  auto* instance = reinterpret_cast<py::detail::instance*>(self);
  void* value = instance->simple_layout
                    ? instance->simple_value_holder[0]
                    : instance->get_value_and_holder(py::detail::get_type_info(typeid(Self), true)).value_ptr();
  if (value == nullptr) throw py::type_error(std::string(Py_TYPE(self)->tp_name) + ".__init__() was not called");
  return *static_cast<Self*>(value);
}

// For anything else that says it is a Self.
template <class Self>
Self& checked_self(py::handle self) {
  if (!py::isinstance<Self>(self)) {
    throw py::type_error("expected " + std::string(py::str(py::type::of<Self>().attr("__name__"))) + ", not " +
                         Py_TYPE(self.ptr())->tp_name);
  }
  return self_as<Self>(self.ptr());
}

// A member function without arguments, as a method or a property for pybind11.
template <class Self, auto kMember>
auto on_self() {
  return [](py::handle self) { return (checked_self<Self>(self).*kMember)(); };
}

// The getter of a raw property: `Get` takes a Self and returns what pybind11 can convert.
template <class Self, auto Get>
PyObject* property(PyObject* self, void*) {
  return guarded([&] {
    auto value = Get(self_as<Self>(self));
    if constexpr (std::is_same_v<decltype(value), py::object>) {
      return value.release().ptr();
    } else {
      return py::cast(value).release().ptr();
    }
  });
}

template <class Function>
PyCFunction as_c_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

inline PyTypeObject* type_object(const py::object& type) {
  return reinterpret_cast<PyTypeObject*>(type.ptr());
}

inline void add_descriptor(const py::object& type, const char* name, PyObject* descriptor) {
  if (descriptor == nullptr) throw py::error_already_set();
  type.attr(name) = py::reinterpret_steal<py::object>(descriptor);
}
inline void add_method(const py::object& type, PyMethodDef& method) {
  add_descriptor(type, method.ml_name, PyDescr_NewMethod(type_object(type), &method));
}
inline void add_property(const py::object& type, PyGetSetDef& property) {
  add_descriptor(type, property.name, PyDescr_NewGetSet(type_object(type), &property));
}

}  // namespace fastring::bindings
