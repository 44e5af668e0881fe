#include "engine/packed_weights.h"

#include <thread>

#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/simt/memory.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

struct Layer {
  std::int64_t out;
  std::int64_t in;
  std::int64_t edge;
  std::int64_t kernel = 3;  ///< 2 is that of a transposed convolution
};

struct Results {
  Values y;
  Values dx;
  Values dweight;
  bool operator==(const Results&) const = default;
};

Tensor weight_of(const Layer& l, unsigned seed, Device device) {
  const Shape shape{l.out, l.in, l.kernel, l.kernel, l.kernel};
  return to_tensor(make_values(shape.count(), seed), shape, Kind::parameter, DType::bf16).to(device).requires_grad();
}

Results run(const Layer& l, Tensor& weight) {
  const bool transposed = l.kernel == 2;
  const Shape x_shape{1, transposed ? l.out : l.in, l.edge, l.edge + 1, l.edge};
  Tensor x = to_tensor(make_values(x_shape.count(), 5), x_shape, Kind::volume, DType::bf16).to(weight.device());
  x.requires_grad();
  const Tensor y = transposed ? conv_transpose3d(x, weight, {}, {.stride = 2}) : conv3d(x, weight, {});
  backward(y, to_tensor(make_values(y.shape().count(), 6), y.shape(), Kind::volume, DType::bf16).to(weight.device()));
  Results r{y.to_doubles(), x.grad().to_doubles(), weight.grad().to_doubles()};
  weight.clear_grad();
  return r;
}

/// What the convolution gives where nothing is packed beside its weight.
Results run_alone(const Layer& l, const Tensor& weight) {
  Tensor own = Tensor::like(weight);
  own.assign(weight);
  own.requires_grad();
  return run(l, own);
}

std::int64_t launches() { return simt_device::work().launches; }

}  // namespace

TEST_CASE("a convolution gives the same bits by weights that were packed before it", "[simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  // One block of channels and an odd number of them, both tiles, several groups, and input channels split in shares;
  // and matrix products, whose units of 32 by 8 channels are whole, ragged and several.
  const std::vector<Layer> layers{{1, 1, 3},     {16, 4, 8},    {8, 24, 3},    {33, 17, 3},
                                  {40, 16, 2},   {32, 64, 2},   {1, 1, 2, 2},  {64, 32, 2, 2},
                                  {9, 50, 2, 2}, {70, 3, 2, 2}, {4, 16, 3, 1}, {41, 37, 2, 1}};
  std::vector<Tensor> weights;
  PackedWeights packed;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    weights.push_back(weight_of(layers[i], static_cast<unsigned>(10 + i), device));
    packed.add(weights.back(), i == 1);
  }
  CHECK(!packed_weight(weights[0], Conv3dPass::correlate).defined());
  packed.refresh();
  const auto check_all = [&](const char* when) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      INFO(when << ", layer " << i);
      CHECK(run(layers[i], weights[i]) == run_alone(layers[i], weights[i]));
    }
  };
  for (std::size_t i = 0; i < layers.size(); ++i) {
    CHECK(packed_weight(weights[i], Conv3dPass::correlate).defined());
    CHECK(packed_weight(weights[i], Conv3dPass::spread).defined() == (i != 1));
  }
  check_all("packed");
  for (std::size_t i = 0; i < layers.size(); ++i) {  // what an optimiser or a checkpoint does
    weights[i].assign(weight_of(layers[i], static_cast<unsigned>(20 + i), device));
  }
  check_all("changed since");
  packed.refresh();
  CHECK(packed_weight(weights[0], Conv3dPass::correlate).defined());
  check_all("packed again");
}

TEST_CASE("weights are packed by one launch, when they have changed, and used by the thread that packed them",
          "[simt]") {
  const Layer layer{8, 8, 3};
  std::vector<Tensor> weights;
  PackedWeights packed;
  for (unsigned i = 0; i < 40; ++i) {
    weights.push_back(weight_of(layer, i, Device::simt));
    packed.add(weights.back(), i < 20);  // 60 to pack
  }
  const auto refreshing = [&] {
    const std::int64_t before = launches();
    packed.refresh();
    return launches() - before;
  };
  CHECK(refreshing() == 1);
  CHECK(refreshing() == 0);
  static_cast<void>(weights[3].mutable_values<float>());
  CHECK(!packed_weight(weights[3], Conv3dPass::correlate).defined());
  CHECK(packed_weight(weights[4].detached(), Conv3dPass::correlate).defined());
  CHECK(refreshing() == 1);
  const auto with = [&](Tensor& weight) {
    const std::int64_t before = launches();
    static_cast<void>(run(layer, weight));
    return launches() - before;
  };
  Tensor alone = weight_of(layer, 3, Device::simt);
  CHECK(with(weights[30]) == with(alone) - 2);
  CHECK(with(weights[3]) == with(alone) - 1);  // the gradient of its input packs its own
  bool elsewhere = true;
  std::thread([&] { elsewhere = packed_weight(weights[30], Conv3dPass::spread).defined(); }).join();
  CHECK(!elsewhere);
  for (unsigned i = 0; i < 3; ++i) {
    packed.add(weight_of(layer, i, Device::simt), false);
  }  // 66: more than one launch takes
  for (Tensor& w : weights) { static_cast<void>(w.mutable_values<float>()); }
  CHECK(refreshing() == 2);
}

}  // namespace vox::test
