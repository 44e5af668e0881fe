#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "benchmarks/gpu/device.h"
#include "benchmarks/gpu/rivals.h"
#include "engine/device_memory.h"
#include "kernels/conv_transpose3d.h"

namespace vox::gpu_bench {
namespace {

/// A layer of the network that convolves, as the conv3d it is or is the adjoint of.
struct Layer {
  std::string kind;   ///< "conv", "up", "head"
  std::string shape;  ///< "16-32 64^3", extents of its input
  Conv3dGeometry geometry;
  bool transposed = false;
  bool wants_grad_input = true;  ///< nobody asks for that of the images, the first layer's
};

/// Every different layer; the second convolution of a decoder block is that of the encoder block beside it.
std::vector<Layer> layers_of(const NetShape& net) {
  std::vector<Layer> layers;
  const auto conv = [&](const char* kind, std::size_t level, std::int64_t in, std::int64_t out, std::int64_t kernel) {
    const VolumeShape x = net.level(level, in);
    if (x.d == 0) { return; }
    layers.push_back({kind, fmt::format("{}-{} {}^3", in, out, x.d), conv3d_geometry(x, out, kernel, 1, kernel / 2),
                      false, !layers.empty()});
  };
  const std::vector<std::int64_t>& w = net.widths;
  for (std::size_t l = 0; l < w.size(); ++l) {
    conv("conv", l, l == 0 ? net.in_channels : w[l - 1], w[l], 3);
    conv("conv", l, w[l], w[l], 3);
    if (l + 1 == w.size()) { break; }
    conv("conv", l, 2 * w[l], w[l], 3);
    const VolumeShape deep = net.level(l + 1, w[l + 1]);
    if (deep.d == 0) { continue; }
    layers.push_back({"up", fmt::format("{}-{} {}^3", deep.c, w[l], deep.d),
                      conv_transpose3d_geometry(deep, w[l], 2, 2, 0, 0), true, true});
  }
  conv("head", 0, w[0], net.classes, 1);
  return layers;
}

/// The memory of one pass.
struct Volumes {
  Tensor x;  ///< geometry.x
  Tensor y;  ///< geometry.y
  Tensor weight;
  Tensor dweight;
  Tensor scratch;
};

template <class T, class Queue>
void run_pass(Queue& q, const Conv3dGeometry& g, Conv3dPass pass, Conv3dAlgorithm algorithm, Volumes& v) {
  const std::span<Acc<T>> scratch = v.scratch.mutable_values<Acc<T>>();
  if (pass == Conv3dPass::correlate) {
    conv3d_forward(q, Conv3dArgs<T>{.geometry = g,
                                    .algorithm = algorithm,
                                    .x = std::as_const(v.x).values<T>(),
                                    .weight = std::as_const(v.weight).values<Acc<T>>(),
                                    .bias = {},
                                    .y = v.y.mutable_values<T>(),
                                    .scratch = scratch});
  } else if (pass == Conv3dPass::spread) {
    conv_transpose3d_forward(q, ConvTranspose3dArgs<T>{.geometry = g,
                                                       .algorithm = algorithm,
                                                       .x = std::as_const(v.y).values<T>(),
                                                       .weight = std::as_const(v.weight).values<Acc<T>>(),
                                                       .bias = {},
                                                       .y = v.x.mutable_values<T>(),
                                                       .scratch = scratch});
  } else {
    conv3d_grad_weight(q, Conv3dGradWeightArgs<T>{.geometry = g,
                                                  .algorithm = algorithm,
                                                  .x = std::as_const(v.x).values<T>(),
                                                  .dy = std::as_const(v.y).values<T>(),
                                                  .dweight = v.dweight.mutable_values<Acc<T>>(),
                                                  .scratch = scratch});
  }
}

template <class Queue>
std::int64_t scratch_elements(const Queue& q, const Conv3dGeometry& g, Conv3dPass pass, Conv3dAlgorithm a) {
  return pass == Conv3dPass::correlate ? conv3d_forward_scratch(q, g, a)
         : pass == Conv3dPass::spread  ? conv_transpose3d_scratch(q, g, a)
                                       : conv3d_grad_weight_scratch(q, g, a);
}

/// The result of one algorithm, in memory whose every byte was 0xFF, a NaN in each type.
template <class T, class Queue>
std::vector<double> result_of(Queue& q, const Conv3dGeometry& g, Conv3dPass pass, Conv3dAlgorithm a, const Volumes& v,
                              Device device) {
  Volumes fresh = v;
  Tensor& result = pass == Conv3dPass::correlate ? fresh.y : pass == Conv3dPass::spread ? fresh.x : fresh.dweight;
  result = Tensor::like(result);
  fresh.scratch = Tensor({scratch_elements(q, g, pass, a)}, accumulator(v.x.dtype()), device);
  const auto read = [&]<class U>(TypeTag<U>) {
    const std::span<U> values = result.mutable_values<U>();
    std::vector<U> host(values.size());
    std::memset(static_cast<void*>(host.data()), 0xFF, host.size() * sizeof(U));
    const auto bytes_of = [](U* p) { return reinterpret_cast<std::byte*>(p); };
    copy_bytes(bytes_of(values.data()), device, bytes_of(host.data()), Device::cpu, host.size() * sizeof(U));
    run_pass<T>(q, g, pass, a, fresh);
    copy_bytes(bytes_of(host.data()), Device::cpu, bytes_of(values.data()), device, host.size() * sizeof(U));
    std::vector<double> all(host.size());
    std::ranges::transform(host, all.begin(), [](U u) { return static_cast<double>(load(u)); });
    return all;
  };
  return pass == Conv3dPass::grad_weight ? read(TypeTag<Acc<T>>{}) : read(TypeTag<T>{});
}

/// bf16 results are rounded once, and a sum in another order may round the other way; sums of f32 are as long as the
/// volume where they are those of a weight.
double allowed_error(DType dtype, Conv3dPass pass) {
  if (pass == Conv3dPass::grad_weight) { return 1e-3; }
  return dtype == DType::bf16 ? 1e-3 : 1e-5;
}

double relative_error(const std::vector<double>& got, const std::vector<double>& wants) {
  double off = 0;
  double all = 0;
  for (std::size_t i = 0; i < wants.size(); ++i) {
    off += (got[i] - wants[i]) * (got[i] - wants[i]);
    all += wants[i] * wants[i];
  }
  return std::sqrt(off / all);
}

Case make_case(const NetShape& net, const Layer& layer, Conv3dPass pass) {
  const Conv3dGeometry& g = layer.geometry;
  const DType acc = accumulator(net.dtype);
  Case c;
  const auto elements = static_cast<double>(g.x.count() + g.y.count());
  const auto weights = static_cast<double>(g.y.c * g.x.c * g.kernel * g.kernel * g.kernel);
  c.flops = 2 * weights * static_cast<double>(g.y.n * g.y.voxels());
  c.bytes = elements * static_cast<double>(size_of(net.dtype)) + weights * static_cast<double>(size_of(acc));
  on_device(net.device, net.dtype, [&]<class T>(auto& queue, TypeTag<T>) {
    const Conv3dAlgorithm algorithm = choose<T>(queue, pass, g);
    c.algorithm = name(algorithm);
    auto v = std::make_shared<Volumes>();
    v->x = random_volume(g.x, net.dtype, net.device);
    v->y = random_volume(g.y, net.dtype, net.device);
    v->weight = random_plain({g.y.c, g.x.c, g.kernel, g.kernel, g.kernel}, acc, net.device);
    v->dweight = Tensor::like(v->weight);
    v->scratch = Tensor({scratch_elements(queue, g, pass, algorithm)}, acc, net.device);
    c.run = [&queue, g, pass, algorithm, v] { run_pass<T>(queue, g, pass, algorithm, *v); };
    const bool tiled = algorithm != Conv3dAlgorithm::tiled && fits<T>(queue, Conv3dAlgorithm::tiled, pass, g);
    const Conv3dAlgorithm plain = tiled ? Conv3dAlgorithm::tiled : Conv3dAlgorithm::direct;
    c.compare = [&queue, g, pass, algorithm, plain, v, net] {
      return Comparison{.against = name(plain),
                        .error = relative_error(result_of<T>(queue, g, pass, algorithm, *v, net.device),
                                                result_of<T>(queue, g, pass, plain, *v, net.device)),
                        .allowed = allowed_error(net.dtype, pass)};
    };
  });
  if (net.device == Device::cuda && net.rival_plans > 0) {
    const ConvTask task{.geometry = g, .pass = pass, .dtype = net.dtype, .plans = net.rival_plans};
    for (const auto& rivals_for : {cudnn_rivals, cublas_rivals}) {
      try {
        std::ranges::move(rivals_for(task), std::back_inserter(c.rivals));
      } catch (const MemoryError& e) {  // ours is measured all the same
        fmt::print(stderr, "# no room for the rivals of {} {}: {}\n", layer.kind, layer.shape, e.what());
      }
    }
  }
  return c;
}

}  // namespace

std::vector<Plan> conv_plans(const NetShape& net) {
  std::vector<Plan> plans;
  for (const Layer& layer : layers_of(net)) {
    const auto add = [&](const char* name, Conv3dPass pass) {
      plans.push_back({layer.kind + name, layer.shape, net.dtype, net.batch,
                       [net, layer, pass] { return make_case(net, layer, pass); }});
    };
    add(" forward", layer.transposed ? Conv3dPass::spread : Conv3dPass::correlate);
    if (layer.wants_grad_input) { add(" grad input", layer.transposed ? Conv3dPass::correlate : Conv3dPass::spread); }
    add(" grad weight", Conv3dPass::grad_weight);
  }
  return plans;
}

}  // namespace vox::gpu_bench
