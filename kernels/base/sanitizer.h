#pragma once

/// VOX_ADDRESS_SANITIZER is defined where AddressSanitizer watches: g++ says so by a macro, clang by a feature.
#if defined(__SANITIZE_ADDRESS__)
#define VOX_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VOX_ADDRESS_SANITIZER
#endif
#endif

namespace vox {

#ifdef VOX_ADDRESS_SANITIZER
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

}  // namespace vox
