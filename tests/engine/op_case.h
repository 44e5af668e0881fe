#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/ops.h"

namespace vox::test {

using Values = std::vector<double>;

/// How an input of an operator is stored when the case is run in a dtype T.
enum class Kind : std::uint8_t {
  volume,     ///< blocked, T
  plain,      ///< plain, T
  parameter,  ///< plain, accumulator type of T
  labels,     ///< plain, u8
};

struct Input {
  Shape shape;
  Kind kind = Kind::volume;
  bool differentiable = true;
  /// Values in C order; empty: multiples of 1/32 in [-2,2], exact in every dtype. What it gives must be exact in bf16.
  std::function<Values(std::int64_t count, unsigned seed)> make = nullptr;
};

/// One operator at one shape, with its formula, which op_harness.cpp checks. What gradcheck and the bench call is in
/// engine/samples.
struct OpCase {
  Op op;
  std::string label;  ///< "conv3d 2x3x4x5x6": what a failure prints
  std::vector<Input> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> apply;
  /// Plain loops in double on values in C order, written from the formula and never from the kernel.
  std::function<Values(const std::vector<Values>&)> reference;
  std::int64_t terms = 1;       ///< how many products one output adds up: sets the tolerance
  std::int64_t grad_terms = 0;  ///< the same for the gradients; 0: the number of outputs
  double conditioning = 1;      ///< how much larger than the result its intermediate values get: widens the tolerance
};

/// A call that must throw vox::Error, and what the message must say.
struct Refusal {
  std::string label;
  std::function<void()> call;
  std::string message;
};

struct Register {
  explicit Register(std::vector<OpCase> cases, std::vector<Refusal> refusals = {});
};

[[nodiscard]] const std::vector<OpCase>& op_cases();
[[nodiscard]] const std::vector<Refusal>& refusals();

[[nodiscard]] std::vector<Values> make_inputs(const OpCase&);  ///< the same on every machine
[[nodiscard]] Values make_values(std::int64_t count, unsigned seed);
/// Numbers with 24 bits of mantissa in [-1,1), or their magnitudes.
[[nodiscard]] Values make_full_mantissa(std::int64_t count, unsigned seed, bool magnitudes);
[[nodiscard]] Values make_nonzero(std::int64_t count, unsigned seed);        ///< make_values() without 0
[[nodiscard]] Values make_probabilities(std::int64_t count, unsigned seed);  ///< multiples of 1/64 in [1/8,7/8]
/// No two of 256 neighbours are equal: for ops that compare. Multiples of 1/32 in [-4,4).
[[nodiscard]] Values make_distinct(std::int64_t count, unsigned seed);
/// Offsets behind a norm that lift every value well above the kink of a ReLU, or for every third push it below: in
/// volumes this small the values themselves stay within 8 deviations of their mean.
[[nodiscard]] Values make_norm_offsets(std::int64_t count, unsigned);
[[nodiscard]] Values make_norm_scales(std::int64_t count, unsigned seed);  ///< in [1/2,1]
/// count labels in [0,classes), all classes present where count allows.
[[nodiscard]] Values make_labels(std::int64_t count, std::int64_t classes, unsigned seed);
[[nodiscard]] Tensor to_tensor(const Values&, const Shape&, Kind, DType);
/// Cases [first, first + count) of a batch.
[[nodiscard]] Tensor cases_of(const Tensor& batch, std::int64_t first, std::int64_t count, Kind, DType);
[[nodiscard]] Tensor to_tensor_like(const Values&, const Tensor& like);
[[nodiscard]] std::vector<Tensor> to_tensors(const OpCase&, const std::vector<Values>&, DType, Device = Device::cpu);
/// Empty when the padding channels of a blocked tensor all hold zero.
[[nodiscard]] std::string nonzero_padding(const Tensor&);

}  // namespace vox::test
