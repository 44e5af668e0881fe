#include "kernels/base/check.h"
#include "kernels/simt/runner.h"

/// The checking build compiles the kernels with -fsanitize=thread and does not link that sanitizer: the calls the
/// compiler puts before every access come here.
#if VOX_SIMT_CHECK

namespace vox::simt {
namespace {

enum class Alignment : std::uint8_t { natural, any };

void access(const void* p, std::size_t bytes, Access kind, Alignment alignment, const void* from) {
  if (this_thread == nullptr || bytes == 0) { return; }  // the host side of a kernel source
  Lane& me = this_lane();
  const Site at{nullptr, 0, from};
  if (alignment == Alignment::natural && reinterpret_cast<std::uintptr_t>(p) % bytes != 0) {
    const auto text = [&] { return fmt::format("{} makes a misaligned access of {} bytes", place_of(me), bytes); };
    if (bytes == 16) { stop_block(Fault::misaligned, at, text); }  // the instruction that follows would trap
    report(Fault::misaligned, at, text());
  }
  check_access(runner(), me, p, bytes, kind, at);
}

}  // namespace
}  // namespace vox::simt

// NOLINTBEGIN: names and signatures are the compiler's
#define VOX_HOOK(name, bytes, kind, alignment)                                            \
  extern "C" void name(void* p) {                                                         \
    vox::simt::access(p, bytes, vox::simt::Access::kind, vox::simt::Alignment::alignment, \
                      __builtin_return_address(0));                                       \
  }
#define VOX_HOOKS(bytes)                                        \
  VOX_HOOK(__tsan_read##bytes, bytes, read, natural)            \
  VOX_HOOK(__tsan_write##bytes, bytes, write, natural)          \
  VOX_HOOK(__tsan_volatile_read##bytes, bytes, read, natural)   \
  VOX_HOOK(__tsan_volatile_write##bytes, bytes, write, natural) \
  VOX_HOOK(__tsan_unaligned_read##bytes, bytes, read, any)      \
  VOX_HOOK(__tsan_unaligned_write##bytes, bytes, write, any)
VOX_HOOKS(1)
VOX_HOOKS(2)
VOX_HOOKS(4)
VOX_HOOKS(8)
VOX_HOOKS(16)

extern "C" void __tsan_read_range(void* p, unsigned long bytes) {
  vox::simt::access(p, bytes, vox::simt::Access::read, vox::simt::Alignment::any, __builtin_return_address(0));
}
extern "C" void __tsan_write_range(void* p, unsigned long bytes) {
  vox::simt::access(p, bytes, vox::simt::Access::write, vox::simt::Alignment::any, __builtin_return_address(0));
}

// clang calls these in place of the functions of C.
extern "C" void* __tsan_memcpy(void* to, const void* from, unsigned long bytes) {
  vox::simt::access(from, bytes, vox::simt::Access::read, vox::simt::Alignment::any, __builtin_return_address(0));
  vox::simt::access(to, bytes, vox::simt::Access::write, vox::simt::Alignment::any, __builtin_return_address(0));
  return __builtin_memcpy(to, from, bytes);
}
extern "C" void* __tsan_memset(void* to, int value, unsigned long bytes) {
  vox::simt::access(to, bytes, vox::simt::Access::write, vox::simt::Alignment::any, __builtin_return_address(0));
  return __builtin_memset(to, value, bytes);
}

extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_vptr_update(void*, void*) {}
extern "C" void __tsan_vptr_read(void*) {}
// NOLINTEND

#endif
