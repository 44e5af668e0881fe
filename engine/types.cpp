#include "engine/types.h"

#include <fmt/format.h>

#include "kernels/base/check.h"
#include "kernels/base/size_product.h"

namespace vox {

std::string_view name(DType t) {
  switch (t) {
    case DType::f32:
      return "f32";
    case DType::f64:
      return "f64";
    case DType::bf16:
      return "bf16";
    case DType::u8:
      return "u8";
  }
  VOX_FAIL("unknown dtype");
}

std::string_view name(Device d) {
  switch (d) {
    case Device::cpu:
      return "cpu";
    case Device::cuda:
      return "cuda";
    case Device::simt:
      return "simt";
  }
  VOX_FAIL("unknown device");
}

std::string_view name(Layout l) { return l == Layout::blocked ? "blocked" : "plain"; }

DType dtype_named(std::string_view text) {
  for (const DType t : {DType::f32, DType::f64, DType::bf16, DType::u8}) {
    if (name(t) == text) { return t; }
  }
  VOX_FAIL("dtype '{}' is none of f32, f64, bf16, u8", text);
}

std::size_t size_of(DType t) {
  switch (t) {
    case DType::f32:
      return sizeof(float);
    case DType::f64:
      return sizeof(double);
    case DType::bf16:
      return sizeof(Bf16);
    case DType::u8:
      return sizeof(std::uint8_t);
  }
  VOX_FAIL("unknown dtype");
}

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) : rank_(extents.size()) {
  VOX_CHECK(extents.size() <= extents_.size(), "Shape: rank {} exceeds {}", extents.size(), extents_.size());
  std::copy(extents.begin(), extents.end(), extents_.begin());
  VOX_CHECK(std::ranges::any_of(extents, [](std::int64_t n) { return n < 0; }) || size_product(extents, kMostValues),
            "Shape: {} has more than 2^56 values", str());  // a negative extent is refused where memory is asked for
}

std::int64_t Shape::count() const {
  return std::accumulate(extents().begin(), extents().end(), std::int64_t{1}, std::multiplies<>());
}

std::int64_t Shape::voxels() const {
  VOX_CHECK(rank_ >= 2, "Shape::voxels: {} has no N and C", str());
  return std::accumulate(extents().begin() + 2, extents().end(), std::int64_t{1}, std::multiplies<>());
}

VolumeShape Shape::volume() const {
  VOX_CHECK(rank_ == 5, "Shape::volume: {} is not [N,C,D,H,W]", str());
  return {extents_[0], extents_[1], extents_[2], extents_[3], extents_[4]};
}

std::string Shape::str() const { return rank_ == 0 ? "scalar" : fmt::format("{}", fmt::join(extents(), "x")); }

}  // namespace vox
