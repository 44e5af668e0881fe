#include "benchmarks/workloads/cost.h"

#include <algorithm>

#include "engine/samples/sample.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

constexpr std::array<std::string_view, 3> kPassNames = {"forward", "grad-input", "grad-weight"};

double bytes_of(const Tensor& t) {
  return t.defined() ? static_cast<double>(t.shape().count()) * static_cast<double>(size_of(t.dtype())) : 0.0;
}

/// Bytes of an operator's operands.
struct Sizes {
  double volumes = 0;  ///< all inputs of rank 5 that are no weights
  double labels = 0;
  double weight = 0;
  double y = 0;
  double products = 0;  ///< of a convolution, with the zeros of its padding
  double products_on_voxels = 0;
};

/// A layer: convolution, norm and activation in one.
bool is_layer(Op op) { return op == Op::conv3d_batch_norm_relu || op == Op::conv3d_instance_norm_relu; }

bool convolves(Op op) {
  switch (op) {
    case Op::conv3d:
    case Op::conv3d_concat:
    case Op::conv_transpose3d:
      return true;
    default:
      return false;
  }
}

/// Every one of a transposed convolution without padding: its taps begin at voxels. Other convolutions run at stride 1,
/// here and in the network, where the extents tell the padding, or at 2 with a padding of half the kernel, which makes
/// less than there was.
double products_on_voxels(Op op, const Shape& x, const Shape& weight, const Shape& y) {
  const bool strided = y[2] < x[2] || y[3] < x[3] || y[4] < x[4];
  double products = static_cast<double>(weight[0]) * static_cast<double>(weight[1]) * static_cast<double>(x[0]);
  for (std::size_t axis = 2; axis < 5; ++axis) {
    const std::int64_t k = weight[axis];
    products *= op == Op::conv_transpose3d ? static_cast<double>(k) * static_cast<double>(x[axis])
                : strided                  ? taps_on_voxels(x[axis], y[axis], k, 2, k / 2)
                                           : taps_on_voxels(x[axis], y[axis], k, 1, (y[axis] - x[axis] + k - 1) / 2);
  }
  return products;
}

Sizes sizes_of(Op op, std::span<const Tensor> inputs, const Tensor& y) {
  Sizes s{.y = bytes_of(y)};
  for (const Tensor& t : inputs) {
    if (!t.defined()) { continue; }
    if (t.dtype() == DType::u8) {
      s.labels += bytes_of(t);
    } else if (t.layout() == Layout::plain && t.shape().rank() == 5) {
      s.weight += bytes_of(t);
      // Each product belongs to one voxel of y, or of x where the convolution is transposed.
      const Shape& over = op == Op::conv_transpose3d ? inputs[0].shape() : y.shape();
      s.products += static_cast<double>(t.shape().count()) * static_cast<double>(over[0] * over.voxels());
      s.products_on_voxels += products_on_voxels(op, inputs[0].shape(), t.shape(), y.shape());
    } else if (t.shape().rank() == 5 || s.volumes == 0) {
      s.volumes += bytes_of(t);
    }
  }
  return s;
}

const samples::Sample& sample_of(Op op) { return samples::of(op).front(); }

/// Gradients of volumes are as large as the volumes, that of y as y.
double bytes_of(const samples::Traffic& t, const Sizes& s) {
  return t.volumes * s.volumes + t.results * s.y + s.labels + s.weight;
}

/// So many convolutions of these sizes.
Cost convolving(const Sizes& s, double times, double bytes) {
  return {.flops = 2 * times * s.products, .bytes = bytes, .flops_on_voxels = 2 * times * s.products_on_voxels};
}

/// Of convolution, norm and ReLU in one. Forward, the convolution's result is written, and read again once its
/// statistics are known. Backward, it and dy are read for two sums and again for the convolution's gradient, which is
/// written, read for the weight's gradient with x, and read for that of x.
Cost layer_cost(const Sizes& s, Pass pass, bool wants_dx, BatchNormMode mode) {
  if (pass == Pass::forward) {
    const double results = mode == BatchNormMode::inference ? 1 : 3;
    return convolving(s, 1, s.volumes + s.weight + results * s.y);
  }
  const double for_weight = 5 * s.y + s.y + s.volumes + s.weight;
  return wants_dx ? convolving(s, 2, for_weight + s.y + s.weight + s.volumes) : convolving(s, 1, for_weight);
}

}  // namespace

std::string_view name(Pass pass) { return kPassNames.at(static_cast<std::size_t>(pass)); }

Pass pass_named(std::string_view text) {
  for (std::size_t i = 0; i < kPassNames.size(); ++i) {
    if (kPassNames.at(i) == text) { return static_cast<Pass>(i); }
  }
  VOX_FAIL("pass '{}': wants forward, grad-input or grad-weight", text);
}

bool has_pass(Op op, Pass pass) {
  const samples::Traffic gradient = sample_of(op).gradient;
  return pass == Pass::forward || (pass == Pass::grad_weight ? convolves(op) : gradient.volumes > 0);
}

double taps_on_voxels(std::int64_t x, std::int64_t outputs, std::int64_t kernel, std::int64_t stride,
                      std::int64_t padding) {
  double pairs = 0;
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t first = o * stride - padding;  // where the window begins
    pairs +=
        static_cast<double>(std::max<std::int64_t>(0, std::min(first + kernel, x) - std::max<std::int64_t>(first, 0)));
  }
  return pairs;
}

Cost cost_of(Op op, Pass pass, std::span<const Tensor> inputs, const Tensor& y, BatchNormMode mode) {
  if (!has_pass(op, pass)) { return {}; }
  const Sizes s = sizes_of(op, inputs, y);
  if (is_layer(op)) { return layer_cost(s, pass, inputs[0].wants_grad(), mode); }
  Cost c = convolving(s, 1, 0);
  if (pass == Pass::forward && mode == BatchNormMode::inference) {
    c.bytes = s.volumes + s.labels + s.weight + s.y;
    return c;
  }
  switch (pass) {
    case Pass::forward:
      c.bytes = bytes_of(sample_of(op).forward, s);
      break;
    case Pass::grad_input:
      c.bytes = bytes_of(sample_of(op).gradient, s);
      break;
    case Pass::grad_weight:
      c.bytes = s.volumes + s.y + s.weight;
      break;
  }
  return c;
}

}  // namespace vox::bench
