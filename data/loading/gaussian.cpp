#include "data/loading/gaussian.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "kernels/base/normal.h"

namespace vox {
namespace {

constexpr std::size_t kGroups = 64;          // per block: 1 KiB of random bits, all in registers and L1
constexpr std::size_t kPairs = 2 * kGroups;  // of uniform numbers, and of normal ones

struct Block {
  std::array<std::uint32_t, kPairs> radius_bits;
  std::array<std::uint32_t, kPairs> angle_bits;
  std::array<float, kPairs> cosine;
  std::array<float, kPairs> sine;
};

void transform(Block& block) {
  for (std::size_t i = 0; i < kPairs; ++i) {
    const NormalPair pair = normal_pair(block.radius_bits[i], block.angle_bits[i]);
    block.cosine[i] = pair.cosine;
    block.sine[i] = pair.sine;
  }
}

}  // namespace

void gaussian(const RandomKey& key, std::uint64_t first_group, std::span<float> out) {
  Block block{};
  for (std::size_t done = 0; done < out.size(); done += 4 * kGroups) {
    for (std::size_t g = 0; g < kGroups; ++g) {
      const Philox4 bits = random4(key, first_group + done / 4 + g);
      for (std::size_t p = 0; p < 2; ++p) {
        block.radius_bits[2 * g + p] = bits.v[2 * p];
        block.angle_bits[2 * g + p] = bits.v[2 * p + 1];
      }
    }
    transform(block);
    const std::size_t left = std::min(out.size() - done, 4 * kGroups);
    float* const to = out.data() + done;
    for (std::size_t i = 0; i < left / 2; ++i) {
      to[2 * i] = block.cosine[i];
      to[2 * i + 1] = block.sine[i];
    }
    if (left % 2 == 1) { to[left - 1] = block.cosine[left / 2]; }
  }
}

}  // namespace vox
