#pragma once

#include "kernels/conv3d.h"

namespace vox {

/// The geometry of one of its cases, without the others: what the CPU's weight gradient is planned for.
[[nodiscard]] constexpr Conv3dGeometry one_case(Conv3dGeometry g) {
  g.x.n = g.y.n = 1;
  g.x.batch = g.y.batch = 0;
  return g;
}

/// A weight gradient of case n alone; dweight and the sums of channels become its rows.
template <class T> [[nodiscard]] Conv3dGradWeightArgs<T> one_case(const Conv3dGradWeightArgs<T>& a, std::int64_t n) {
  const Conv3dGeometry g = one_case(a.geometry);
  const auto row = [n](auto all, std::int64_t size) {
    return all.empty() ? all : all.subspan(static_cast<std::size_t>(n * size), static_cast<std::size_t>(size));
  };
  VolumeShape first = g.x;
  if (g.split != 0) { first.c = g.split; }
  VolumeShape second = g.x;
  second.c = g.x.c - first.c;
  Conv3dGradWeightArgs<T> of = a;
  of.geometry = g;
  of.x = row(a.x, first.padded_count());
  of.x2 = row(a.x2, second.padded_count());
  of.dy = row(a.dy, g.y.padded_count());
  of.dweight = row(a.dweight, g.y.c * g.x.c * g.kernel * g.kernel * g.kernel);
  of.x_sums = row(a.x_sums, g.x.c);
  of.dy_sums = row(a.dy_sums, g.y.c);
  return of;
}

}  // namespace vox
