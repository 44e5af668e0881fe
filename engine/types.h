#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <numeric>
#include <span>
#include <string>
#include <string_view>

#include "kernels/base/bf16.h"
#include "kernels/base/volume.h"

namespace vox {

/// Storage types. f64 is for truth and gradient checks, f32 trains, bf16 is storage with f32 sums; u8 holds labels.
enum class DType : std::uint8_t { f32, f64, bf16, u8 };
/// Where values are and work runs. simt: the CUDA kernels' sources, executed on the CPU with checks (kernels/simt).
enum class Device : std::uint8_t { cpu, cuda, simt };

/// How values lie in memory. plain: the last axis is contiguous. blocked: a volume [N,C,D,H,W] in blocks of eight
/// channels, see kernels/base/volume.h.
enum class Layout : std::uint8_t { plain, blocked };

[[nodiscard]] std::string_view name(DType);
[[nodiscard]] std::string_view name(Device);
[[nodiscard]] std::string_view name(Layout);
[[nodiscard]] std::size_t size_of(DType);
[[nodiscard]] DType dtype_named(std::string_view);  ///< throws for a name that is none
/// What sums, parameters, statistics and losses are carried in: f64 for f64, f32 for f32 and bf16.
[[nodiscard]] constexpr DType accumulator(DType t) { return t == DType::f64 ? DType::f64 : DType::f32; }

template <class T> inline constexpr DType kDTypeOf = DType::f32;
template <> inline constexpr DType kDTypeOf<double> = DType::f64;
template <> inline constexpr DType kDTypeOf<Bf16> = DType::bf16;
template <> inline constexpr DType kDTypeOf<std::uint8_t> = DType::u8;

/// Extents, outermost first: a volume batch is {N, C, D, H, W}. At most five; kMostValues values.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  [[nodiscard]] std::size_t rank() const { return rank_; }
  [[nodiscard]] std::int64_t operator[](std::size_t axis) const { return extents_[axis]; }
  [[nodiscard]] std::span<const std::int64_t> extents() const { return {extents_.data(), rank_}; }
  [[nodiscard]] std::int64_t count() const;   ///< product of all extents; 1 for a scalar
  [[nodiscard]] std::int64_t voxels() const;  ///< product of the extents after N and C
  [[nodiscard]] std::string str() const;      ///< "1x4x32x32x32"

  [[nodiscard]] VolumeShape volume() const;  ///< the five extents of a volume batch; throws for another rank

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, 5> extents_{};
  std::size_t rank_ = 0;
};

}  // namespace vox
