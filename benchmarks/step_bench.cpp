#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "engine/allocator.h"
#include "engine/tape.h"
#include "kernels/philox.h"
#include "model/loss.h"
#include "model/optimizer.h"

// The whole seed network: one training step (forward, loss, backward, Adam) and one inference pass, f32.

namespace vox {
namespace {

Tensor noise(const Shape& shape) {
  std::vector<float> v(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < v.size(); ++i) { v[i] = static_cast<float>(unit(random4({.seed = 1}, i).v[0]) - 0.5); }
  return Tensor::volume_of<float>(shape, v);
}

Tensor some_labels(const Shape& shape) {
  std::vector<std::uint8_t> v(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < v.size(); ++i) { v[i] = static_cast<std::uint8_t>(random4({.seed = 2}, i).v[0] % 4); }
  return Tensor::of<std::uint8_t>(shape, v);
}

void report_peak(benchmark::State& state) {
  state.counters["peak_tensor_MiB"] = static_cast<double>(memory_report(Device::cpu).peak_bytes) / 0x1p20;
}

void training_step(benchmark::State& state) {
  const std::int64_t size = state.range(0);
  const std::int64_t batch = state.range(1);
  const UNet3d net(unet_preset("seed"), DType::f32, 1);
  Adam adam(net.parameters(), {});
  const Tensor image = noise({batch, 4, size, size, size});
  const Tensor labels = some_labels({batch, size, size, size});
  std::uint32_t step = 0;
  reset_peak(Device::cpu);
  for (auto _ : state) {
    const Tensor logits = net.forward(image, {.mode = UNetMode::training, .seed = 1, .step = step++});
    const Tensor loss = segmentation_loss(logits, labels, {});
    backward(loss);
    adam.step(1e-3);
  }
  report_peak(state);
}

void inference(benchmark::State& state) {
  const std::int64_t size = state.range(0);
  const UNet3d net(unet_preset("seed"), DType::f32, 1);
  const Tensor image = noise({state.range(1), 4, size, size, size});
  const NoGradScope no_grad;
  reset_peak(Device::cpu);
  for (auto _ : state) { benchmark::DoNotOptimize(softmax(net.forward(image, {}))); }
  report_peak(state);
}

// size, batch
BENCHMARK(training_step)->Args({64, 1})->Args({64, 2})->Args({128, 1})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(inference)->Args({64, 2})->Args({128, 1})->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace vox
