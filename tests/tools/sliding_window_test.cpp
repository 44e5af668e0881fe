#include "tools/run/sliding_window.h"

#include <algorithm>
#include <cmath>

#include "engine/safetensors.h"
#include "model/extents.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

using Starts = std::vector<std::int64_t>;

WindowOptions options(Extent3 window, double overlap, WindowRule rule, Blend blend = Blend::gaussian) {
  return {.window = window, .overlap = overlap, .rule = rule, .blend = blend};
}

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// What a voxel of a window weighs, by the definition, in double.
double weight_of(const WindowOptions& o, const Extent3& v) {
  if (o.blend == Blend::constant) { return 1; }
  double product = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    const auto n = static_cast<double>(o.window[a]);
    const double centre = o.rule == WindowRule::monai ? (n - 1) / 2 : static_cast<double>(o.window[a] / 2);
    const double x = static_cast<double>(v[a]) - centre;
    product *= std::exp(-x * x / (2 * (n / 8) * (n / 8)));
  }
  return o.rule == WindowRule::monai ? std::max(product, 1e-3) : product;
}

/// A network whose result depends on the values of its window and on where in the window they are, as a real one's
/// does.
double network_at(double value, std::int64_t k, std::int64_t voxel_of_window) {
  return value * static_cast<double>(k + 1) + 0.01 * static_cast<double>(voxel_of_window % 97);
}

LargeVector<float> network(std::span<const float> images, std::int64_t batch, std::int64_t channels,
                           std::int64_t classes, std::int64_t voxels) {
  LargeVector<float> out;
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t k = 0; k < classes; ++k) {
      for (std::int64_t v = 0; v < voxels; ++v) {
        const double value = images[at((b * channels + k % channels) * voxels + v)];
        out.push_back(static_cast<float>(network_at(value, k, v)));
      }
    }
  }
  return out;
}

/// The weighted mean over windows for one voxel and class, by the definition. padding: voxels before the case.
double expected_at(std::span<const float> image, const Extent3& size, std::int64_t channels, std::int64_t k,
                   const Extent3& v, const WindowOptions& o) {
  std::array<Starts, 3> starts;
  Extent3 padding{};
  for (std::size_t a = 0; a < 3; ++a) {
    starts[a] = window_starts(size[a], o.window[a], o);
    padding[a] = std::max<std::int64_t>(0, o.window[a] - size[a]) / 2;
  }
  const std::int64_t voxel = (v[0] * size[1] + v[1]) * size[2] + v[2];
  const double value = image[at(k % channels * voxels_of(size) + voxel)];
  double sum = 0;
  double weights = 0;
  for (const std::int64_t d : starts[0]) {
    for (const std::int64_t h : starts[1]) {
      for (const std::int64_t w : starts[2]) {
        const Extent3 p{v[0] - d + padding[0], v[1] - h + padding[1], v[2] - w + padding[2]};
        bool inside = true;
        for (std::size_t a = 0; a < 3; ++a) { inside = inside && p[a] >= 0 && p[a] < o.window[a]; }
        if (!inside) { continue; }
        const double weight = weight_of(o, p);
        sum += weight * network_at(value, k, (p[0] * o.window[1] + p[1]) * o.window[2] + p[2]);
        weights += weight;
      }
    }
  }
  return sum / weights;
}

std::vector<float> some_image(std::int64_t values) {
  const Values doubles = make_values(values, 11);
  return {doubles.begin(), doubles.end()};
}

}  // namespace

TEST_CASE("windows start where nnU-Net's and MONAI's do", "[sliding_window]") {
  const auto starts = [](std::int64_t n, std::int64_t w, double overlap, WindowRule rule) {
    return window_starts(n, w, options({w, w, w}, overlap, rule));
  };
  // From the programs themselves: nnunetv2 2.8.1 compute_steps_for_sliding_window, MONAI 1.6.1 dense_patch_slices.
  CHECK(starts(240, 128, 0.5, WindowRule::nnunet) == Starts{0, 56, 112});
  CHECK(starts(155, 128, 0.5, WindowRule::nnunet) == Starts{0, 27});
  CHECK(starts(240, 128, 0.25, WindowRule::monai) == Starts{0, 96, 112});
  CHECK(starts(240, 128, 0.5, WindowRule::monai) == Starts{0, 64, 112});
  CHECK(starts(155, 128, 0.5, WindowRule::monai) == Starts{0, 27});
  CHECK(starts(133, 128, 0.5, WindowRule::nnunet) == Starts{0, 5});
  CHECK(starts(29, 8, 0.5, WindowRule::nnunet) == Starts{0, 4, 7, 10, 14, 18, 21});  // 3.5 and 17.5 go to the even one
}

TEST_CASE("windows cover every voxel, without one twice, from the first to the last", "[sliding_window]") {
  for (const WindowRule rule : {WindowRule::nnunet, WindowRule::monai}) {
    for (const std::int64_t window : {1, 2, 5, 16}) {
      for (const double overlap : {0.0, 0.25, 0.5, 0.9}) {
        for (std::int64_t n = 1; n < 60; n += 1 + n / 7) {
          INFO(name(rule) << ": " << n << " voxels, windows of " << window << ", overlap " << overlap);
          const Starts s = window_starts(n, window, options({window, window, window}, overlap, rule));
          CHECK(s.front() == 0);
          CHECK(s.back() == std::max<std::int64_t>(0, n - window));
          for (std::size_t i = 1; i < s.size(); ++i) {
            CHECK(s[i] > s[i - 1]);
            CHECK(s[i] - s[i - 1] <= window);
          }
        }
      }
    }
  }
}

TEST_CASE("a case by windows is the weighted mean of all windows over each voxel", "[sliding_window]") {
  struct Tried {
    Extent3 size;
    Extent3 window;
  };
  constexpr std::int64_t kChannels = 2;
  constexpr std::int64_t kClasses = 3;
  const std::vector<Tried> all{{{9, 7, 11}, {4, 5, 6}},  {{5, 3, 9}, {4, 8, 4}}, {{1, 1, 1}, {2, 2, 2}},
                               {{3, 6, 4}, {4, 7, 4}},   {{4, 4, 4}, {4, 4, 4}}, {{6, 1, 13}, {3, 1, 5}},
                               {{2, 10, 10}, {16, 8, 8}}};
  for (const Tried& tried : all) {
    const Extent3& size = tried.size;
    const Extent3& window = tried.window;
    for (const WindowRule rule : {WindowRule::nnunet, WindowRule::monai}) {
      for (const Blend blend : {Blend::gaussian, Blend::constant}) {
        const WindowOptions o = options(window, 0.5, rule, blend);
        INFO(extents_text(size) << " by " << extents_text(window) << ", " << name(rule) << ", constant "
                                << (blend == Blend::constant));
        const std::vector<float> image = some_image(kChannels * voxels_of(size));
        const auto net = [&](std::span<const float> images, std::int64_t batch) {
          return network(images, batch, kChannels, kClasses, voxels_of(window));
        };
        const LargeVector<float> out = slide(image, size, kClasses, o, net);
        REQUIRE(std::ssize(out) == kClasses * voxels_of(size));
        double worst = 0;
        std::size_t i = 0;
        for (std::int64_t k = 0; k < kClasses; ++k) {
          for (std::int64_t d = 0; d < size[0]; ++d) {
            for (std::int64_t h = 0; h < size[1]; ++h) {
              for (std::int64_t w = 0; w < size[2]; ++w) {
                const double wanted = expected_at(image, size, kChannels, k, {d, h, w}, o);
                worst = std::max(worst, std::abs(static_cast<double>(out[i++]) - wanted));
              }
            }
          }
        }
        // Every window's value below 8, rounded once, and at most 64 windows over a voxel, whose products, weights and
        // sums are rounded: 64 + 3 roundings of a relative 2^-24.
        CHECK(worst <= 8 * 67 * 0x1p-24);

        WindowOptions batched = o;
        for (const std::int64_t batch : {2, 5}) {  // 1, 2 or 3 threads, whatever batch: the same bits
          batched.batch = batch;
          CHECK(slide(image, size, kClasses, batched, net, static_cast<int>(batch) - 1) == out);
        }
      }
    }
  }
}

TEST_CASE("windows give what MONAI's and nnU-Net's own code gives", "[sliding_window]") {
  const SafetensorsFile golden(VOX_SOURCE_DIR "/tests/golden/sliding_window.safetensors");  // sliding_window.py made it
  struct Tried {
    std::string name;
    Extent3 size;
    Extent3 window;
  };
  constexpr std::int64_t kClasses = 3;
  const std::vector<Tried> all{{"whole", {9, 13, 11}, {4, 5, 6}}, {"padded", {5, 3, 10}, {4, 8, 4}}};
  for (const Tried& tried : all) {
    const std::string& name = tried.name;
    const Extent3& size = tried.size;
    const Extent3& window = tried.window;
    std::vector<float> image;
    for (std::int64_t i = 0; i < 2 * voxels_of(size); ++i) { image.push_back(static_cast<float>(1 + i % 13)); }
    const auto matches = [&](WindowRule rule, Blend blend, const std::string& theirs) {
      INFO(name << ": " << theirs);
      const std::vector<float> wanted = golden.read<float>(name + "." + theirs);
      const LargeVector<float> out = slide(image, size, kClasses, options(window, 0.5, rule, blend),
                                           [&](std::span<const float> images, std::int64_t batch) {
                                             return network(images, batch, 2, kClasses, voxels_of(window));
                                           });
      REQUIRE(out.size() == wanted.size());
      double worst = 0;
      for (std::size_t i = 0; i < out.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(out[i]) - static_cast<double>(wanted[i])));
      }
      CHECK(worst <= 2 * 48 * 67 * 0x1p-24);  // values below 48; each side rounds as in the test above
    };
    matches(WindowRule::monai, Blend::gaussian, "monai.gaussian");
    matches(WindowRule::monai, Blend::constant, "monai.constant");
    matches(WindowRule::nnunet, Blend::gaussian, "nnunet.gaussian");
  }
}

TEST_CASE("a case that one window holds is the network's own result, bit for bit", "[sliding_window]") {
  const Extent3 size{4, 6, 5};
  const std::vector<float> image = some_image(2 * voxels_of(size));
  const auto net = [&](std::span<const float> images, std::int64_t batch) {
    return network(images, batch, 2, 4, voxels_of(size));
  };
  const WindowOptions o = options(size, 0.5, WindowRule::nnunet);
  CHECK(slide(image, size, 4, o, net) == net(image, 1));
  CHECK(window_count(size, o) == 1);
}

TEST_CASE("windows are counted as they are done, and their memory does not grow with their number",
          "[sliding_window]") {
  const Extent3 size{12, 12, 12};
  WindowOptions o = options({8, 8, 8}, 0.5, WindowRule::nnunet);
  o.batch = 3;
  std::vector<std::int64_t> done;
  static_cast<void>(slide(
      some_image(voxels_of(size)), size, 1, o,
      [](std::span<const float> images, std::int64_t) { return LargeVector<float>(images.begin(), images.end()); }, 1,
      [&](std::int64_t n, std::int64_t all) {
        CHECK(all == 8);
        done.push_back(n);
      }));
  CHECK(done == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8});
  const std::size_t few = sliding_bytes(size, 4, 4, o);
  o.overlap = 0.9;
  CHECK(window_count(size, o) > 100);
  CHECK(sliding_bytes(size, 4, 4, o) == few);
}

TEST_CASE("windows that cannot be are refused", "[sliding_window]") {
  const WindowOptions good = options({8, 8, 8}, 0.5, WindowRule::nnunet);
  WindowOptions o = good;
  o.overlap = 1;
  CHECK_THROWS_WITH(check_windows(o), ContainsSubstring("overlap 1 of neighbours, wants 0 or more and less than 1"));
  o.overlap = std::nan("");
  CHECK_THROWS_WITH(check_windows(o), ContainsSubstring("overlap nan"));
  o = good;
  o.window[1] = 0;
  CHECK_THROWS_WITH(check_windows(o), ContainsSubstring("windows of 8x0x8"));
  o = good;
  o.batch = 0;
  CHECK_THROWS_WITH(check_windows(o), ContainsSubstring("0 at a time"));
  o = options({std::int64_t{1} << 32U, std::int64_t{1} << 32U, 8}, 0.5, WindowRule::nnunet);
  CHECK_THROWS_WITH(check_windows(o), ContainsSubstring("4294967296x4294967296x8, 1 at a time: more than 2^40 voxels"));
  o = good;
  o.batch = std::int64_t{1} << 62U;
  CHECK_THROWS_WITH(check_windows(o), ContainsSubstring("more than 2^40 voxels"));
  CHECK_THROWS_WITH(window_rule_named("keras"), ContainsSubstring("'keras', wants nnunet or monai"));
  CHECK_THROWS_WITH(blend_named("mean"), ContainsSubstring("'mean', wants gaussian or constant"));
  const std::vector<float> image(27);
  const auto too_few = [](std::span<const float>, std::int64_t) { return LargeVector<float>(3); };
  CHECK_THROWS_WITH(slide(image, {3, 3, 3}, 2, good, too_few), ContainsSubstring("gave 3 values for 1 windows"));
  CHECK_THROWS_WITH(slide(image, {3, 3, 2}, 2, good, too_few), ContainsSubstring("27 values for a case of 3x3x2"));
}

}  // namespace vox::test
