#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define VOX_SIMT_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VOX_SIMT_ASAN
#endif
#endif
#ifdef VOX_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

/// What AddressSanitizer must be told, and nothing where it is not there.
namespace vox::simt {

#ifdef VOX_SIMT_ASAN
inline constexpr bool kAsan = true;
inline void poison(const void* p, std::size_t bytes) { __asan_poison_memory_region(p, bytes); }
inline void unpoison(const void* p, std::size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
inline void leaving_for(void** save, const void* stack, std::size_t bytes) {
  __sanitizer_start_switch_fiber(save, stack, bytes);
}
inline void arrived(void* saved) { __sanitizer_finish_switch_fiber(saved, nullptr, nullptr); }
#else
inline constexpr bool kAsan = false;
inline void poison(const void*, std::size_t) {}
inline void unpoison(const void*, std::size_t) {}
inline void leaving_for(void**, const void*, std::size_t) {}
inline void arrived(void*) {}
#endif

}  // namespace vox::simt
