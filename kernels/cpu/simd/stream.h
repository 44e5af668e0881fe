#pragma once

#include <cstdint>

#ifdef VOX_X86
#include <immintrin.h>
#endif

// Stores that go past the caches, for what is too large to be read from them again: a line that is to be written whole
// need not be read first. Internal to each file, so that no two instruction sets share a function.

namespace vox {
namespace {

/// Bytes of a tensor from which on its lines had better go past the caches: more than the level-2 caches hold.
constexpr std::int64_t kStreamedBytes = std::int64_t{8} << 20;

/// The same for results that a next operator reads soon: the level-3 cache may hold what is smaller.
constexpr std::int64_t kStreamedResultBytes = std::int64_t{48} << 20;

#if defined(VOX_X86) && defined(__AVX512F__)
constexpr std::int64_t kStreamedPiece = 64;
inline void stream_piece(char* to, const char* from) {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_loadu_si512(from));
}
#elif defined(VOX_X86) && defined(__AVX__)
constexpr std::int64_t kStreamedPiece = 32;
inline void stream_piece(char* to, const char* from) {
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
#else
constexpr std::int64_t kStreamedPiece = 0;
inline void stream_piece(char*, const char*) {}
#endif

/// After a thread's last: others see what it streamed.
inline void end_stream() {
#ifdef VOX_X86
  _mm_sfence();
#endif
}

/// Whether count elements at `to`, of at least so many bytes, are to be streamed and can be, in pieces that begin on
/// multiples of a line from it.
template <class T> bool streams_to(const T* to, std::int64_t count, std::int64_t least_bytes) {
  return kStreamedPiece > 0 && count * std::int64_t{sizeof(T)} >= least_bytes &&
         reinterpret_cast<std::uintptr_t>(to) % 64 == 0;
}

/// `to` is on a line; whole pieces.
template <class T, std::size_t N> [[gnu::always_inline]] inline void stream(T* to, const T (&values)[N]) {
  if constexpr (kStreamedPiece > 0) {
    static_assert(sizeof values % static_cast<std::size_t>(kStreamedPiece) == 0);
    for (std::int64_t i = 0; i < std::int64_t{sizeof values}; i += kStreamedPiece) {
      stream_piece(reinterpret_cast<char*>(to) + i, reinterpret_cast<const char*>(values) + i);
    }
  }
}

}  // namespace
}  // namespace vox
