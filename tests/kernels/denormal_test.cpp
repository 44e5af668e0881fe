#include "kernels/base/denormals.h"

#include <cfenv>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "engine/context.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/adam.h"
#include "kernels/base/parallel.h"
#include "kernels/simt/options.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/devices.h"

// What docs/design.md decides about numbers too small for all bits of a mantissa.

namespace vox::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double smallest_normal(DType dtype) { return dtype == DType::f64 ? 0x1p-1022 : 0x1p-126; }

/// Among a denormal number of either sign all that must stay as it is.
Values around_denormal(DType dtype) {
  const double least = smallest_normal(dtype);
  return {least / 16, -least / 16, least, -least, 1, 0, kInf, -kInf, kNan};
}
Values times(double factor, const Values& v, DType dtype, Device device) {
  return scale(to_tensor(v, {std::ssize(v)}, Kind::plain, dtype).to(device), factor).to_doubles();
}
bool same(const Values& a, const Values& b) {
  return std::ranges::equal(a, b, [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

/// By turns of normal size, denormal in f32, and so small that products are denormal.
Values small_values(std::int64_t count, unsigned seed) {
  constexpr double kFactors[] = {1, 0x1p-130, 0x1p-70};
  Values v = make_nonzero(count, seed);
  for (std::size_t i = 0; i < v.size(); ++i) { v[i] *= kFactors[i % 3]; }
  return v;
}
Tensor small_volume(const Shape& s, unsigned seed) {
  return to_tensor(small_values(s.count(), seed), s, Kind::volume, DType::f32);
}
Tensor small_parameter(const Shape& s, unsigned seed) {
  return to_tensor(small_values(s.count(), seed), s, Kind::parameter, DType::f32);
}

/// The result of f, and the gradients of all its inputs for a small gradient that arrives.
template <class F> std::vector<Values> all_of(std::vector<Tensor> inputs, const F& f) {
  for (Tensor& t : inputs) { t.requires_grad(); }
  const Tensor y = f(inputs);
  backward(y, to_tensor_like(small_values(y.shape().count(), 99), y));
  std::vector<Values> values{y.to_doubles()};
  for (const Tensor& t : inputs) { values.push_back(t.grad().to_doubles()); }
  return values;
}

/// Every kind of kernel: convolutions, sums over everything, element-wise, and the optimiser.
std::vector<std::vector<Values>> everything() {
  const Shape shape{2, 16, 9, 10, 12};
  std::vector<std::vector<Values>> results;
  const CpuQueue before = cpu_queue();
  for (const ConvChoice choice : {ConvChoice::direct, ConvChoice::winograd, ConvChoice::amx}) {
    cpu_queue().conv = choice;  // where there is no AMX, that is the direct algorithm again
    results.push_back(all_of({small_volume(shape, 1), small_parameter({16, 16, 3, 3, 3}, 2)},
                             [](const auto& in) { return conv3d(in[0], in[1], {}); }));
  }
  cpu_queue().conv = before.conv;
  results.push_back(all_of({small_volume(shape, 1), small_parameter({4, 16, 1, 1, 1}, 2)},
                           [](const auto& in) { return conv3d(in[0], in[1], {}); }));
  results.push_back(all_of({small_volume(shape, 1), small_parameter({16, 8, 2, 2, 2}, 2)},
                           [](const auto& in) { return conv_transpose3d(in[0], in[1], {}); }));
  results.push_back(
      all_of({small_volume(shape, 1), small_parameter({16}, 2), small_parameter({16}, 3)}, [](const auto& in) {
        return batch_norm(in[0], in[1], in[2], Tensor::zeros({16}, DType::f32), Tensor::zeros({16}, DType::f32));
      }));
  const auto unary = [&](const auto& f) {
    results.push_back(all_of({small_volume({2, 4, 21, 30, 40}, 1)}, [&](const auto& in) { return f(in[0]); }));
  };
  unary([](const Tensor& x) { return softmax(x); });
  unary([](const Tensor& x) { return scale(x, 0x1p-60); });
  unary([](const Tensor& x) { return relu(x); });
  unary([](const Tensor& x) { return max_pool3d(x); });
  unary([](const Tensor& x) { return dropout(x, {.p = 0.5, .key = {.seed = 3}}); });
  unary([](const Tensor& x) { return sum(x); });

  constexpr std::int64_t kCount = 100'003;
  const auto floats = [](unsigned seed) {
    const Values v = small_values(kCount, seed);
    return std::vector<float>(v.begin(), v.end());
  };
  std::vector<float> p = floats(1);
  const std::vector<float> grad = floats(2);
  std::vector<float> m = floats(3);
  std::vector<float> v = floats(4);
  for (float& x : v) { x = std::abs(x); }
  const std::vector<AdamTensor<float>> tensors{{p, grad, m, v}};
  const std::vector<double> squares{1};
  adam_step(cpu_queue(), AdamArgs<float>{.tensors = tensors,
                                         .squares = squares,
                                         .clip_norm = 0,
                                         .lr = 1e-3,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .eps = 1e-8,
                                         .weight_decay = 0,
                                         .beta1_correction = 0.1,
                                         .beta2_correction = 0.001,
                                         .epsilon = AdamEpsilon::torch});
  results.push_back({Values(p.begin(), p.end()), Values(m.begin(), m.end()), Values(v.begin(), v.end())});
  return results;
}

/// Restores what a test changes of this thread and of the queue.
struct Restore {
  CpuQueue queue = cpu_queue();
  simt::Options simt = simt::options();
  FloatMode mode = float_mode();
  Restore() = default;
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  Restore(Restore&&) = delete;
  Restore& operator=(Restore&&) = delete;
  ~Restore() {
    cpu_queue() = queue;
    simt::options() = simt;
    set_float_mode(mode);
  }
};

}  // namespace

TEST_CASE("kernels of the CPU take denormal numbers for zero and give none", "[denormal]") {
  const Restore restore;
  for (const Isa isa : runnable_isas()) {
    if (isa == Isa::amx) { continue; }  // knows none anyway
    cpu_queue().isa = isa;
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
      INFO(name(isa) << " " << name(dtype));
      const Values x = around_denormal(dtype);
      Values wants = x;
      if (flushes_denormals()) { wants[0] = wants[1] = 0; }
      CHECK(same(times(1, x, dtype, Device::cpu), wants));
      const double least = smallest_normal(dtype);
      const double kept = flushes_denormals() ? 0 : least;
      CHECK(times(0.25, {least, 8 * least}, dtype, Device::cpu) == Values{kept / 4, 2 * least});  // a result
      CHECK(times(16, {least / 16, least}, dtype, Device::cpu) == Values{kept, 16 * least});      // an operand
    }
  }
}

TEST_CASE("kernels of a GPU, and of the simt device, keep denormal numbers", "[denormal][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const Restore restore;
  for (const int threads : {1, 4}) {
    simt::options().os_threads = threads;
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
      INFO(threads << " threads, " << name(dtype));
      Values x = around_denormal(dtype);
      while (x.size() < 100'000) { x.insert(x.end(), x.begin(), x.begin() + 9); }
      static_cast<void>(times(1, x, dtype, Device::cpu));  // workers that flushed for another
      CHECK(same(times(1, x, dtype, device), x));
    }
  }
}

TEST_CASE("results from denormal numbers have the same bits for any number of threads", "[denormal][determinism]") {
  const Restore restore;
  parallel_for(4, 4, [](std::int64_t) {});  // a thread begins in the mode of the one that makes it: of no kernel
  cpu_queue().threads = 1;
  const auto one = everything();
  for (const int threads : {3, 4}) {
    cpu_queue().threads = threads;
    const auto more = everything();
    REQUIRE(more.size() == one.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      INFO(threads << " threads, result " << i);
      CHECK((more[i] == one[i]));  // without printing them
    }
  }
}

TEST_CASE("a caller computes as before behind a kernel, also behind one that throws", "[denormal]") {
  const Restore restore;
  const auto check_calls = [] {
    const FloatMode before = float_mode();
    for (const int threads : {1, 4}) {
      cpu_queue().threads = threads;
      static_cast<void>(times(0.5, Values(100'000, 1.0), DType::f32, Device::cpu));
      CHECK(float_mode() == before);
      const auto fails = [](auto& q) {
        parallel_for(q, 8, [](std::int64_t i) {
          if (i == 5) { throw std::runtime_error("in a kernel"); }
        });
      };
      CHECK_THROWS_WITH(on_isa<float>(cpu_queue(), fails), "in a kernel");
      CHECK(float_mode() == before);
    }
  };
  check_calls();
  volatile double denormal = 0x1p-1060;
  CHECK(denormal * 1.0 > 0);  // also for this thread's own arithmetic
  std::fesetround(FE_DOWNWARD);
  check_calls();
  CHECK(std::fegetround() == FE_DOWNWARD);
  std::fesetround(FE_TONEAREST);
  const FlushDenormals of_the_caller;
  check_calls();
}

}  // namespace vox::test
