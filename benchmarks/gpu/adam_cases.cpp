#include <fmt/format.h>

#include <memory>
#include <utility>

#include "benchmarks/gpu/case.h"
#include "benchmarks/gpu/device.h"
#include "kernels/adam.h"
#include "model/unet3d.h"

namespace vox::gpu_bench {
namespace {

/// Every parameter of the network with its gradient and moments, f32 as always in training.
struct Parameters {
  std::vector<Tensor> tensors;  ///< parameter, gradient, m, v of each
  std::vector<AdamTensor<float>> list;
  Tensor partials;
  Tensor squares;
  double count = 0;
};

std::shared_ptr<Parameters> parameters_of(const NetShape& net) {
  UNetConfig config = unet_preset("seed");
  std::ranges::copy(net.widths, config.widths.begin());
  auto p = std::make_shared<Parameters>();
  const UNet3d unet(config, DType::f32, 1, net.device);
  for (const NamedTensor& named : unet.parameters()) {
    Tensor value = Tensor::like(named.tensor);
    value.assign(named.tensor);
    const Tensor grad = random_plain(value.shape(), DType::f32, net.device);
    Tensor m = Tensor::zeros(value.shape(), DType::f32, net.device);
    Tensor v = Tensor::zeros(value.shape(), DType::f32, net.device);
    p->list.push_back(
        {value.mutable_values<float>(), grad.values<float>(), m.mutable_values<float>(), v.mutable_values<float>()});
    p->count += static_cast<double>(value.shape().count());
    for (const Tensor& t : {value, grad, m, v}) { p->tensors.push_back(t); }
  }
  const std::span<const AdamTensor<float>> list = p->list;
  const std::int64_t scratch = adam_squares_scratch<float>(DeviceQueue{}, list);
  p->partials = Tensor({scratch}, DType::f64, net.device);
  p->squares = Tensor::zeros({std::ssize(p->list)}, DType::f64, net.device);
  return p;
}

Case squares(const NetShape& net) {
  const auto p = parameters_of(net);
  Case c;
  c.bytes = 4 * p->count;
  on_device(net.device, DType::f32, [&](auto& queue, auto) {
    c.run = [&queue, p] {
      adam_squares(queue, AdamSquaresArgs<float>{.tensors = p->list,
                                                 .partials = p->partials.mutable_values<double>(),
                                                 .sums = p->squares.mutable_values<double>()});
    };
  });
  return c;
}

Case step(const NetShape& net) {
  const auto p = parameters_of(net);
  Case c;
  c.bytes = 7 * 4 * p->count;
  on_device(net.device, DType::f32, [&](auto& queue, auto) {
    c.run = [&queue, p] {
      adam_step(queue, AdamArgs<float>{.tensors = p->list,
                                       .squares = std::as_const(p->squares).values<double>(),
                                       .clip_norm = 0,
                                       .lr = 1e-3,
                                       .beta1 = 0.9,
                                       .beta2 = 0.999,
                                       .eps = 1e-8,
                                       .weight_decay = 0,
                                       .beta1_correction = 0.1,
                                       .beta2_correction = 0.001,
                                       .epsilon = AdamEpsilon::torch});
    };
  });
  return c;
}

}  // namespace

/// Parameters are f32 whatever the activations are, and the batch does not matter.
std::vector<Plan> adam_plans(const NetShape& net) {
  return {{"adam squares", "all parameters", DType::f32, net.batch, [net] { return squares(net); }},
          {"adam step", "all parameters", DType::f32, net.batch, [net] { return step(net); }}};
}

}  // namespace vox::gpu_bench
