#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/tensor.h"
#include "kernels/base/philox.h"

namespace vox {

// The catalogue. Adding an operator edits this file and no other: a name in VOX_OPS and a declaration.
//
// Volumes are [N,C,D,H,W], blocked, in f32, f64 or bf16. Parameters, statistics and losses are plain and in the
// accumulator type of their volumes: f64 for f64, f32 for f32 and bf16. Labels are u8 class indices [N,D,H,W].

// clang-format off
#define VOX_OPS(X)                                                                                          \
  X(add) X(mul) X(scale) X(sum) X(mean) X(cast)                                                             \
  X(relu) X(leaky_relu) X(dropout) X(concat) X(max_pool3d)                                                  \
  X(conv3d) X(conv3d_concat) X(conv_transpose3d) X(batch_norm) X(batch_norm_relu) X(conv3d_batch_norm_relu) \
  X(instance_norm) X(conv3d_instance_norm_relu) X(softmax)                                                 \
  X(dice_loss) X(focal_loss) X(cross_entropy) X(dice_focal_loss)                                             \
  X(dice_bce_loss)
// clang-format on

#define VOX_ENUMERATOR(op) op,
enum class Op : std::uint16_t {
  VOX_OPS(VOX_ENUMERATOR) count_  ///< own_op() counts on from here
};
#undef VOX_ENUMERATOR

#define VOX_NAME(op) #op,
inline constexpr std::array<std::string_view, static_cast<std::size_t>(Op::count_)> kOpNames = {VOX_OPS(VOX_NAME)};
#undef VOX_NAME

/// An operator that a program has beside the catalogue, for record() (engine/tape.h): errors and profiles show this
/// name. The same name is the same operator, on every thread. Throws Error for a name of the catalogue, and for none.
[[nodiscard]] Op own_op(std::string_view name);
[[nodiscard]] std::string_view own_op_name(Op);

[[nodiscard]] constexpr std::string_view name(Op op) {
  return op < Op::count_ ? kOpNames[static_cast<std::size_t>(op)] : own_op_name(op);
}

// --- element-wise, any shape and layout -----------------------------------------------------------------------------

/// y = a + b.   a, b, y: same shape, dtype, layout
[[nodiscard]] Tensor add(const Tensor& a, const Tensor& b);
/// y = a * b, element by element.   a, b, y: same shape, dtype, layout
[[nodiscard]] Tensor mul(const Tensor& a, const Tensor& b);
/// y = factor * x
[[nodiscard]] Tensor scale(const Tensor& x, double factor);
/// The same values in another float dtype, rounded to nearest, ties to even; the gradient is cast back.
[[nodiscard]] Tensor cast(const Tensor& x, DType to);
/// y = max(x, 0), NaN for NaN. The derivative at 0 is 0.
[[nodiscard]] Tensor relu(const Tensor& x);
/// y = x where x > 0, negative_slope * x elsewhere. negative_slope >= 0, so that y alone tells which side x was on; it
/// is also the derivative at 0.
[[nodiscard]] Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);

// --- reductions -----------------------------------------------------------------------------------------------------

/// The sum of all logical values.   y: [1], accumulator type; chunks of 8192 in that type, their sums in double
[[nodiscard]] Tensor sum(const Tensor& x);
/// The mean of all logical values, of which there must be one.  y: [1], accumulator type
[[nodiscard]] Tensor mean(const Tensor& x);

// --- volumes --------------------------------------------------------------------------------------------------------

struct DropoutOptions {
  double p = 0.5;      ///< probability that an element becomes 0, in [0,1)
  RandomKey key = {};  ///< the mask is a function of the key and the element's place in memory, never stored
  /// Not on the CPU: where the key's step lies when the kernels run (kernels/step_values.h), or null: it is the key's.
  const std::uint32_t* step_there = nullptr;
};
/// Element-wise inverted dropout: y = 0 with probability p, x / (1-p) otherwise. Element e is dropped where number e of
/// the key's stream (kernels/base/philox.h) is below p * 2^32. A dropped element is 0 even if it was NaN; p = 0 is the
/// identity and shares x's values.
[[nodiscard]] Tensor dropout(const Tensor& x, const DropoutOptions& options);

/// y = [a, b] along C.   a: [N,Ca,D,H,W]   b: [N,Cb,D,H,W]   y: [N,Ca+Cb,D,H,W]. Fastest where Ca is a multiple of 8.
[[nodiscard]] Tensor concat(const Tensor& a, const Tensor& b);

/// Largest of each 2x2x2 cell, stride 2, an odd last plane is left out; NaN is larger than any number. The gradient of
/// a tie goes to the first in scan order (D, H, W).   x: [N,C,D,H,W], D, H, W >= 2   y: [N,C,D/2,H/2,W/2]
[[nodiscard]] Tensor max_pool3d(const Tensor& x);

struct Conv3dOptions {
  std::int64_t stride = 1;    ///< same on all three axes, 1 or 2
  std::int64_t padding = -1;  ///< zeros on each side; -1: kernel / 2, which keeps the extents at stride 1
};
/// Cross-correlation, PyTorch's Conv3d: y[n,o,p] = bias[o] + sum over i,k of x[n,i,p*stride-padding+k] * weight[o,i,k].
/// x: [N,I,D,H,W]   weight: [O,I,K,K,K], K odd   bias: [O] or undefined
[[nodiscard]] Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv3dOptions& = {});
/// conv3d(concat(a, b), weight, bias), of which the concatenated x is stored nowhere where Ca is a multiple of 8.
/// a: [N,Ca,D,H,W]   b: [N,Cb,D,H,W]   weight: [O,Ca+Cb,K,K,K], K odd   bias: [O] or undefined
[[nodiscard]] Tensor conv3d_concat(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias,
                                   const Conv3dOptions& = {});

struct ConvTranspose3dOptions {
  std::int64_t stride = 2;
  std::int64_t padding = 0;
  std::int64_t output_padding = 0;
};
/// PyTorch's ConvTranspose3d: y[n,o,p*stride-padding+k] += x[n,i,p] * weight[i,o,k], plus bias[o].
/// x: [N,I,D,H,W]   weight: [I,O,K,K,K]   bias: [O] or undefined   y extent: (in-1)*stride - 2*padding + K +
/// output_padding
[[nodiscard]] Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                      const ConvTranspose3dOptions& = {});

enum class BatchNormMode : std::uint8_t { training, inference };
struct BatchNormOptions {
  BatchNormMode mode = BatchNormMode::training;
  double eps = 1e-5;
  double momentum = 0.1;  ///< running = (1-momentum) * running + momentum * batch, PyTorch's convention
};
/// y = gamma * (x - mean) / sqrt(var + eps) + beta per channel. In training mean and var (biased) are the batch's and
/// the running statistics are updated in place, with the unbiased var, which wants more than one value per channel; in
/// inference they are the running ones. gamma, beta, running_mean, running_var: [C], accumulator type. Where var is
/// beyond its type (values of f32 from 1.8e19 on) y is NaN.
/// S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015.
[[nodiscard]] Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor running_mean,
                                Tensor running_var, const BatchNormOptions& = {});

/// dropout(relu(batch_norm(x, …)), dropout) in one pass over x, and no other operator's values are kept for the
/// gradient than x: both masks are worked out again. Without dropout where its p is 0, as here.
[[nodiscard]] Tensor batch_norm_relu(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor running_mean,
                                     Tensor running_var, const BatchNormOptions& = {},
                                     const DropoutOptions& dropout = {.p = 0});

/// A layer of the network: batch_norm_relu(conv3d(concat(a, b), weight), …), or of a alone where b is undefined. The
/// convolution makes the statistics while its results are in cache. For the gradient it keeps the convolution's result,
/// and of its inputs nothing where they are results of batch norm: those are made again. In inference, where no
/// gradient is recorded and nothing dropped, the batch norm is folded into the convolution's weight.
/// a: [N,Ca,D,H,W]   b: [N,Cb,D,H,W] or undefined   weight: [O,Ca+Cb,K,K,K], K odd   the others: [O]
/// Moved inputs are released as soon as the convolution has read them.
[[nodiscard]] Tensor conv3d_batch_norm_relu(Tensor a, Tensor b, const Tensor& weight, const Tensor& gamma,
                                            const Tensor& beta, Tensor running_mean, Tensor running_var,
                                            const BatchNormOptions& = {}, const DropoutOptions& dropout = {.p = 0});

struct InstanceNormOptions {
  double eps = 1e-5;
};
/// y = gamma * (x - mean) / sqrt(var + eps) + beta, mean and var (biased) of each case and channel over its voxels, of
/// which there must be more than one: PyTorch's InstanceNorm3d without running statistics. gamma, beta: [C],
/// accumulator type, or undefined for 1 and 0.
/// D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.
[[nodiscard]] Tensor instance_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                   const InstanceNormOptions& = {});

struct Conv3dInstanceNormReluOptions {
  double eps = 1e-5;
  double negative_slope = 0.01;  ///< of leaky_relu, 0 or more; 0 is relu
  std::int64_t stride = 1;       ///< 1 or 2; padding is half the kernel
};
/// A layer of nnU-Net: dropout(leaky_relu(instance_norm(conv3d(concat(a, b), weight, bias), gamma, beta))), or of a
/// alone where b is undefined. As conv3d_batch_norm_relu makes statistics, keeps and releases. The bias is never added,
/// since the norm takes it out again: its gradient is exactly 0.
/// a: [N,Ca,D,H,W]   b: [N,Cb,D,H,W] or undefined   weight: [O,Ca+Cb,K,K,K], K odd   bias, gamma, beta: [O] or
/// undefined F. Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image
/// segmentation", 2021.
[[nodiscard]] Tensor conv3d_instance_norm_relu(Tensor a, Tensor b, const Tensor& weight, const Tensor& bias,
                                               const Tensor& gamma, const Tensor& beta,
                                               const Conv3dInstanceNormReluOptions& = {},
                                               const DropoutOptions& dropout = {.p = 0});

/// y[n,c,v] = exp(x[n,c,v]) / sum over c of exp(x[n,c,v]), computed so that no exp() overflows
[[nodiscard]] Tensor softmax(const Tensor& x);

// --- labels ---------------------------------------------------------------------------------------------------------

/// Labels for logits of a lower resolution (deep supervision): y[n,d,h,w] is the label at floor((i+1/2)*factor) along
/// each axis, PyTorch's interpolate(mode="nearest-exact"). Not of VOX_OPS: labels have no gradient. On a device the
/// largest label counts as that of the source, so that a loss need not wait.
/// labels: u8 [N,D,H,W]   factor: a power of two, 2 or more, that divides D, H and W   y: u8 [N,D/f,H/f,W/f]
[[nodiscard]] Tensor shrink_labels(const Tensor& labels, std::int64_t factor);

// --- losses: [1], accumulator type ----------------------------------------------------------------------------------
//
// Labels are class indices below C; one that is not throws, naming the label and its place. class_weights are >= 0.

enum class Background : std::uint8_t { include, exclude };  ///< does class 0 count?
enum class Sums : std::uint8_t { batch, per_case };  ///< sums over the whole batch, or per case and then the mean
enum class FocalMean : std::uint8_t { voxels_and_classes, voxels };

struct DiceLossOptions {
  double smooth = 1e-5;                    ///< > 0: a class neither there nor predicted scores 1
  std::vector<double> class_weights = {};  ///< [C], one of each class counted or not; empty: all 1
  Background background = Background::include;
  Sums sums = Sums::batch;
};
/// 1 - mean over classes of class_weights[c] * (2 TP_c + smooth) / (2 TP_c + FN_c + FP_c + smooth), soft counts:
/// TP = sum y p, FP = sum p - TP, FN = sum y - TP. The weights are multiplied in and then averaged, not normalised, as
/// in segmentation_models_3D: a perfect prediction with weights 0.25 scores 0.75.
/// probabilities: [N,C,D,H,W]   labels: u8 [N,D,H,W]
[[nodiscard]] Tensor dice_loss(const Tensor& probabilities, const Tensor& labels, const DiceLossOptions& = {});

struct FocalLossOptions {
  double alpha = 0.25;
  double gamma = 2.0;
  double clip = 1e-7;  ///< p is clipped to [clip, 1-clip]; the gradient is 0 outside
  std::vector<double> class_weights = {};
  Background background = Background::include;
  FocalMean mean = FocalMean::voxels_and_classes;  ///< segmentation_models_3D divides by the class count, too
};
/// mean over the batch's voxels (and classes that count) of - y * class_weights[c] * alpha * (1-p)^gamma * log(p)
/// probabilities: [N,C,D,H,W]   labels: u8 [N,D,H,W].   T.-Y. Lin et al., "Focal loss", ICCV 2017
[[nodiscard]] Tensor focal_loss(const Tensor& probabilities, const Tensor& labels, const FocalLossOptions& = {});

struct CrossEntropyOptions {
  std::vector<double> class_weights = {};
  Background background = Background::include;  ///< exclude: voxels of class 0 are left out
  Sums sums = Sums::batch;
};
/// sum of class_weights[y] * -log softmax(logits)[y] / sum of class_weights[y] over voxels, PyTorch's cross_entropy.
/// Where no voxel counts (all background, say) the loss is 0 and has no gradient, where PyTorch gives NaN.
/// logits: [N,C,D,H,W]   labels: u8 [N,D,H,W]
[[nodiscard]] Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& = {});

/// Those of the three losses; dice, focal and cross_entropy are what each is multiplied by.
struct DiceFocalLossOptions {
  double smooth = 1e-5;
  double alpha = 0.25;
  double gamma = 2.0;
  double clip = 1e-7;
  std::vector<double> class_weights = {};
  Background background = Background::include;
  Background dice_background = Background::include;  ///< exclude: out of the Dice term alone, as nnU-Net trains
  Sums sums = Sums::batch;
  FocalMean mean = FocalMean::voxels_and_classes;
  double dice = 1;
  double focal = 1;
  double cross_entropy = 0;
};
/// dice * dice_loss(p) + focal * focal_loss(p) + cross_entropy * cross_entropy(logits) with p = softmax(logits), never
/// stored: the logits are read once in each direction. MONAI's DiceFocalLoss and DiceCELoss, with the means above.
/// logits: [N,C,D,H,W], C <= 256   labels: u8 [N,D,H,W]
[[nodiscard]] Tensor dice_focal_loss(const Tensor& logits, const Tensor& labels, const DiceFocalLossOptions& = {});

struct DiceBceLossOptions {
  /// Classes of each region, which may overlap; classes are 0 to 31. BraTS: {{1,2,3}, {1,3}, {3}}, the whole tumour,
  /// its core and its enhancing part.
  std::vector<std::vector<int>> regions = {{1, 2, 3}, {1, 3}, {3}};
  std::int64_t classes = 4;  ///< that labels may have
  double smooth = 1e-5;      ///< > 0: a region neither there nor predicted scores 1
  Sums sums = Sums::batch;   ///< of the Dice term
  double dice = 1;           ///< what each term is multiplied by
  double bce = 1;
};
/// Region-based training, one sigmoid per region: with p = sigmoid(logit) and y = 1 in the region and 0 elsewhere,
///   dice * (1 - mean over regions of (2 sum(p y) + smooth) / (sum p + sum y + smooth))
///   + bce * mean over everything of -(y log p + (1 - y) log(1 - p)),
/// nnU-Net's DC_and_BCE_loss plus dice. logits: [N,R,D,H,W], R <= 8   labels: u8 classes [N,D,H,W]
/// F. Isensee et al., "nnU-Net for Brain Tumor Segmentation", BrainLes 2020.
[[nodiscard]] Tensor dice_bce_loss(const Tensor& logits, const Tensor& labels, const DiceBceLossOptions& = {});

}  // namespace vox
