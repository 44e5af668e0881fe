#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "data/image.h"

namespace vox {

/// Where windows start and what their voxels weigh; the two that the field knows.
///
/// nnunet (nnU-Net v2, compute_steps_for_sliding_window and compute_gaussian): per axis of n voxels and windows of w,
///   ceil((n - w) / (w (1 - overlap))) + 1 windows, spread evenly, starts rounded half to even; a voxel i of a window
///   weighs exp(-(i - floor(w/2))^2 / (2 (w/8)^2)) along each axis, the product of the three.
/// monai (sliding_window_inference): starts are multiples of max(1, floor(w (1 - overlap))), the last one moved back to
///   n - w; the Gaussian is centred on (w - 1)/2, and no product is below 1e-3.
enum class WindowRule : std::uint8_t { nnunet, monai };
[[nodiscard]] WindowRule window_rule_named(std::string_view);  ///< throws Error for another name
[[nodiscard]] std::string_view name(WindowRule);

enum class Blend : std::uint8_t { gaussian, constant };  ///< constant: every voxel of a window weighs 1
[[nodiscard]] Blend blend_named(std::string_view);       ///< throws Error for another name

struct WindowOptions {
  Extent3 window{128, 128, 128};  ///< voxels along D, H, W
  double overlap = 0.5;           ///< of neighbouring windows, in [0, 1)
  WindowRule rule = WindowRule::nnunet;
  Blend blend = Blend::gaussian;
  std::int64_t batch = 1;  ///< windows at a time
};
/// Throws Error for an empty window, an overlap that is none, or a batch below 1.
void check_windows(const WindowOptions&);

/// First voxels of the windows along one axis of n voxels, n >= 1, in order; 0 alone where one window holds them all.
[[nodiscard]] std::vector<std::int64_t> window_starts(std::int64_t n, std::int64_t window, const WindowOptions&);
/// Weight of each voxel of a window, [D,H,W].
[[nodiscard]] std::vector<float> window_weights(const WindowOptions&);
/// Windows that a case of this extent takes.
[[nodiscard]] std::int64_t window_count(const Extent3& size, const WindowOptions&);
/// Bytes of what sliding over such a case takes beside its image and whatever the network asks for: sums, weights, the
/// windows under way. Whatever the number of windows.
[[nodiscard]] std::size_t sliding_bytes(const Extent3& size, std::int64_t channels, std::int64_t classes,
                                        const WindowOptions&);

/// What a network says of windows: [B,C,w...] to [B,K,w...], in C order, B at most WindowOptions::batch.
using WindowNetwork = std::function<LargeVector<float>(std::span<const float> images, std::int64_t batch)>;

/// Weighted mean over all windows that hold a voxel,
///   out[k,v] = sum_j weight_j(v) network(window j)[k,v] / sum_j weight_j(v),   [classes,D,H,W] of size,
/// summed in f32 in the order of the windows (W fastest), so the same bits for any number of threads. image
/// [channels,D,H,W]. A case smaller than the window is padded with 0, half before and half behind, the odd voxel
/// behind; where one window holds the case, out is the network's own result.
[[nodiscard]] LargeVector<float> slide(std::span<const float> image, const Extent3& size, std::int64_t classes,
                                       const WindowOptions&, const WindowNetwork&, int threads = 1,
                                       const std::function<void(std::int64_t done, std::int64_t all)>& on_window = {});

}  // namespace vox
