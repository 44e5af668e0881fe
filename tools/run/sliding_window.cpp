#include "tools/run/sliding_window.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/check.h"
#include "kernels/base/parallel.h"
#include "kernels/base/size_product.h"
#include "model/extents.h"

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A window's place in the case; negative where the case is padded.
std::vector<Extent3> places(const Extent3& size, const WindowOptions& o) {
  std::array<std::vector<std::int64_t>, 3> starts;
  for (std::size_t a = 0; a < 3; ++a) {
    starts[a] =
        size[a] < o.window[a] ? std::vector{-((o.window[a] - size[a]) / 2)} : window_starts(size[a], o.window[a], o);
  }
  std::vector<Extent3> all;
  for (const std::int64_t d : starts[0]) {
    for (const std::int64_t h : starts[1]) {
      for (const std::int64_t w : starts[2]) { all.push_back({d, h, w}); }
    }
  }
  return all;
}

/// The rows that a window and a case share: body(first voxel in a volume of the window, in one of the case, voxels).
template <class Body>
void shared_rows(const Extent3& size, const Extent3& window, const Extent3& place, std::int64_t d, const Body& body) {
  if (place[0] + d < 0 || place[0] + d >= size[0]) { return; }
  const std::int64_t first = std::max<std::int64_t>(0, -place[2]);
  const std::int64_t end = std::min(window[2], size[2] - place[2]);
  for (std::int64_t h = std::max<std::int64_t>(0, -place[1]); h < std::min(window[1], size[1] - place[1]); ++h) {
    body((d * window[1] + h) * window[2] + first,
         ((place[0] + d) * size[1] + place[1] + h) * size[2] + place[2] + first, end - first);
  }
}

}  // namespace

WindowRule window_rule_named(std::string_view word) {
  if (word == "nnunet") { return WindowRule::nnunet; }
  if (word == "monai") { return WindowRule::monai; }
  VOX_FAIL("windows: rule '{}', wants nnunet or monai", word);
}

std::string_view name(WindowRule rule) { return rule == WindowRule::nnunet ? "nnunet" : "monai"; }

Blend blend_named(std::string_view word) {
  if (word == "gaussian") { return Blend::gaussian; }
  if (word == "constant") { return Blend::constant; }
  VOX_FAIL("windows: blend '{}', wants gaussian or constant", word);
}

void check_windows(const WindowOptions& o) {
  VOX_CHECK(std::ranges::min(o.window) >= 1, "windows of {}x{}x{}: wants at least one voxel along each axis",
            o.window[0], o.window[1], o.window[2]);
  VOX_CHECK(o.overlap >= 0 && o.overlap < 1, "windows: overlap {} of neighbours, wants 0 or more and less than 1",
            o.overlap);
  VOX_CHECK(o.batch >= 1, "windows: {} at a time, wants at least 1", o.batch);
  VOX_CHECK(size_product({o.window[0], o.window[1], o.window[2], o.batch}, kMostVoxels),
            "windows of {}x{}x{}, {} at a time: more than 2^40 voxels", o.window[0], o.window[1], o.window[2], o.batch);
}

std::vector<std::int64_t> window_starts(std::int64_t n, std::int64_t window, const WindowOptions& o) {
  VOX_CHECK(n >= 1, "windows: {} voxels, wants at least 1", n);
  const std::int64_t last = n - window;
  if (last <= 0) { return {0}; }
  const double step = static_cast<double>(window) * (1 - o.overlap);
  std::vector<std::int64_t> starts;
  if (o.rule == WindowRule::monai) {
    const std::int64_t interval = std::max<std::int64_t>(1, static_cast<std::int64_t>(step));
    for (std::int64_t s = 0; s < last; s += interval) { starts.push_back(s); }
    starts.push_back(last);
    return starts;
  }
  const auto intervals = static_cast<std::int64_t>(std::ceil(static_cast<double>(last) / step));
  const double even = static_cast<double>(last) / static_cast<double>(intervals);
  for (std::int64_t i = 0; i <= intervals; ++i) {  // nearbyint rounds half to even, as numpy.round does
    const auto start = static_cast<std::int64_t>(std::nearbyint(even * static_cast<double>(i)));
    if (starts.empty() || start > starts.back()) { starts.push_back(start); }  // steps below a voxel
  }
  return starts;
}

std::vector<float> window_weights(const WindowOptions& o) {
  check_windows(o);
  const auto& [nd, nh, nw] = o.window;
  std::vector<float> weights(at(voxels_of(o.window)), 1.0F);
  if (o.blend == Blend::constant) { return weights; }
  const auto exponent = [&](std::size_t axis, std::int64_t i) {
    const auto n = static_cast<double>(o.window[axis]);
    const double centre = o.rule == WindowRule::monai ? (n - 1) / 2 : std::floor(n / 2);
    const double x = (static_cast<double>(i) - centre) / (n / 8);
    return -x * x / 2;
  };
  const double least = o.rule == WindowRule::monai ? 1e-3 : 0;
  std::size_t v = 0;
  for (std::int64_t d = 0; d < nd; ++d) {
    for (std::int64_t h = 0; h < nh; ++h) {
      for (std::int64_t w = 0; w < nw; ++w) {
        weights[v++] = static_cast<float>(std::max(least, std::exp(exponent(0, d) + exponent(1, h) + exponent(2, w))));
      }
    }
  }
  return weights;
}

std::int64_t window_count(const Extent3& size, const WindowOptions& o) {
  check_windows(o);
  std::int64_t count = 1;
  for (std::size_t a = 0; a < 3; ++a) { count *= std::ssize(window_starts(size[a], o.window[a], o)); }
  return count;
}

std::size_t sliding_bytes(const Extent3& size, std::int64_t channels, std::int64_t classes, const WindowOptions& o) {
  const std::int64_t windows = window_count(size, o);
  const std::int64_t under_way = std::min(o.batch, windows) * (channels + classes) * voxels_of(o.window);
  const std::int64_t weights = windows == 1 ? 0 : voxels_of(o.window) + voxels_of(size);
  return at(classes * voxels_of(size) + weights + under_way) * sizeof(float);
}

// NOLINTNEXTLINE(readability-function-size): one pass over the windows, whose steps share all of it
LargeVector<float> slide(std::span<const float> image, const Extent3& size, std::int64_t classes,
                         const WindowOptions& o, const WindowNetwork& network, int threads,
                         const std::function<void(std::int64_t, std::int64_t)>& on_window) {
  check_windows(o);
  const std::int64_t voxels = voxels_of(size);
  const std::int64_t in_window = voxels_of(o.window);
  VOX_CHECK(voxels >= 1 && !image.empty() && std::ssize(image) % voxels == 0 && classes >= 1,
            "windows: {} values for a case of {}x{}x{} and {} classes", image.size(), size[0], size[1], size[2],
            classes);
  const std::int64_t channels = std::ssize(image) / voxels;
  const std::vector<Extent3> all = places(size, o);
  const bool alone = all.size() == 1;
  const std::vector<float> weights = alone ? std::vector<float>{} : window_weights(o);
  const std::int64_t slice = size[1] * size[2];
  LargeVector<float> sums(at(classes * voxels), uncleared);
  LargeVector<float> weight_sums(alone ? 0 : at(voxels), uncleared);
  const auto clear = [&](LargeVector<float>& volumes) {  // by all threads: the pages are new
    parallel_for(threads, std::ssize(volumes) / slice,
                 [&](std::int64_t task) { std::fill_n(volumes.data() + task * slice, slice, 0.0F); });
  };
  clear(sums);
  clear(weight_sums);
  const std::int64_t depth = o.window[0];
  // Beyond the case's ends 0, in the same places of every window: an axis that is padded has one start.
  LargeVector<float> images(at(std::min(o.batch, std::ssize(all)) * channels * in_window));
  const KeptBlocks reuse(2 * at(o.batch * classes * in_window) * sizeof(float));  // of what the network gives

  for (std::int64_t first = 0; first < std::ssize(all); first += o.batch) {
    const std::int64_t batch = std::min(o.batch, std::ssize(all) - first);
    const std::span<float> windows = std::span(images).first(at(batch * channels * in_window));
    parallel_for(threads, batch * channels * depth, [&](std::int64_t task) {
      const std::int64_t plane = task / depth;  // of a window and a channel
      const float* const from = image.data() + plane % channels * voxels;
      float* const to = windows.data() + plane * in_window;
      shared_rows(size, o.window, all[at(first + plane / channels)], task % depth,
                  [&](std::int64_t w, std::int64_t v, std::int64_t n) { std::copy_n(from + v, n, to + w); });
    });
    const LargeVector<float> out = network(windows, batch);
    VOX_CHECK(std::ssize(out) == batch * classes * in_window,
              "windows: the network gave {} values for {} windows, wants {} classes of {}x{}x{}", out.size(), batch,
              classes, o.window[0], o.window[1], o.window[2]);
    for (std::int64_t b = 0; b < batch; ++b) {
      const std::int64_t volumes = alone ? classes : classes + 1;  // of the sums; the weights are the last
      parallel_for(threads, volumes * depth, [&](std::int64_t task) {
        const std::int64_t k = task / depth;
        const float* const from = out.data() + (b * classes + k) * in_window;
        shared_rows(size, o.window, all[at(first + b)], task % depth,
                    [&](std::int64_t w, std::int64_t v, std::int64_t n) {
                      if (alone) {
                        std::copy_n(from + w, n, sums.data() + k * voxels + v);
                        return;
                      }
                      const float* const weight = weights.data() + w;
                      if (k == classes) {
                        for (std::int64_t i = 0; i < n; ++i) { weight_sums[at(v + i)] += weight[i]; }
                        return;
                      }
                      float* const to = sums.data() + k * voxels + v;
                      for (std::int64_t i = 0; i < n; ++i) { to[i] += weight[i] * from[w + i]; }
                    });
      });
      if (on_window) { on_window(first + b + 1, std::ssize(all)); }
    }
  }
  if (alone) { return sums; }
  parallel_for(threads, classes * size[0], [&](std::int64_t task) {
    float* const to = sums.data() + task * slice;
    const float* const by = weight_sums.data() + task % size[0] * slice;
    for (std::int64_t i = 0; i < slice; ++i) { to[i] /= by[i]; }
  });
  return sums;
}

}  // namespace vox
