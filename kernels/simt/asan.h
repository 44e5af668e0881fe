#pragma once

#include <cstddef>

#include "kernels/base/sanitizer.h"

#ifdef VOX_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

/// What AddressSanitizer must be told, and nothing where it is not there.
namespace vox::simt {

#ifdef VOX_ADDRESS_SANITIZER
inline void poison(const void* p, std::size_t bytes) { __asan_poison_memory_region(p, bytes); }
inline void unpoison(const void* p, std::size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
inline void leaving_for(void** save, const void* stack, std::size_t bytes) {
  __sanitizer_start_switch_fiber(save, stack, bytes);
}
inline void arrived(void* saved) { __sanitizer_finish_switch_fiber(saved, nullptr, nullptr); }
#else
inline void poison(const void*, std::size_t) {}
inline void unpoison(const void*, std::size_t) {}
inline void leaving_for(void**, const void*, std::size_t) {}
inline void arrived(void*) {}
#endif

}  // namespace vox::simt
