#pragma once

#include "engine/ops.h"

namespace vox {

/// Checks every operator makes of its inputs. The message is "op: operand is GOT, wants WANT".
void check_volume(Op, const char* operand, const Tensor&);  ///< a blocked [N,C,D,H,W] in a float type
void check_alike(Op, const char* operand_a, const Tensor& a, const char* operand_b, const Tensor& b);
/// Two volumes of one batch, dtype and device, whose channels alone may differ in number.
void check_concat(Op, const Tensor& a, const Tensor& b);
/// A plain tensor of this shape in the accumulator type of x, on x's device.
void check_parameter(Op, const char* operand, const Tensor& parameter, const Shape& wants, const Tensor& x);
/// u8 class indices [N,D,H,W] for a volume batch x, on x's device.
void check_labels(Op, const Tensor& labels, const Tensor& x);
/// A p in [0,1), and a step that lies elsewhere only where kernels read it there.
void check_dropout(Op, const DropoutOptions&, const Tensor& x);

}  // namespace vox
