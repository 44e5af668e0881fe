#include "benchmarks/work/kernel_operands.h"

#include <algorithm>
#include <cmath>

#include "engine/memory_limits.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"

namespace vox::bench {
namespace {

std::vector<float> random_values(std::int64_t count, double lowest, double highest) {
  std::vector<float> v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); i += 4) {
    const Philox4 bits = random4({.seed = 1}, i / 4);
    for (std::size_t k = 0; k < std::min<std::size_t>(4, v.size() - i); ++k) {
      v[i + k] = static_cast<float>(lowest + (highest - lowest) * unit(bits.v[k]));
    }
  }
  return v;
}

Tensor random_labels(const Shape& shape, std::int64_t classes, Device device) {
  std::vector<std::uint8_t> v(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = static_cast<std::uint8_t>(random4({.seed = 2}, i).v[0] % static_cast<std::uint32_t>(classes));
  }
  return Tensor::of<std::uint8_t>(shape, v).to(device);
}

/// With the padding channels of the last block.
double stored_channels(std::int64_t channels) { return std::ceil(static_cast<double>(channels) / kBlock8) * kBlock8; }

/// Elements of the result per voxel of the operands.
double stored_results(const KernelSpec& spec) {
  const KernelShape& s = spec.shape;
  switch (spec.op) {
    case Op::conv3d:
    case Op::conv3d_concat:
    case Op::conv3d_batch_norm_relu:
      return stored_channels(s.out);
    case Op::conv_transpose3d:
      return 8 * stored_channels(s.out);
    case Op::concat:
      return stored_channels(s.in.front() + s.in.back());
    case Op::sum:
    case Op::mean:
    case Op::max_pool3d:  // an eighth, and nothing of a volume of one voxel
    case Op::dice_loss:
    case Op::focal_loss:
    case Op::cross_entropy:
    case Op::dice_focal_loss:
    case Op::cast:  // of another type
      return 0;
    default:
      return stored_channels(s.in.front());
  }
}

using Inputs = const std::vector<Tensor>&;

constexpr DropoutOptions kDropout{.p = 0.1, .key = {.seed = 7, .step = 1, .place = 2}};

/// Makes operands one after the other.
class Maker {
 public:
  Maker(const KernelSpec& spec, Device device) : spec_(spec), device_(device) {}

  [[nodiscard]] Tensor volume(std::int64_t channels) const {
    const auto& e = spec_.shape.extent;
    return random_volume({spec_.batch, channels, e[0], e[1], e[2]}, spec_.dtype, device_);
  }
  [[nodiscard]] Tensor vector(const Shape& shape) const {
    return random_vector(shape, accumulator(spec_.dtype), device_);
  }
  [[nodiscard]] Tensor labels() const {
    const auto& e = spec_.shape.extent;
    return random_labels({spec_.batch, e[0], e[1], e[2]}, spec_.shape.in[0], device_);
  }
  [[nodiscard]] std::int64_t channels() const { return spec_.shape.in[0]; }
  [[nodiscard]] std::int64_t out() const {
    VOX_CHECK(spec_.shape.out > 0, "{} {}: wants channels out, as in 16-32@128^3", name(spec_.op),
              text_of(spec_.shape));
    return spec_.shape.out;
  }
  [[nodiscard]] std::int64_t kernel(std::int64_t otherwise) const {
    return spec_.shape.kernel > 0 ? spec_.shape.kernel : otherwise;
  }
  void want_inputs(std::size_t count) const {
    VOX_CHECK(spec_.shape.in.size() == count, "{} {}: has {} volumes, wants {}", name(spec_.op), text_of(spec_.shape),
              spec_.shape.in.size(), count);
  }

  [[nodiscard]] Operands plain(std::size_t count, std::function<Tensor(Inputs)> apply) const {
    want_inputs(count);
    Operands o;
    for (const std::int64_t c : spec_.shape.in) { o.inputs.push_back(volume(c)); }
    o.apply = std::move(apply);
    return o;
  }
  [[nodiscard]] Operands loss(std::function<Tensor(Inputs)> apply) const {
    Operands o = plain(1, std::move(apply));
    o.inputs.push_back(labels());
    return o;
  }
  [[nodiscard]] Operands loss_of_probabilities(std::function<Tensor(Inputs)> apply) const {
    Operands o = loss(std::move(apply));
    const NoGradScope no_grad;
    o.inputs[0] = softmax(o.inputs[0]);
    return o;
  }
  [[nodiscard]] Operands norm(std::function<Tensor(Inputs)> apply) const {
    Operands o = plain(1, std::move(apply));
    for (int i = 0; i < 4; ++i) { o.inputs.push_back(vector({channels()})); }
    o.first_buffer = 3;
    return o;
  }
  [[nodiscard]] Operands conv(std::size_t count, std::function<Tensor(Inputs)> apply) const {
    Operands o = plain(count, std::move(apply));
    const std::int64_t k = kernel(3);
    std::int64_t in = 0;
    for (const std::int64_t c : spec_.shape.in) { in += c; }
    o.inputs.push_back(vector({out(), in, k, k, k}));
    return o;
  }
  /// Of one volume or two.
  [[nodiscard]] Operands layer() const {
    const std::size_t volumes = spec_.shape.in.size();
    Operands o = conv(volumes, [volumes](Inputs in) {
      const std::size_t w = volumes;  // the weight's place
      return conv3d_batch_norm_relu(in[0], volumes > 1 ? in[1] : Tensor(), in[w], in[w + 1], in[w + 2], in[w + 3],
                                    in[w + 4], {}, kDropout);
    });
    for (int i = 0; i < 4; ++i) { o.inputs.push_back(vector({out()})); }
    o.first_buffer = volumes + 3;
    return o;
  }

 private:
  const KernelSpec& spec_;
  Device device_;
};

}  // namespace

double least_bytes(const KernelSpec& spec, Device device) {
  const KernelShape& s = spec.shape;
  const auto element = static_cast<double>(size_of(spec.dtype));
  double voxels = static_cast<double>(spec.batch);
  for (const std::int64_t e : s.extent) { voxels *= static_cast<double>(e); }
  double all_in = 0;
  double volumes = 0;
  for (const std::int64_t c : s.in) {
    all_in += static_cast<double>(c);
    volumes += stored_channels(c) * voxels * element;
  }
  const double taps = std::pow(s.kernel > 0 ? s.kernel : spec.op == Op::conv_transpose3d ? 2 : 3, 3);
  const bool convolves = has_pass(spec.op, Pass::grad_weight) || spec.op == Op::conv3d_batch_norm_relu;
  const double weight = convolves ? taps * all_in * static_cast<double>(s.out) * 4 : 0;
  const double result = stored_results(spec) * voxels * element;
  double most = volumes + weight + result;
  if (device != Device::cuda) {  // a volume is drawn as plain numbers, laid out in f32 and copied as what is wanted
    most = std::max(most, volumes + (static_cast<double>(s.in.back()) + stored_channels(s.in.back())) * voxels * 4);
  }
  if (spec.pass == Pass::grad_input) { most = std::max(most, volumes + weight + 2 * result + volumes); }
  if (spec.pass == Pass::grad_weight) { most = std::max(most, volumes + weight + 2 * result + weight); }
  return most;
}

void want_memory(const std::string& what, double bytes, Device device) {
  const MemoryLimit there = available_memory(device);
  if (bytes <= static_cast<double>(there.bytes)) { return; }
  const std::string takes =
      bytes < 0x1p63 ? bytes_text(static_cast<std::size_t>(bytes)) : fmt::format("{:.2g} GiB", bytes / 0x1p30);
  fail<MemoryError>(
      __FILE__, __LINE__,
      fmt::format("{}: takes at least {}; there is {} ({})", what, takes, bytes_text(there.bytes), there.source));
}

Operands operands_of(const KernelSpec& spec, Device device) {
  want_memory(fmt::format("{} {} {}, batch {}, {}", name(spec.op), name(spec.pass), text_of(spec.shape), spec.batch,
                          name(spec.dtype)),
              least_bytes(spec, device), device);
  const Maker m(spec, device);
  switch (spec.op) {
    case Op::add:
      return m.plain(2, [](Inputs in) { return add(in[0], in[1]); });
    case Op::mul:
      return m.plain(2, [](Inputs in) { return mul(in[0], in[1]); });
    case Op::scale:
      return m.plain(1, [](Inputs in) { return scale(in[0], 2); });
    case Op::sum:
      return m.plain(1, [](Inputs in) { return sum(in[0]); });
    case Op::mean:
      return m.plain(1, [](Inputs in) { return mean(in[0]); });
    case Op::cast:
      return m.plain(
          1, [to = spec.dtype == DType::bf16 ? DType::f32 : DType::bf16](Inputs in) { return cast(in[0], to); });
    case Op::relu:
      return m.plain(1, [](Inputs in) { return relu(in[0]); });
    case Op::leaky_relu:
      return m.plain(1, [](Inputs in) { return leaky_relu(in[0]); });
    case Op::dropout:
      return m.plain(1, [](Inputs in) { return dropout(in[0], kDropout); });
    case Op::concat:
      return m.plain(2, [](Inputs in) { return concat(in[0], in[1]); });
    case Op::max_pool3d:
      return m.plain(1, [](Inputs in) { return max_pool3d(in[0]); });
    case Op::conv3d:
      return m.conv(1, [](Inputs in) { return conv3d(in[0], in[1], {}); });
    case Op::conv3d_concat:
      return m.conv(2, [](Inputs in) { return conv3d_concat(in[0], in[1], in[2], {}); });
    case Op::conv_transpose3d: {
      Operands o = m.plain(1, [](Inputs in) { return conv_transpose3d(in[0], in[1], {}); });
      const std::int64_t k = m.kernel(2);
      o.inputs.push_back(m.vector({m.channels(), m.out(), k, k, k}));
      return o;
    }
    case Op::batch_norm:
      return m.norm([](Inputs in) { return batch_norm(in[0], in[1], in[2], in[3], in[4]); });
    case Op::batch_norm_relu:
      return m.norm([](Inputs in) { return batch_norm_relu(in[0], in[1], in[2], in[3], in[4], {}, kDropout); });
    case Op::conv3d_batch_norm_relu:
      return m.layer();
    case Op::softmax:
      return m.plain(1, [](Inputs in) { return softmax(in[0]); });
    case Op::dice_loss:
      return m.loss_of_probabilities([](Inputs in) { return dice_loss(in[0], in[1]); });
    case Op::focal_loss:
      return m.loss_of_probabilities([](Inputs in) { return focal_loss(in[0], in[1]); });
    case Op::cross_entropy:
      return m.loss([](Inputs in) { return cross_entropy(in[0], in[1]); });
    case Op::dice_focal_loss:
      return m.loss([](Inputs in) { return dice_focal_loss(in[0], in[1]); });
    default:
      VOX_FAIL("operator {}: has no operands to be measured with", static_cast<int>(spec.op));
  }
}

Conv3dGeometry geometry_of(const KernelSpec& spec, const std::vector<Tensor>& inputs) {
  VolumeShape x = inputs[0].shape().volume();
  const Shape& weight = inputs[spec.op == Op::conv3d_concat ? 2 : 1].shape();
  if (spec.op == Op::conv_transpose3d) { return conv_transpose3d_geometry(x, weight[1], weight[2], 2, 0, 0); }
  x.c = weight[1];
  Conv3dGeometry g = conv3d_geometry(x, weight[0], weight[2], 1, weight[2] / 2);
  if (spec.op == Op::conv3d_concat && spec.shape.in[0] % kBlock8 == 0) { g.split = spec.shape.in[0]; }
  return g;
}

Tensor random_volume(const Shape& shape, DType dtype, Device device) {
  const NoGradScope no_grad;
  return cast(Tensor::volume_of<float>(shape, random_values(shape.count(), -1, 1)), dtype).to(device);
}

Tensor random_vector(const Shape& shape, DType dtype, Device device) {
  const NoGradScope no_grad;
  return cast(Tensor::of<float>(shape, random_values(shape.count(), 0.5, 1.5)), dtype).to(device);
}

Tensor random_like(const Tensor& t) {
  return t.layout() == Layout::blocked ? random_volume(t.shape(), t.dtype(), t.device())
                                       : random_vector(t.shape(), t.dtype(), t.device());
}

}  // namespace vox::bench
