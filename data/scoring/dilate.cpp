#include "data/scoring/dilate.h"

#include <algorithm>
#include <cstring>

#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::int64_t kWord = 64;
constexpr std::int64_t kEight = 8;
constexpr std::uint64_t kOnes = 0x0101010101010101;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Eight voxels as eight bits, the first lowest; little-endian, as all we run on.
std::uint64_t packed(const std::uint8_t* voxels, std::int64_t there) {
  constexpr std::uint64_t kGather = 0x0102040810204080;  // brings bit 0 of byte k to bit 56 + k
  std::uint64_t eight = 0;
  if (there >= kEight) {
    std::memcpy(&eight, voxels, kEight);
  } else {
    std::memcpy(&eight, voxels, at(there));
  }
  constexpr std::uint64_t kLow7 = 0x7f7f7f7f7f7f7f7f;
  const std::uint64_t inside = (((eight & kLow7) + kLow7) | eight) >> 7 & kOnes;  // 1 where a byte is not 0
  return inside * kGather >> (kWord - kEight);
}

/// The way back: a byte of 0 or 1 for each of eight bits.
std::uint64_t spread(std::uint64_t bits) {
  constexpr std::uint64_t kOwn = 0x8040201008040201;  // byte k keeps bit k
  constexpr std::uint64_t kLow7 = 0x7f7f7f7f7f7f7f7f;
  return ((bits * kOnes & kOwn) + kLow7) >> 7 & kOnes;
}

/// Rows of bits; what lies past the end of a row is 0.
class Rows {
 public:
  Rows(std::span<const std::uint8_t> mask, const Extent3& size)
      : size_(size), words_((size[2] + kWord - 1) / kWord), bits_(at(size[0] * size[1] * words_)), wide_(bits_) {
    for (std::int64_t row = 0; row < size[0] * size[1]; ++row) {
      for (std::int64_t w = 0; w < size[2]; w += kEight) {
        bits_[at(row * words_ + w / kWord)] |= packed(mask.data() + row * size[2] + w, size[2] - w) << (w % kWord);
      }
    }
  }

  void step() {
    for (std::int64_t row = 0; row < size_[0] * size_[1]; ++row) { widen(row); }
    std::vector<std::uint64_t> grown = wide_;
    for (std::int64_t d = 0; d < size_[0]; ++d) {
      for (std::int64_t h = 0; h < size_[1]; ++h) {
        std::uint64_t* const to = grown.data() + (d * size_[1] + h) * words_;
        for (std::int64_t dd = -1; dd <= 1; ++dd) {
          for (std::int64_t dh = -1; dh <= 1; ++dh) {
            if (d + dd < 0 || d + dd >= size_[0] || h + dh < 0 || h + dh >= size_[1]) { continue; }
            const auto& from = dd != 0 && dh != 0 ? bits_ : wide_;  // across an edge: straight ahead only
            const std::uint64_t* const row = from.data() + ((d + dd) * size_[1] + h + dh) * words_;
            for (std::int64_t k = 0; k < words_; ++k) { to[k] |= row[k]; }
          }
        }
      }
    }
    bits_ = std::move(grown);
  }

  [[nodiscard]] std::vector<std::uint8_t> bytes() const {
    std::vector<std::uint8_t> mask(at(size_[0] * size_[1] * size_[2]));
    for (std::int64_t row = 0; row < size_[0] * size_[1]; ++row) {
      for (std::int64_t w = 0; w < size_[2]; w += kEight) {
        const std::uint64_t eight = spread(bits_[at(row * words_ + w / kWord)] >> (w % kWord) & 0xff);
        std::memcpy(mask.data() + row * size_[2] + w, &eight, at(std::min(kEight, size_[2] - w)));
      }
    }
    return mask;
  }

 private:
  static std::uint64_t bit(std::int64_t w) { return std::uint64_t{1} << (w % kWord); }

  /// The row and its neighbours to the left and to the right.
  void widen(std::int64_t row) {
    const std::uint64_t* const from = bits_.data() + row * words_;
    std::uint64_t* const to = wide_.data() + row * words_;
    for (std::int64_t k = 0; k < words_; ++k) {
      const std::uint64_t before = k > 0 ? from[k - 1] >> (kWord - 1) : 0;
      const std::uint64_t after = k + 1 < words_ ? from[k + 1] << (kWord - 1) : 0;
      to[k] = from[k] | from[k] << 1 | before | from[k] >> 1 | after;
    }
    if (size_[2] % kWord != 0) { to[words_ - 1] &= bit(size_[2]) - 1; }
  }

  Extent3 size_;
  std::int64_t words_;
  std::vector<std::uint64_t> bits_;
  std::vector<std::uint64_t> wide_;
};

}  // namespace

std::vector<std::uint8_t> dilated(std::span<const std::uint8_t> mask, const Extent3& size, int steps) {
  VOX_CHECK(std::ssize(mask) == size[0] * size[1] * size[2], "dilated: a mask of {} voxels for {}x{}x{}", mask.size(),
            size[0], size[1], size[2]);
  if (mask.empty()) { return {}; }
  Rows rows(mask, size);
  for (int k = 0; k < steps; ++k) { rows.step(); }
  return rows.bytes();
}

}  // namespace vox
