#pragma once

#include <type_traits>

#include "kernels/base/bf16.h"
#include "kernels/base/volume_parts.h"
#include "kernels/cpu/simd/vector.h"

namespace vox {
namespace {

/// What is read from memory: Lanes channels at one voxel, widened to the accumulator type. The place for whatever shall
/// happen to an input on its way into the convolution.
template <class T, int Lanes> struct PlainLoad {
  VOX_INLINED static void read(Vector<Acc<T>, Lanes>& v, const T* from, std::int64_t apart) {
    if constexpr (std::is_same_v<T, Acc<T>>) {
      load_channels<T, Lanes>(v, from, apart);
    } else {
      Vector<std::uint16_t, Lanes> bits;
      load_channels<std::uint16_t, Lanes>(bits, reinterpret_cast<const std::uint16_t*>(from), apart);
      const auto wide = __builtin_convertvector(bits, Vector<std::uint32_t, Lanes>) << 16U;
      __builtin_memcpy(&v, &wide, sizeof v);
    }
  }
};

/// What tiles are cut from. Tile 0 of a box reads from `padding` voxels before the box's first.
template <class T> struct WinogradSource {
  VolumeParts<const T> parts;
  VolumeShape shape;
  std::int64_t padding;
};

}  // namespace
}  // namespace vox
