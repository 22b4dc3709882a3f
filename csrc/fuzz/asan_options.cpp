// Defaults of AddressSanitizer that cost a fuzz target no inputs per second: freed memory is kept aside briefly only,
// as every input begins with new objects, and there are no fake stacks to clear at every exception.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=1:malloc_context_size=4:detect_stack_use_after_return=0";
}
