#include <fmt/format.h>

#include <memory>
#include <utility>

#include "benchmarks/gpu/case.h"
#include "benchmarks/gpu/device.h"
#include "kernels/batch_norm.h"
#include "kernels/concat.h"
#include "kernels/dropout.h"
#include "kernels/max_pool3d.h"
#include "kernels/pointwise.h"

namespace vox::gpu_bench {
namespace {

/// What the kernels of a block read and write: two inputs, a result, and per-channel vectors.
struct Volumes {
  Tensor a;
  Tensor b;
  Tensor y;
  Tensor vector;   ///< [C], stands for mean, gamma and beta
  Tensor spread;   ///< [C], 1: a variance
  Tensor result;   ///< [C], overwritten
  Tensor result2;  ///< [C], overwritten
  Tensor partials;
};

double bytes_of(const NetShape& net, const VolumeShape& s, double volumes) {
  return volumes * static_cast<double>(s.count()) * static_cast<double>(size_of(net.dtype));
}

/// A case from body(queue, TypeTag<T>, volumes), for all kernels that read and write volumes of the shape.
template <class Body> Case volume_case(const NetShape& net, const VolumeShape& s, double volumes, const Body& body) {
  auto v = std::make_shared<Volumes>();
  const DType acc = accumulator(net.dtype);
  v->a = random_volume(s, net.dtype, net.device);
  v->b = random_volume(s, net.dtype, net.device);
  v->y = Tensor::like(v->a);
  v->vector = random_plain({s.c}, acc, net.device);
  const std::vector<float> ones(static_cast<std::size_t>(s.c), 1.0F);
  v->spread = Tensor::of<float>({s.c}, ones).to(net.device);
  v->result = random_plain({s.c}, acc, net.device);
  v->result2 = random_plain({s.c}, acc, net.device);
  v->partials = Tensor({batch_norm_partials(s)}, DType::f64, net.device);
  Case c;
  c.bytes = bytes_of(net, s, volumes);
  on_device(net.device, net.dtype,
            [&]<class T>(auto& queue, TypeTag<T> type) { c.run = [&queue, v, type, body] { body(queue, type, *v); }; });
  return c;
}

Case statistics(const NetShape& net, const VolumeShape& s) {
  return volume_case(net, s, 1, [s]<class T>(auto& q, TypeTag<T>, Volumes& v) {
    batch_norm_statistics(q, BatchNormStatisticsArgs<T>{.shape = s,
                                                        .x = std::as_const(v.a).values<T>(),
                                                        .momentum = 0.1,
                                                        .partials = v.partials.mutable_values<double>(),
                                                        .mean = v.result.mutable_values<Acc<T>>(),
                                                        .variance = v.result2.mutable_values<Acc<T>>(),
                                                        .running_mean = v.vector.mutable_values<Acc<T>>(),
                                                        .running_variance = v.spread.mutable_values<Acc<T>>()});
  });
}

Case norm_forward(const NetShape& net, const VolumeShape& s) {
  return volume_case(net, s, 2, [s]<class T>(auto& q, TypeTag<T>, Volumes& v) {
    const std::span<const Acc<T>> vector = std::as_const(v.vector).values<Acc<T>>();
    batch_norm_forward(q, BatchNormArgs<T>{.shape = s,
                                           .x = std::as_const(v.a).values<T>(),
                                           .mean = vector,
                                           .variance = std::as_const(v.spread).values<Acc<T>>(),
                                           .gamma = vector,
                                           .beta = vector,
                                           .eps = 1e-5,
                                           .y = v.y.mutable_values<T>()});
  });
}

/// Two reads of x and dy: the sums must be there before the first result is.
Case norm_backward(const NetShape& net, const VolumeShape& s) {
  return volume_case(net, s, 5, [s]<class T>(auto& q, TypeTag<T>, Volumes& v) {
    const std::span<const Acc<T>> vector = std::as_const(v.vector).values<Acc<T>>();
    batch_norm_backward(q, BatchNormGradArgs<T>{.shape = s,
                                                .statistics = Statistics::of_batch,
                                                .x = std::as_const(v.a).values<T>(),
                                                .mean = vector,
                                                .variance = std::as_const(v.spread).values<Acc<T>>(),
                                                .gamma = vector,
                                                .eps = 1e-5,
                                                .dy = std::as_const(v.b).values<T>(),
                                                .partials = v.partials.mutable_values<double>(),
                                                .dx = v.y.mutable_values<T>(),
                                                .dgamma = v.result.mutable_values<Acc<T>>(),
                                                .dbeta = v.result2.mutable_values<Acc<T>>()});
  });
}

Case relu(const NetShape& net, const VolumeShape& s) {
  return volume_case(net, s, 2, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    relu_forward(q, ReluArgs<T>{.x = std::as_const(v.a).values<T>(), .y = v.y.mutable_values<T>()});
  });
}

Case relu_gradient(const NetShape& net, const VolumeShape& s) {
  return volume_case(net, s, 3, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    relu_backward(q, ReluGradArgs<T>{.y = std::as_const(v.a).values<T>(),
                                     .dy = std::as_const(v.b).values<T>(),
                                     .dx = v.y.mutable_values<T>()});
  });
}

Case drop(const NetShape& net, const VolumeShape& s) {
  return volume_case(net, s, 2, []<class T>(auto& q, TypeTag<T>, Volumes& v) {
    dropout_forward(q, DropoutArgs<T>{.x = std::as_const(v.a).values<T>(),
                                      .p = 0.1,
                                      .key = {.seed = 1, .step = 2, .place = 3},
                                      .y = v.y.mutable_values<T>()});
  });
}

Case pool(const NetShape& net, const VolumeShape& s) {
  auto x = std::make_shared<Tensor>(random_volume(s, net.dtype, net.device));
  auto y = std::make_shared<Tensor>(random_volume(pooled(s), net.dtype, net.device));
  Case c;
  c.bytes = bytes_of(net, s, 1.125);
  on_device(net.device, net.dtype, [&]<class T>(auto& queue, TypeTag<T>) {
    c.run = [&queue, s, x, y] {
      max_pool3d_forward(queue,
                         MaxPool3dArgs<T>{.shape = s, .x = std::as_const(*x).values<T>(), .y = y->mutable_values<T>()});
    };
  });
  return c;
}

Case pool_gradient(const NetShape& net, const VolumeShape& s) {
  auto dx = std::make_shared<Tensor>(random_volume(s, net.dtype, net.device));
  auto dy = std::make_shared<Tensor>(random_volume(pooled(s), net.dtype, net.device));
  auto winners = std::make_shared<Tensor>(Tensor::zeros({dy->stored_count()}, DType::u8, net.device));
  Case c;
  c.bytes = bytes_of(net, s, 1.125);
  on_device(net.device, net.dtype, [&]<class T>(auto& queue, TypeTag<T>) {
    c.run = [&queue, s, winners, dx, dy] {
      max_pool3d_backward(queue, MaxPool3dGradArgs<T>{.shape = s,
                                                      .winners = std::as_const(*winners).values<std::uint8_t>(),
                                                      .dy = std::as_const(*dy).values<T>(),
                                                      .dx = dx->mutable_values<T>()});
    };
  });
  return c;
}

Case join(const NetShape& net, const VolumeShape& s) {
  auto a = std::make_shared<Tensor>(random_volume(s, net.dtype, net.device));
  VolumeShape both = s;
  both.c *= 2;
  auto y = std::make_shared<Tensor>(random_volume(both, net.dtype, net.device));
  Case c;
  c.bytes = bytes_of(net, s, 4);
  on_device(net.device, net.dtype, [&]<class T>(auto& queue, TypeTag<T>) {
    c.run = [&queue, s, a, y] {
      const std::span<const T> in = std::as_const(*a).values<T>();
      concat_forward(queue, ConcatArgs<T>{.a_shape = s, .b_shape = s, .a = in, .b = in, .y = y->mutable_values<T>()});
    };
  });
  return c;
}

Case split(const NetShape& net, const VolumeShape& s) {
  auto a = std::make_shared<Tensor>(random_volume(s, net.dtype, net.device));
  auto b = std::make_shared<Tensor>(Tensor::like(*a));
  VolumeShape both = s;
  both.c *= 2;
  auto dy = std::make_shared<Tensor>(random_volume(both, net.dtype, net.device));
  Case c;
  c.bytes = bytes_of(net, s, 4);
  on_device(net.device, net.dtype, [&]<class T>(auto& queue, TypeTag<T>) {
    c.run = [&queue, s, a, b, dy] {
      concat_backward(queue, ConcatGradArgs<T>{.a_shape = s,
                                               .b_shape = s,
                                               .dy = std::as_const(*dy).values<T>(),
                                               .da = a->mutable_values<T>(),
                                               .db = b->mutable_values<T>()});
    };
  });
  return c;
}

}  // namespace

std::vector<Plan> block_plans(const NetShape& net) {
  struct Named {
    const char* kernel;
    Case (*make)(const NetShape&, const VolumeShape&);
    bool between_levels;  ///< not at the bottom
  };
  constexpr Named kKernels[] = {{"batch_norm statistics", statistics, false},
                                {"batch_norm forward", norm_forward, false},
                                {"batch_norm backward", norm_backward, false},
                                {"relu forward", relu, false},
                                {"relu backward", relu_gradient, false},
                                {"dropout", drop, false},
                                {"max_pool forward", pool, true},
                                {"max_pool backward", pool_gradient, true},
                                {"concat forward", join, true},
                                {"concat backward", split, true}};
  std::vector<Plan> plans;
  for (std::size_t l = 0; l < net.widths.size(); ++l) {
    const VolumeShape s = net.level(l, net.widths[l]);
    for (const Named& k : kKernels) {
      if (s.d < 2 && k.between_levels) { continue; }
      if (s.d == 0 || (l + 1 == net.widths.size() && k.between_levels)) { continue; }
      plans.push_back({k.kernel, fmt::format("{} {}^3", s.c, s.d), net.dtype, net.batch,
                       [net, s, make = k.make] { return make(net, s); }});
    }
  }
  return plans;
}

}  // namespace vox::gpu_bench
