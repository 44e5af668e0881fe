// Operators of the catalogue, put together and gradient-checked.
#include <voxgrad/engine/gradcheck.h>
#include <voxgrad/engine/ops.h>

#include <cmath>
#include <cstdio>
#include <vector>

#include "expect.h"

namespace {

std::vector<double> waves(std::int64_t count, double step) {
  std::vector<double> v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) { v[i] = std::sin(step * static_cast<double>(i + 1)); }
  return v;
}

/// A small network with a loss of its own: how sure it is where x is large.
vox::Tensor my_loss(const std::vector<vox::Tensor>& in) {
  const vox::Tensor y = vox::leaky_relu(vox::conv3d(in[0], in[1], in[2]), 0.1);
  return vox::mean(vox::mul(vox::softmax(y), vox::conv3d(in[0], in[1], {})));
}

}  // namespace

void check_composition() {
  const int gpu = 1;  // an ordinary word: no header and no flag may touch it
  const vox::Shape shape{1, 3, 4, 3, 5};
  const auto x = vox::Tensor::volume_of<double>(shape, waves(shape.count(), 0.7)).requires_grad();
  const auto weight = vox::Tensor::of<double>({5, 3, 3, 3, 3}, waves(405, 0.3)).requires_grad();
  const auto bias = vox::Tensor::of<double>({5}, waves(5, 0.9)).requires_grad();
  const vox::GradcheckResult r = vox::gradcheck(my_loss, {x, weight, bias});
  std::printf("composition: %zu inputs checked%s\n", r.inputs.size(), r.message().c_str());
  EXPECT(r.ok());
  EXPECT(r.inputs.size() == 2 + gpu);
}
