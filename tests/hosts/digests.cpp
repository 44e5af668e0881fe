// What a machine computes, as lines of text, so that another can be compared with it: digests of every operator's
// results and gradients, and of twenty training steps.
//   vox_digests FOLDER [ISA]     FOLDER: for a file; ISA: avx2, say; the best that the machine has
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/safetensors.h"
#include "engine/samples/sample.h"
#include "engine/tape.h"
#include "kernels/base/philox.h"
#include "model/optimizer.h"
#include "model/train_step.h"

namespace {

using namespace vox;

/// FNV-1a, 64 bits (G. Fowler, L. C. Noll, K.-P. Vo).
std::uint64_t digest(std::span<const std::byte> bytes, std::uint64_t so_far = 0xCBF29CE484222325ULL) {
  for (const std::byte b : bytes) { so_far = (so_far ^ static_cast<std::uint64_t>(b)) * 0x100000001B3ULL; }
  return so_far;
}
std::uint64_t digest(const Tensor& t, std::uint64_t so_far = 0xCBF29CE484222325ULL) {
  dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) { so_far = digest(std::as_bytes(t.values<T>()), so_far); });
  return so_far;
}

/// Values in (-1, 1), another for each element: a gradient that arrives, or an image.
std::vector<float> drawn(std::int64_t count, std::uint32_t step) {
  std::vector<float> v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = static_cast<float>(2 * unit(random4({.seed = 17, .step = step, .place = 0}, i).v[0]) - 1);
  }
  return v;
}
Tensor arriving(const Tensor& y) {
  const std::vector<float> values = drawn(y.shape().count(), 0);
  const Tensor dy = y.layout() == Layout::blocked ? Tensor::volume_of<float>(y.shape(), values)
                                                  : Tensor::of<float>(y.shape(), values);
  return y.dtype() == DType::f32 ? dy : cast(dy, y.dtype());
}

/// A sample's inputs in another type: volumes in dtype, what is no volume in the type that its sums are in.
std::vector<Tensor> inputs_in(const samples::Sample& s, DType dtype) {
  std::vector<Tensor> inputs = samples::small_inputs(s);
  for (Tensor& t : inputs) {
    if (!t.defined() || t.dtype() == DType::u8) { continue; }
    const bool wants = t.wants_grad();
    const DType parameters = dtype == DType::bf16 ? DType::f32 : dtype;
    t = cast(t.detached(), t.layout() == Layout::blocked ? dtype : parameters).detached();
    if (wants) { t.requires_grad(); }
  }
  return inputs;
}

void print_operator(Op op, const samples::Sample& s) {
  const std::string name =
      fmt::format("{}{}{}", kOpNames.at(static_cast<std::size_t>(op)), s.variant.empty() ? "" : " ", s.variant);
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    const std::vector<Tensor> inputs = inputs_in(s, dtype);
    const Tensor y = s.call(inputs);
    fmt::print("{}, {}: result {:016x}", name, vox::name(dtype), digest(y));
    backward(y, arriving(y));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].defined() && inputs[i].wants_grad()) {
        fmt::print(", {} {:016x}", s.inputs[i].name, digest(inputs[i].grad()));
      }
    }
    fmt::print("\n");
  }
}

/// Numbers too small for all bits of a mantissa, as operands and as results: docs/design.md says that they become zero.
template <class T> void print_denormals() {
  constexpr T kLeast = std::numeric_limits<T>::min();
  const std::vector<T> values{kLeast / 16, -kLeast / 16, kLeast, -8 * kLeast, 1};
  const Tensor exact = Tensor::of<T>({5}, values);
  fmt::print("denormal, {}:", name(exact.dtype()));
  for (const double factor : {1.0, 0.25, 16.0}) { fmt::print(" {:016x}", digest(scale(exact, factor))); }
  fmt::print("\n");
}

/// Twenty steps of Adam on two cases of 16^3 by the seed's network.
void print_training(const std::filesystem::path& folder) {
  constexpr std::int64_t kEdge = 16;
  const UNet3d net(with_widths(unet_preset("seed"), {3, 8, 4, 2, 2}), DType::f32, 7);
  Optimizer optimizer(net.parameters(), {.weight_decay = 0.01, .clip_norm = 1});
  const Shape shape{2, net.config().in_channels, kEdge, kEdge, kEdge};
  for (std::uint32_t step = 1; step <= 20; ++step) {
    const Tensor images = Tensor::volume_of<float>(shape, drawn(shape.count(), step));
    std::vector<std::uint8_t> classes(static_cast<std::size_t>(2 * kEdge * kEdge * kEdge));
    for (std::size_t i = 0; i < classes.size(); ++i) { classes[i] = static_cast<std::uint8_t>(i / kEdge % 4); }
    const Tensor labels = Tensor::of<std::uint8_t>({2, kEdge, kEdge, kEdge}, classes);
    const std::vector<MicroBatch> batch{{.images = images, .labels = labels}};
    PendingLoss pending = submit_batch(net, batch, {}, 7, step);
    const double loss = pending.losses().front().item();
    const double norm = optimizer.step(1e-2);
    std::uint64_t state = digest(std::as_bytes(std::span(&loss, 1)));
    for (const auto* const tensors : {&net.parameters(), &net.buffers()}) {
      for (const NamedTensor& t : *tensors) { state = digest(t.tensor, state); }
    }
    fmt::print("step {}: {:016x} loss {:.9g}, gradient {:.9g}\n", step, state, loss, norm);
  }
  std::vector<TensorToWrite> tensors;
  for (const NamedTensor& t : net.parameters()) {
    const auto extents = t.tensor.shape().extents();
    tensors.push_back({t.name,
                       file_dtype(t.tensor.dtype()),
                       {extents.begin(), extents.end()},
                       std::as_bytes(t.tensor.values<float>())});
  }
  const std::filesystem::path file = folder / "weights.safetensors";
  write_safetensors(file, tensors, {{"steps", "20"}});
  const SafetensorsFile stored(file);
  std::uint64_t read = 0;
  for (const auto& [name, t] : stored.tensors()) {
    read = digest(t.bytes, digest(std::as_bytes(std::span(name)), read));
  }
  fmt::print("file: {:016x}\n", read);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2 && argc != 3) {
      fmt::print(stderr, "vox_digests FOLDER [ISA]\n");
      return 2;
    }
    set_default_threads(1);  // a second one waits most of the time, and the bits are the same
    if (argc == 3) {
      bool known = false;
      for (const Isa isa : runnable_isas()) {
        if (name(isa) == std::string_view(argv[2])) {
          cpu_queue().isa = isa;
          known = true;
        }
      }
      if (!known) {
        fmt::print(stderr, "vox_digests: this machine does not run {}\n", argv[2]);
        return 2;
      }
    }
    for (std::size_t i = 0; i < kOpNames.size(); ++i) {
      for (const samples::Sample& s : samples::of(static_cast<Op>(i))) { print_operator(static_cast<Op>(i), s); }
    }
    print_denormals<double>();
    print_denormals<float>();
    print_training(argv[1]);
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "vox_digests: {}\n", e.what());
    return 1;
  }
}
