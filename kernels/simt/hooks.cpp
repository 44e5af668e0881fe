#include "kernels/base/check.h"
#include "kernels/simt/quick_check.h"

/// The checking build compiles the kernels with -fsanitize=thread and does not link that sanitizer: the calls the
/// compiler puts before every access come here.
#if VOX_SIMT_CHECK

namespace vox::simt {
namespace {

enum class Alignment : std::uint8_t { natural, any };

/// Of any size, from 16 to 16 bytes as long as nothing is to be said.
template <Access ACCESS> void access(const void* p, std::size_t bytes, const void* from) {
  if (this_thread == nullptr) { return; }  // the host side of a kernel source
  Runner& r = *this_runner;
  auto& me = static_cast<Lane&>(*this_thread);
  constexpr std::size_t kStep = 16;
  const auto* at = static_cast<const std::byte*>(p);
  for (; bytes >= kStep && quick_check<ACCESS, kStep>(r, me, at); bytes -= kStep) { at += kStep; }
  if (bytes != 0) { check_in_full(r, me, at, bytes, ACCESS, {nullptr, 0, from}); }
}

template <std::size_t BYTES, Access ACCESS, Alignment ALIGNMENT> void access(const void* p, const void* from) {
  if (this_thread == nullptr) { return; }
  Runner& r = *this_runner;
  auto& me = static_cast<Lane&>(*this_thread);
  const Site at{nullptr, 0, from};
  if (ALIGNMENT == Alignment::natural && reinterpret_cast<std::uintptr_t>(p) % BYTES != 0) {
    const auto text = [&] { return fmt::format("{} makes a misaligned access of {} bytes", place_of(me), BYTES); };
    if (BYTES == 16) { stop_block(Fault::misaligned, at, text); }  // the instruction that follows would trap
    report(Fault::misaligned, at, text());
  }
  if (!quick_check<ACCESS, BYTES>(r, me, p)) { check_in_full(r, me, p, BYTES, ACCESS, at); }
}

}  // namespace
}  // namespace vox::simt

// NOLINTBEGIN: names and signatures are the compiler's
#define VOX_HOOK(name, bytes, kind, alignment)                                                                       \
  extern "C" void name(void* p) {                                                                                    \
    vox::simt::access<bytes, vox::simt::Access::kind, vox::simt::Alignment::alignment>(p,                            \
                                                                                       __builtin_return_address(0)); \
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
  vox::simt::access<vox::simt::Access::read>(p, bytes, __builtin_return_address(0));
}
extern "C" void __tsan_write_range(void* p, unsigned long bytes) {
  vox::simt::access<vox::simt::Access::write>(p, bytes, __builtin_return_address(0));
}

// clang calls these in place of the functions of C.
extern "C" void* __tsan_memcpy(void* to, const void* from, unsigned long bytes) {
  vox::simt::access<vox::simt::Access::read>(from, bytes, __builtin_return_address(0));
  vox::simt::access<vox::simt::Access::write>(to, bytes, __builtin_return_address(0));
  return __builtin_memcpy(to, from, bytes);
}
extern "C" void* __tsan_memset(void* to, int value, unsigned long bytes) {
  vox::simt::access<vox::simt::Access::write>(to, bytes, __builtin_return_address(0));
  return __builtin_memset(to, value, bytes);
}

extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_vptr_update(void*, void*) {}
extern "C" void __tsan_vptr_read(void*) {}
// NOLINTEND

#endif
