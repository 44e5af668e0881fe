#include "benchmarks/workloads/kernel_operands.h"

#include <algorithm>
#include <cmath>

#include "benchmarks/measure/device_probes.h"
#include "benchmarks/measure/on_device.h"
#include "engine/dispatch.h"
#include "engine/memory_limits.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"

namespace vox::bench {
namespace {

std::vector<float> random_values(std::int64_t count, double lowest, double highest, std::uint32_t seed) {
  std::vector<float> v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); i += 4) {
    const Philox4 bits = random4({.seed = seed}, i / 4);
    for (std::size_t k = 0; k < std::min<std::size_t>(4, v.size() - i); ++k) {
      v[i + k] = static_cast<float>(lowest + (highest - lowest) * unit(bits.v[k]));
    }
  }
  return v;
}

Tensor random_labels(const Shape& shape, std::int64_t classes, Device device) {
  std::vector<std::uint8_t> v(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < v.size(); i += 4) {
    const Philox4 bits = random4({.seed = 2}, i / 4);
    for (std::size_t k = 0; k < std::min<std::size_t>(4, v.size() - i); ++k) {
      v[i + k] = static_cast<std::uint8_t>(bits.v[k] % static_cast<std::uint32_t>(classes));
    }
  }
  return Tensor::of<std::uint8_t>(shape, v).to(device);
}

/// Values in [-1,1) that the device itself draws: on one core of the CPU the largest take many seconds.
Tensor filled_there(Tensor t, const VolumeShape& channels, std::uint32_t seed) {
  on_device(t.device(), [&](auto& queue) {
    dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) {
      fill(queue, FillArgs<T>{.shape = channels, .seed = seed, .y = t.mutable_values<T>()});
    });
  });
  return t;
}

bool is_weight(const samples::Input& in) {
  return in.role == samples::Role::weight || in.role == samples::Role::transposed_weight;
}

/// The operator's first sample; of a convolution whose stride is 2 that of this name.
const samples::Sample& sample_of(const KernelSpec& spec) {
  const std::vector<samples::Sample>& all = samples::of(spec.op);
  const std::int64_t own = spec.op == Op::conv_transpose3d ? 2 : 1;
  if (spec.shape.stride == 0 || spec.shape.stride == own) { return all.front(); }
  const auto found = std::ranges::find(all, fmt::format("stride {}", spec.shape.stride), &samples::Sample::variant);
  VOX_CHECK(found != all.end(), "{} {}: has no stride of {}; conv3d runs at 1 and 2", name(spec.op),
            text_of(spec.shape), spec.shape.stride);
  return *found;
}

samples::Size size_of(const KernelSpec& spec) {
  const samples::Sample& sample = sample_of(spec);
  const bool has_weight = std::ranges::any_of(sample.inputs, is_weight);
  return {.batch = spec.batch,
          .in = spec.shape.in,
          .extent = spec.shape.extent,
          .out = has_weight ? spec.shape.out : 0,
          .kernel = spec.shape.kernel > 0 ? spec.shape.kernel : sample.size.kernel};
}

/// Throws where the shape has too many volumes for the operator, or too few, or no channels out.
void check_shape(const KernelSpec& spec) {
  std::size_t least = 0;
  std::size_t most = 0;
  bool wants_out = false;
  for (const samples::Input& in : sample_of(spec).inputs) {
    const bool is_volume = in.role == samples::Role::volume;
    least += is_volume && !in.optional ? 1 : 0;
    most += is_volume ? 1 : 0;
    wants_out = wants_out || is_weight(in);
  }
  const std::size_t count = spec.shape.in.size();
  VOX_CHECK(count >= least && count <= most, "{} {}: has {} volumes, wants {}", name(spec.op), text_of(spec.shape),
            count, count < least ? least : most);
  VOX_CHECK(!wants_out || spec.shape.out > 0, "{} {}: wants channels out, as in 16-32@128^3", name(spec.op),
            text_of(spec.shape));
}

Tensor operand_of(const samples::Input& in, const Shape& shape, const KernelSpec& spec, Device device,
                  std::uint32_t seed) {
  if (shape.rank() == 0 || (in.optional && in.role != samples::Role::volume)) { return {}; }
  switch (in.role) {
    case samples::Role::volume: {
      const NoGradScope no_grad;
      const Tensor x = random_volume(shape, spec.dtype, device, seed);
      return in.draw == samples::Draw::probabilities ? softmax(x) : x;
    }
    case samples::Role::labels:
      return random_labels(shape, spec.shape.in.front(), device);
    default:
      return random_vector(shape, accumulator(spec.dtype), device, seed);
  }
}

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
    volumes += static_cast<double>(samples::stored_channels(c)) * voxels * element;
  }
  const samples::Size size = size_of(spec);
  const double weight = std::pow(size.kernel, 3) * all_in * static_cast<double>(size.out) * 4;
  const double result = static_cast<double>(sample_of(spec).result(size)) * voxels * element;
  double most = volumes + weight + result;
  if (device == Device::cpu) {  // a volume is drawn as plain numbers, laid out in f32 and copied as what is wanted
    most =
        std::max(most, volumes + static_cast<double>(s.in.back() + samples::stored_channels(s.in.back())) * voxels * 4);
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
  check_shape(spec);
  Operands o{.sample = sample_of(spec), .inputs = {}};
  const std::vector<Shape> shapes = samples::shapes_of(o.sample, size_of(spec));
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    o.inputs.push_back(operand_of(o.sample.inputs[i], shapes[i], spec, device, static_cast<std::uint32_t>(i + 1)));
  }
  return o;
}

Conv3dGeometry geometry_of(const KernelSpec& spec) {
  check_shape(spec);
  const std::vector<Shape> shapes = samples::shapes_of(sample_of(spec), size_of(spec));
  VolumeShape x = shapes[0].volume();
  const Shape& weight = shapes[spec.op == Op::conv3d_concat ? 2 : 1];
  if (spec.op == Op::conv_transpose3d) { return conv_transpose3d_geometry(x, weight[1], weight[2], 2, 0, 0); }
  x.c = weight[1];
  Conv3dGeometry g =
      conv3d_geometry(x, weight[0], weight[2], std::max<std::int64_t>(spec.shape.stride, 1), weight[2] / 2);
  if (spec.op == Op::conv3d_concat && spec.shape.in[0] % kBlock8 == 0) { g.split = spec.shape.in[0]; }
  return g;
}

Conv3dPass conv_pass_of(const KernelSpec& spec) {
  if (spec.pass == Pass::grad_weight) { return Conv3dPass::grad_weight; }
  const bool transposed = spec.op == Op::conv_transpose3d;
  return (spec.pass == Pass::forward) != transposed ? Conv3dPass::correlate : Conv3dPass::spread;
}

Tensor random_volume(const Shape& shape, DType dtype, Device device, std::uint32_t seed) {
  if (device != Device::cpu) { return filled_there(Tensor::volume(shape, dtype, device), shape.volume(), seed); }
  const NoGradScope no_grad;
  return cast(Tensor::volume_of<float>(shape, random_values(shape.count(), -1, 1, seed)), dtype).to(device);
}

Tensor random_plain(const Shape& shape, DType dtype, Device device, std::uint32_t seed) {
  return filled_there(Tensor(shape, dtype, device), {}, seed);
}

Tensor random_vector(const Shape& shape, DType dtype, Device device, std::uint32_t seed) {
  const NoGradScope no_grad;
  return cast(Tensor::of<float>(shape, random_values(shape.count(), 0.5, 1.5, seed)), dtype).to(device);
}

Tensor random_like(const Tensor& t, std::uint32_t seed) {
  return t.layout() == Layout::blocked ? random_volume(t.shape(), t.dtype(), t.device(), seed)
                                       : random_vector(t.shape(), t.dtype(), t.device(), seed);
}

}  // namespace vox::bench
