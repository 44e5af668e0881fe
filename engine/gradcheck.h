#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace vox {

struct GradcheckOptions {
  double step = 0x1p-10;        ///< of the differences; inputs nearer to a kink of the function than twice this fail
  double relative = 1e-6;       ///< allowed error, as a part of the input's largest gradient
  double absolute = 1e-9;       ///< allowed error beside that, for gradients that are 0
  std::uint64_t seed = 0;       ///< of the gradient that arrives
  Device device = Device::cpu;  ///< where the function gets its inputs; they are given on the CPU
};

/// What was found for one input: its worst element, and whether that is close enough. The first one whose gradient or
/// difference quotient is infinite or NaN is worse than all others.
struct GradcheckInput {
  std::size_t input = 0;  ///< which
  Shape shape;
  std::int64_t index = 0;  ///< of the worst element, in C order without padding
  double analytic = 0;     ///< the tape's gradient there
  double numeric = 0;      ///< the difference quotient there
  double allowed = 0;      ///< largest |analytic - numeric| that passes, from the finite difference quotients alone
  bool missing = false;    ///< the tape gave this input no gradient at all

  [[nodiscard]] double error() const;
  [[nodiscard]] bool finite() const;  ///< both numbers are
  [[nodiscard]] bool ok() const { return finite() && error() <= allowed; }
};

struct GradcheckResult {
  std::vector<GradcheckInput> inputs;  ///< one for each that requires a gradient

  [[nodiscard]] bool ok() const;
  /// One line per input that fails, naming its worst element: "input 1 [5,3,3,3,3] element [0,2,1,1,0]: …"; empty when
  /// ok().
  [[nodiscard]] std::string message() const;
};

using GradcheckFunction = std::function<Tensor(const std::vector<Tensor>&)>;

/// Compares the tape's gradient of sum(dy * function(inputs)) with central differences, in f64 and for a dy that is
/// different at every element. Differences at step and 2*step are combined (L. Richardson, 1911), which leaves an error
/// of order step^4.
///
/// Where the function is infinite, NaN or too large for a difference, at an input or within two steps of it, the check
/// fails: nothing was compared there. Checks the inputs that require a gradient (they must be f64; volumes may be
/// blocked); the others, such as labels or running statistics, are passed through. The function gets copies, so it may
/// change its inputs, but it must give the same result each time: a random mask needs a fixed key. For use in unit
/// tests:
///
///   const auto x = Tensor::volume_of<double>({1, 3, 4, 4, 4}, values).requires_grad();
///   const GradcheckResult r = gradcheck([](const auto& in) { return my_loss(in[0]); }, {x});
///   CHECK(r.message() == "");
[[nodiscard]] GradcheckResult gradcheck(const GradcheckFunction& function, const std::vector<Tensor>& inputs,
                                        const GradcheckOptions& options = {});

}  // namespace vox
