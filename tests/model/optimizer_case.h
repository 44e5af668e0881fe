#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/tape.h"
#include "tests/engine/op_case.h"
#include "tests/support/devices.h"

// What tests of optimisers share.
namespace vox::test {

/// The CPU, and those that run the CUDA kernels.
inline std::vector<Device> optimizer_devices() {
  std::vector<Device> all = kernel_devices();
  all.insert(all.begin(), Device::cpu);
  return all;
}

inline Tensor leaf(const Values& v, DType dtype, Device device = Device::cpu) {
  return to_tensor(v, {std::ssize(v)}, Kind::plain, dtype).to(device).requires_grad();
}

/// Gives a leaf the gradient g: backward of sum(p * g).
inline void set_gradient(const Tensor& p, const Values& g) {
  backward(sum(mul(p, to_tensor(g, p.shape(), Kind::plain, p.dtype()).to(p.device()))));
}

/// The largest difference.
inline double worst(const Values& got, const Values& wants) {
  double error = 0;
  for (std::size_t i = 0; i < wants.size(); ++i) { error = std::max(error, std::abs(got[i] - wants[i])); }
  return error;
}

}  // namespace vox::test
