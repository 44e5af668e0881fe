#include "tests/engine/op_case.h"

#include <fmt/core.h>

#include <cmath>
#include <random>

#include "engine/dispatch.h"
#include "kernels/base/philox.h"

namespace vox::test {
namespace {

std::vector<OpCase>& case_list() {
  static std::vector<OpCase> list;
  return list;
}

std::vector<Refusal>& refusal_list() {
  static std::vector<Refusal> list;
  return list;
}

Tensor stored(const Values& values, const Shape& shape, DType dtype, Layout layout) {
  if (dtype == DType::u8) {
    const std::vector<std::uint8_t> v(values.begin(), values.end());
    return Tensor::of<std::uint8_t>(shape, v);
  }
  Tensor t;
  dispatch_type(dtype, [&]<class T>(TypeTag<T>) {
    std::vector<T> v;
    v.reserve(values.size());
    for (const double x : values) { v.push_back(store<T>(static_cast<Acc<T>>(x))); }
    t = layout == Layout::blocked ? Tensor::volume_of<T>(shape, v) : Tensor::of<T>(shape, v);
  });
  return t;
}

}  // namespace

Register::Register(std::vector<OpCase> cases, std::vector<Refusal> refusals) {
  std::ranges::move(cases, std::back_inserter(case_list()));
  std::ranges::move(refusals, std::back_inserter(refusal_list()));
}

const std::vector<OpCase>& op_cases() { return case_list(); }
const std::vector<Refusal>& refusals() { return refusal_list(); }

Values make_values(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);  // raw output only: the standard distributions differ between libraries
  Values v(static_cast<std::size_t>(count));
  for (double& x : v) { x = (static_cast<double>(random() % 129U) - 64.0) / 32.0; }  // 8 bits: exact in bf16
  return v;
}

Values make_full_mantissa(std::int64_t count, unsigned seed, bool magnitudes) {
  Values v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = static_cast<double>(static_cast<float>(2 * unit(random4({.seed = seed}, i).v[0]) - 1));
    if (magnitudes) { v[i] = std::abs(v[i]); }
  }
  return v;
}

Values make_nonzero(std::int64_t count, unsigned seed) {
  Values v = make_values(count, seed);
  for (double& x : v) { x = x == 0 ? 0.5 : x; }
  return v;
}

Values make_probabilities(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  Values v(static_cast<std::size_t>(count));
  for (double& x : v) { x = (8.0 + static_cast<double>(random() % 49U)) / 64.0; }
  return v;
}

Values make_distinct(std::int64_t count, unsigned seed) {
  Values v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = (static_cast<double>((i * 101U + seed) % 256U) - 128.0) / 32.0;  // 101 is odd: 256 steps meet 256 values
  }
  return v;
}

Values make_norm_offsets(std::int64_t count, unsigned) {
  Values v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) { v[i] = i % 3 == 1 ? -8 : 8; }
  return v;
}

Values make_norm_scales(std::int64_t count, unsigned seed) {
  Values v = make_values(count, seed);
  for (double& x : v) { x = std::abs(x) * 0.25 + 0.5; }
  return v;
}

Values make_labels(std::int64_t count, std::int64_t classes, unsigned seed) {
  std::mt19937 random(seed);
  Values v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) {
    const auto c = static_cast<std::uint64_t>(classes);
    v[i] = static_cast<double>(i < c ? i : random() % c);
  }
  return v;
}

std::vector<Values> make_inputs(const OpCase& c) {
  std::vector<Values> inputs;
  for (const Input& in : c.inputs) {
    const auto seed = static_cast<unsigned>(inputs.size());
    inputs.push_back(in.make ? in.make(in.shape.count(), seed) : make_values(in.shape.count(), seed));
  }
  return inputs;
}

Tensor to_tensor(const Values& values, const Shape& shape, Kind kind, DType dtype) {
  switch (kind) {
    case Kind::volume:
      return stored(values, shape, dtype, Layout::blocked);
    case Kind::plain:
      return stored(values, shape, dtype, Layout::plain);
    case Kind::parameter:
      return stored(values, shape, accumulator(dtype), Layout::plain);
    case Kind::labels:
      return stored(values, shape, DType::u8, Layout::plain);
  }
  return {};
}

Tensor cases_of(const Tensor& batch, std::int64_t first, std::int64_t count, Kind kind, DType dtype) {
  const Values values = batch.to_doubles();
  const Shape& s = batch.shape();
  const std::int64_t one = s.count() / s[0];
  const Shape shape = kind == Kind::labels ? Shape{count, s[1], s[2], s[3]} : Shape{count, s[1], s[2], s[3], s[4]};
  return to_tensor({values.begin() + first * one, values.begin() + (first + count) * one}, shape, kind, dtype);
}

Tensor to_tensor_like(const Values& values, const Tensor& like) {
  return stored(values, like.shape(), like.dtype(), like.layout()).to(like.device());
}

std::vector<Tensor> to_tensors(const OpCase& c, const std::vector<Values>& values, DType dtype, Device device) {
  std::vector<Tensor> tensors;
  for (std::size_t k = 0; k < values.size(); ++k) {
    tensors.push_back(to_tensor(values[k], c.inputs[k].shape, c.inputs[k].kind, dtype).to(device));
  }
  return tensors;
}

std::string nonzero_padding(const Tensor& there) {
  if (there.layout() != Layout::blocked) { return {}; }
  const Tensor t = there.to(Device::cpu);
  const VolumeShape s = t.shape().volume();
  std::string found;
  dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) {
    const auto values = t.values<T>();
    for (std::int64_t n = 0; n < s.n; ++n) {
      for (std::int64_t v = 0; v < s.voxels(); ++v) {
        for (std::int64_t c = s.channels_in(s.blocks() - 1); c < kBlock8; ++c) {
          const auto x =
              static_cast<double>(load(values[static_cast<std::size_t>(s.offset(n, s.blocks() - 1, v) + c)]));
          if (!(x == 0) && found.empty()) {
            found = fmt::format("padding channel {} of case {} voxel {} holds {}", c, n, v, x);
          }
        }
      }
    }
  });
  return found;
}

}  // namespace vox::test
