#include "data/prepare/resample.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

std::int64_t count(const Extent3& e) { return e[0] * e[1] * e[2]; }

void check_box(std::size_t values, const Extent3& from, const Box& box, const Extent3& to) {
  VOX_CHECK(values == static_cast<std::size_t>(count(from)), "resize: {} values, a volume of {}x{}x{} wants {}", values,
            from[0], from[1], from[2], count(from));
  for (std::size_t a = 0; a < 3; ++a) {
    VOX_CHECK(box.start[a] >= 0 && box.size[a] >= 1 && box.start[a] <= from[a] - box.size[a] && to[a] >= 1,
              "resize: axis {} of {} voxels cut to {} from {}, resized to {}", a, from[a], box.size[a], box.start[a],
              to[a]);
  }
}

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::vector<LinearTap> taps_in(const Box& box, const Extent3& to, std::size_t axis) {
  std::vector<LinearTap> taps = linear_taps(box.size[axis], to[axis]);
  for (LinearTap& t : taps) {
    t.low += box.start[axis];
    t.high += box.start[axis];
  }
  return taps;
}

}  // namespace

std::vector<LinearTap> linear_taps(std::int64_t in, std::int64_t out) {
  std::vector<LinearTap> taps;
  for (std::int64_t o = 0; o < out; ++o) {
    // (2o+1)*in - out over 2*out is (o + 1/2) * in/out - 1/2 without a rounding.
    const std::int64_t numerator = std::max<std::int64_t>((2 * o + 1) * in - out, 0);
    const std::int64_t low = std::min(numerator / (2 * out), in - 1);
    const double weight = static_cast<double>(numerator % (2 * out)) / static_cast<double>(2 * out);
    taps.push_back({low, std::min(low + 1, in - 1), static_cast<float>(weight)});
  }
  return taps;
}

std::vector<std::int64_t> nearest_taps(std::int64_t in, std::int64_t out) {
  std::vector<std::int64_t> taps;
  for (std::int64_t o = 0; o < out; ++o) { taps.push_back((2 * o + 1) * in / (2 * out)); }
  return taps;
}

void blend_row(std::span<const float> in, const Extent3& size, const LinearTap& d, const LinearTap& h,
               std::span<float> row) {
  const auto line = [&](std::int64_t z, std::int64_t y) { return in.data() + (z * size[1] + y) * size[2]; };
  const float* const v00 = line(d.low, h.low);
  const float* const v01 = line(d.low, h.high);
  const float* const v10 = line(d.high, h.low);
  const float* const v11 = line(d.high, h.high);
  const float wd = d.high_weight;
  const float wh = h.high_weight;
  for (std::size_t w = 0; w < row.size(); ++w) {
    const float low = v00[w] * (1 - wd) + v10[w] * wd;
    const float high = v01[w] * (1 - wd) + v11[w] * wd;
    row[w] = low * (1 - wh) + high * wh;
  }
}

LargeVector<float> resize_trilinear(std::span<const float> in, const Extent3& from, const Box& box, const Extent3& to,
                                    int threads) {
  check_box(in.size(), from, box, to);
  const std::vector<LinearTap> ds = taps_in(box, to, 0);
  const std::vector<LinearTap> hs = taps_in(box, to, 1);
  const std::vector<LinearTap> ws = taps_in(box, to, 2);
  LargeVector<float> out(at(count(to)));
  parallel_for(threads, to[0], [&](std::int64_t d) {
    std::vector<float> row(at(from[2]));
    for (std::int64_t h = 0; h < to[1]; ++h) {
      blend_row(in, from, ds[at(d)], hs[at(h)], row);
      float* const line = out.data() + (d * to[1] + h) * to[2];
      for (std::size_t w = 0; w < ws.size(); ++w) {
        const LinearTap& t = ws[w];
        line[w] = row[at(t.low)] * (1 - t.high_weight) + row[at(t.high)] * t.high_weight;
      }
    }
  });
  return out;
}

LargeVector<std::uint8_t> resize_nearest(std::span<const std::uint8_t> in, const Extent3& from, const Box& box,
                                         const Extent3& to, int threads) {
  check_box(in.size(), from, box, to);
  const std::vector<std::int64_t> ds = nearest_taps(box.size[0], to[0]);
  const std::vector<std::int64_t> hs = nearest_taps(box.size[1], to[1]);
  const std::vector<std::int64_t> ws = nearest_taps(box.size[2], to[2]);
  LargeVector<std::uint8_t> out(at(count(to)));
  parallel_for(threads, to[0], [&](std::int64_t d) {
    for (std::int64_t h = 0; h < to[1]; ++h) {
      const std::int64_t row = (box.start[0] + ds[at(d)]) * from[1] + box.start[1] + hs[at(h)];
      const std::uint8_t* const from_line = in.data() + row * from[2] + box.start[2];
      std::uint8_t* const line = out.data() + (d * to[1] + h) * to[2];
      for (std::size_t w = 0; w < ws.size(); ++w) { line[w] = from_line[ws[w]]; }
    }
  });
  return out;
}

}  // namespace vox
