#include <benchmark/benchmark.h>

#include <chrono>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "engine/tape.h"

// Every operator but the convolutions on activations of a 64^3 training step. These move data and hardly compute, so
// the figure is GB/s of the least traffic a pass can do, beside a plain copy.
namespace {

using vox::Tensor;

const vox::Shape kVolume{2, 16, 64, 64, 64};

/// How one operator is called, and how many volume-sized reads and writes each of its passes makes.
struct Timed {
  std::string name;
  std::vector<Tensor> inputs;  ///< [0] wants a gradient
  std::function<Tensor(const std::vector<Tensor>&)> apply;
  double forward_volumes;
  double backward_volumes;
};

Tensor random_volume(const vox::Shape& shape, double lowest, double highest) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto bits = vox::random4({.seed = 1, .step = 0, .place = 0}, i).v[0];
    values[i] = static_cast<float>(lowest + (highest - lowest) * vox::unit(bits));
  }
  return Tensor::volume_of<float>(shape, values);
}

Tensor random_labels(const vox::Shape& shape) {
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = static_cast<std::uint8_t>(vox::random4({.seed = 2, .step = 0, .place = 0}, i).v[0] % 16U);
  }
  return Tensor::of<std::uint8_t>(shape, labels);
}

Tensor constant(std::int64_t count, float value) {
  return Tensor::of<float>({count}, std::vector<float>(static_cast<std::size_t>(count), value));
}

std::vector<Timed> timed_ops() {
  const Tensor x = random_volume(kVolume, -1, 1);
  const Tensor other = random_volume(kVolume, -1, 1);
  const Tensor skip = random_volume({2, 12, 64, 64, 64}, -1, 1);
  const Tensor p = random_volume(kVolume, 0.01, 0.12);
  const Tensor labels = random_labels({2, 64, 64, 64});
  const std::vector<Tensor> norm{x, constant(16, 1), constant(16, 0), constant(16, 0), constant(16, 1)};
  const vox::DropoutOptions drop{.p = 0.1, .key = {.seed = 7, .step = 1, .place = 2}};
  return {
      {"add", {x, other}, [](const auto& in) { return add(in[0], in[1]); }, 3, 0},
      {"mul", {x, other}, [](const auto& in) { return mul(in[0], in[1]); }, 3, 3},
      {"scale", {x}, [](const auto& in) { return scale(in[0], 2); }, 2, 2},
      {"sum", {x}, [](const auto& in) { return sum(in[0]); }, 1, 1},
      {"cast_bf16", {x}, [](const auto& in) { return cast(in[0], vox::DType::bf16); }, 1.5, 1.5},
      {"relu", {x}, [](const auto& in) { return relu(in[0]); }, 2, 3},
      {"leaky_relu", {x}, [](const auto& in) { return leaky_relu(in[0]); }, 2, 3},
      {"dropout", {x}, [drop](const auto& in) { return dropout(in[0], drop); }, 2, 2},
      {"concat", {x, other}, [](const auto& in) { return concat(in[0], in[1]); }, 4, 2},
      {"concat_ragged", {skip, other}, [](const auto& in) { return concat(in[0], in[1]); }, 4, 2},
      {"max_pool3d", {x}, [](const auto& in) { return max_pool3d(in[0]); }, 1.125, 2.125},
      {"batch_norm", norm, [](const auto& in) { return batch_norm(in[0], in[1], in[2], in[3], in[4]); }, 3, 5},
      {"softmax", {x}, [](const auto& in) { return softmax(in[0]); }, 2, 3},
      {"dice_loss", {p, labels}, [](const auto& in) { return dice_loss(in[0], in[1]); }, 1, 1},
      {"focal_loss", {p, labels}, [](const auto& in) { return focal_loss(in[0], in[1]); }, 1, 2},
      {"cross_entropy", {x, labels}, [](const auto& in) { return cross_entropy(in[0], in[1]); }, 1, 2},
      {"dice_focal_loss", {x, labels}, [](const auto& in) { return dice_focal_loss(in[0], in[1]); }, 1, 2},
  };
}

void set_rate(benchmark::State& state, double volumes) {
  const double bytes = volumes * static_cast<double>(kVolume.count() * 4);
  state.counters["GB/s"] =
      benchmark::Counter(bytes / 1e9, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void forward(benchmark::State& state, const Timed& op) {
  const vox::NoGradScope no_grad;
  benchmark::DoNotOptimize(op.apply(op.inputs));  // fresh pages cost more than any operator
  for (auto _ : state) {
    state.SetIterationTime(seconds([&] { benchmark::DoNotOptimize(op.apply(op.inputs)); }));
  }
  set_rate(state, op.forward_volumes);
}

void backward(benchmark::State& state, const Timed& op) {
  std::vector<Tensor> inputs = op.inputs;
  inputs[0] = inputs[0].detached().requires_grad();
  const Tensor dy = [&] {
    const vox::NoGradScope no_grad;
    return op.apply(inputs);  // any values of the right shape
  }();
  for (auto _ : state) {
    const Tensor y = op.apply(inputs);
    state.SetIterationTime(seconds([&] { vox::backward(y, dy); }));
    inputs[0].clear_grad();
  }
  set_rate(state, op.backward_volumes);
}

void register_all() {
  for (const Timed& op : timed_ops()) {
    benchmark::RegisterBenchmark((op.name + "/forward").c_str(), forward, op)
        ->UseManualTime()
        ->MeasureProcessCPUTime()
        ->Unit(benchmark::kMillisecond);
    if (op.backward_volumes > 0) {
      benchmark::RegisterBenchmark((op.name + "/backward").c_str(), backward, op)
          ->UseManualTime()
          ->MeasureProcessCPUTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

const bool kRegistered = (register_all(), true);

}  // namespace
