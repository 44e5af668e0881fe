#include "data/prepare/foreground.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/base/check.h"
#include "kernels/base/philox.h"

namespace vox {
namespace {

constexpr std::uint64_t kSeed = 1234;                   // fixed, and nnU-Net's
constexpr std::uint32_t kPlacePositions = 0xDA7A0005U;  // beside those of data/loading/shuffle.h

bool holds(Foreground f, std::uint8_t c) {
  switch (f) {
    case Foreground::necrotic:
      return c == 1;
    case Foreground::oedema:
      return c == 2;
    case Foreground::enhancing:
      return c == 3;
    case Foreground::whole_tumour:
      return c >= 1 && c <= 3;
    case Foreground::core:
      return c == 1 || c == 3;
  }
  VOX_FAIL("unknown foreground");
}

constexpr std::size_t kAtOnce = 8;

bool all_background(const std::uint8_t* label) {
  std::uint64_t classes = 0;
  std::memcpy(&classes, label, kAtOnce);
  return classes == 0;
}

}  // namespace

std::string_view name(Foreground f) {
  constexpr std::array<std::string_view, kForegrounds.size()> kNames{"1", "2", "3", "wt", "tc"};
  return kNames[static_cast<std::size_t>(f)];
}

std::vector<std::int64_t> foreground_positions(std::span<const std::uint8_t> label, Foreground f) {
  std::array<bool, 256> wanted{};
  for (std::size_t c = 0; c < wanted.size(); ++c) { wanted[c] = holds(f, static_cast<std::uint8_t>(c)); }
  std::size_t left = 0;
  for (std::uint8_t c = 1; c <= 3; ++c) {  // of no other does a foreground consist
    if (wanted[c]) { left += static_cast<std::size_t>(std::ranges::count(label, c)); }
  }
  std::size_t missing = std::min(left, kMostPositions);
  std::vector<std::int64_t> positions;
  positions.reserve(missing);
  const RandomKey key{.seed = kSeed, .step = static_cast<std::uint32_t>(f), .place = kPlacePositions};
  for (std::size_t i = 0; missing > 0; ++i) {
    while (i + kAtOnce <= label.size() && all_background(label.data() + i)) { i += kAtOnce; }
    if (!wanted[label[i]]) { continue; }
    // Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): each voxel with the share that is still missing.
    if (missing == left || unit(random4(key, left).v[0]) * static_cast<double>(left) < static_cast<double>(missing)) {
      positions.push_back(static_cast<std::int64_t>(i));
      --missing;
    }
    --left;
  }
  return positions;
}

}  // namespace vox
