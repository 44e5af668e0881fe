#pragma once

#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

/// A parameter with what a step reads and moves; all of one size. The list of them is host memory, the values are the
/// device's.
template <class T> struct SgdTensor {
  std::span<T> parameter;
  std::span<const T> grad;
  std::span<T> momentum;
};

/// What moves a parameter: its momentum, or by Nesterov's rule the gradient and the momentum that the next step will
/// have.
enum class Nesterov : unsigned char { off, on };

/// One step of stochastic gradient descent on all tensors, as PyTorch's torch.optim.SGD makes it with dampening 0 (I.
/// Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and momentum in deep learning", ICML
/// 2013; the decay is L2, part of the gradient):
///   norm = sqrt(sum of squares);  g = grad * gradient_factor(norm, clip_norm) + weight_decay * p
///   m = momentum * m + g
///   p -= lr * (nesterov ? g + momentum * m : m)
/// A first momentum of 0 gives PyTorch's first step, m = g. Where norm is not finite, nothing changes.
template <class T> struct SgdArgs {
  std::span<const SgdTensor<T>> tensors;
  std::span<const double> squares;  ///< [tensors], what gradient_squares() gave
  double clip_norm;                 ///< 0: gradients are taken as they are
  double lr;
  double momentum;
  double weight_decay;
  Nesterov nesterov;
  /// On a GPU: where lr lies when the kernel runs (kernels/step_values.h), which is then not read; or null.
  const double* lr_there = nullptr;
};

VOX_KERNEL(sgd_step, SgdArgs);

}  // namespace vox
