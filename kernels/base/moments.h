#pragma once

#include "kernels/base/host_device.h"

namespace vox {

/// Number of values, their mean and the sum of their squared distances from it.
struct Moments {
  double count = 0;
  double mean = 0;
  double m2 = 0;

  /// Those of both (Chan, Golub and LeVeque, as batch_norm.h says). With none they are b's to the bit.
  [[gnu::always_inline]] VOX_HD constexpr void merge(const Moments& b) {
    if (count == 0) {
      *this = b;
      return;
    }
    const double both = count + b.count;
    const double step = b.mean - mean;
    m2 += b.m2 + step * step * count * b.count / both;
    mean += step * b.count / both;
    count = both;
  }
};

}  // namespace vox
