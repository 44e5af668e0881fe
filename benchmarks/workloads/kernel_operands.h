#pragma once

#include <functional>
#include <string>
#include <vector>

#include "benchmarks/workloads/kernel_case.h"
#include "engine/samples/sample.h"
#include "kernels/conv3d.h"

namespace vox::bench {

/// What an operator is called with: the inputs of its first sample at the size that is wanted, undefined where left
/// out.
struct Operands {
  const samples::Sample& sample;
  std::vector<Tensor> inputs;
};
/// Throws Error where the shape is none for the operator, MemoryError where operands and result do not fit: before
/// anything is made, as sizes may be beyond what integers hold.
[[nodiscard]] Operands operands_of(const KernelSpec&, Device);

/// The least that a line of the table holds at once: operands, result and, of a backward pass, the gradients.
[[nodiscard]] double least_bytes(const KernelSpec&, Device);
/// Throws MemoryError where a device has less than that. what: who takes it.
void want_memory(const std::string& what, double bytes, Device);

/// The convolution that a specification names. Throws Error where the shape is none for it.
[[nodiscard]] Conv3dGeometry geometry_of(const KernelSpec&);
/// What its pass does with that geometry, of which a transposed convolution is the adjoint.
[[nodiscard]] Conv3dPass conv_pass_of(const KernelSpec&);

// Values from a seed. A GPU draws its own. Two operands of a sum of products want different seeds.
[[nodiscard]] Tensor random_volume(const Shape&, DType, Device, std::uint32_t seed);  ///< in [-1,1)
[[nodiscard]] Tensor random_plain(const Shape&, DType, Device, std::uint32_t seed);   ///< in [-1,1), on cuda or simt
[[nodiscard]] Tensor random_vector(const Shape&, DType, Device, std::uint32_t seed);  ///< plain, in [0.5,1.5)
[[nodiscard]] Tensor random_like(const Tensor&, std::uint32_t seed);

}  // namespace vox::bench
