#pragma once

#include <algorithm>

#include "kernels/base/parallel.h"
#include "kernels/conv_transpose3d.h"

// The convolution by its definition: any geometry, no scratch, no tricks. What the tiled kernels are compared with.

namespace vox {

/// The taps k of one axis for which p*stride-padding+k lies in [0,extent).
struct TapRange {
  std::int64_t begin;
  std::int64_t end;
};
[[nodiscard]] static inline TapRange taps_inside(const Conv3dGeometry& g, std::int64_t p, std::int64_t extent) {
  const std::int64_t first = p * g.stride - g.padding;  // x index of tap 0
  return {first < 0 ? -first : 0, extent - first < g.kernel ? extent - first : g.kernel};
}

/// Where dy and weight meet x: calls body(tap, voxel of x) for the taps of output voxel (d,h,w) that lie inside x.
template <class Body>
inline void for_each_tap(const Conv3dGeometry& g, std::int64_t d, std::int64_t h, std::int64_t w, const Body& body) {
  const TapRange td = taps_inside(g, d, g.x.d);
  const TapRange th = taps_inside(g, h, g.x.h);
  const TapRange tw = taps_inside(g, w, g.x.w);
  for (std::int64_t kd = td.begin; kd < td.end; ++kd) {
    for (std::int64_t kh = th.begin; kh < th.end; ++kh) {
      const std::int64_t row = (d * g.stride - g.padding + kd) * g.x.h + h * g.stride - g.padding + kh;
      for (std::int64_t kw = tw.begin; kw < tw.end; ++kw) {
        body((kd * g.kernel + kh) * g.kernel + kw, row * g.x.w + w * g.stride - g.padding + kw);
      }
    }
  }
}

/// The weight as the kernels see it: rounded to the storage type.
template <class T> [[nodiscard]] inline Acc<T> rounded(Acc<T> weight) { return load(store<T>(weight)); }

template <class T> void conv3d_forward_direct(const IsaQueue& q, const Conv3dArgs<T>& a) {
  const Conv3dGeometry& g = a.geometry;
  const std::int64_t taps = g.kernel * g.kernel * g.kernel;
  parallel_for(q, g.y.n * g.y.blocks() * g.y.d, [&](std::int64_t task) {
    const std::int64_t d = task % g.y.d;
    const std::int64_t block = task / g.y.d % g.y.blocks();
    const std::int64_t n = task / g.y.d / g.y.blocks();
    const std::int64_t present = g.y.channels_in(block);
    const VolumeParts<const T> x = x_side(g, a.x, a.x2);
    for (std::int64_t h = 0; h < g.y.h; ++h) {
      for (std::int64_t w = 0; w < g.y.w; ++w) {
        T* const y = a.y.data() + g.y.offset(n, block, (d * g.y.h + h) * g.y.w + w);
        for (std::int64_t c = 0; c < kBlock8; ++c) {
          const std::int64_t o = block * kBlock8 + c;
          Acc<T> sum{0};
          if (c < present) {
            if (!a.bias.empty()) { sum = a.bias.data()[o]; }
            for_each_tap(g, d, h, w, [&](std::int64_t tap, std::int64_t voxel) {
              for (std::int64_t i = 0; i < g.x.c; ++i) {
                sum += load(x.at(n, i / kBlock8)[voxel * kBlock8 + i % kBlock8]) *
                       rounded<T>(a.weight.data()[(o * g.x.c + i) * taps + tap]);
              }
            });
          }
          y[c] = store<T>(sum);
        }
      }
    }
  });
}

template <class T> void conv3d_grad_weight_direct(const IsaQueue& q, const Conv3dGradWeightArgs<T>& a) {
  const Conv3dGeometry& g = a.geometry;
  const std::int64_t taps = g.kernel * g.kernel * g.kernel;
  parallel_for(q, g.y.c * g.x.c, [&](std::int64_t task) {
    const std::int64_t o = task / g.x.c;
    const std::int64_t i = task % g.x.c;
    const VolumeParts<const T> x = x_side(g, a.x, a.x2);
    const T* const dy = a.dy.data();
    Acc<T>* const dweight = a.dweight.data() + task * taps;
    std::fill_n(dweight, taps, Acc<T>{0});
    for (std::int64_t n = 0; n < g.y.n; ++n) {
      const T* const channel = x.at(n, i / kBlock8) + i % kBlock8;
      for (std::int64_t v = 0; v < g.y.voxels(); ++v) {
        const Acc<T> gradient = load(dy[g.y.at(n, o, v)]);
        for_each_tap(g, v / g.y.w / g.y.h, v / g.y.w % g.y.h, v % g.y.w, [&](std::int64_t tap, std::int64_t voxel) {
          dweight[tap] += gradient * load(channel[voxel * kBlock8]);
        });
      }
    }
  });
}

/// The tap and the voxel of x that meet at p along one axis: p = at*stride-padding+tap. False when they do not.
[[nodiscard]] static inline bool meets(const Conv3dGeometry& g, std::int64_t p, std::int64_t tap, std::int64_t extent,
                                       std::int64_t& at) {
  const std::int64_t steps = p + g.padding - tap;
  at = steps / g.stride;
  return steps >= 0 && steps % g.stride == 0 && at < extent;
}

template <class T>
[[nodiscard]] static inline Acc<T> conv_transpose3d_at(const ConvTranspose3dArgs<T>& a, std::int64_t n, std::int64_t o,
                                                       std::int64_t voxel) {
  const Conv3dGeometry& g = a.geometry;
  const std::int64_t k = g.kernel;
  Acc<T> sum = a.bias.empty() ? Acc<T>{0} : a.bias.data()[o];
  std::int64_t d = 0;
  std::int64_t h = 0;
  std::int64_t w = 0;
  for (std::int64_t tap = 0; tap < k * k * k; ++tap) {
    if (!meets(g, voxel / g.x.w / g.x.h, tap / k / k, g.y.d, d)) { continue; }
    if (!meets(g, voxel / g.x.w % g.x.h, tap / k % k, g.y.h, h)) { continue; }
    if (!meets(g, voxel % g.x.w, tap % k, g.y.w, w)) { continue; }
    for (std::int64_t i = 0; i < g.y.c; ++i) {
      sum += load(a.x.data()[g.y.at(n, i, (d * g.y.h + h) * g.y.w + w)]) *
             rounded<T>(a.weight.data()[(i * g.x.c + o) * k * k * k + tap]);
    }
  }
  return sum;
}

template <class T> void conv_transpose3d_direct(const IsaQueue& q, const ConvTranspose3dArgs<T>& a) {
  const VolumeShape& s = a.geometry.x;
  const VolumeParts<T> out = x_side(a.geometry, a.y, a.y2);
  parallel_for(q, s.n * s.blocks() * s.d, [&](std::int64_t task) {
    const std::int64_t block = task / s.d % s.blocks();
    const std::int64_t n = task / s.d / s.blocks();
    const std::int64_t present = s.channels_in(block);
    const std::int64_t first = task % s.d * s.h * s.w;
    for (std::int64_t v = first; v < first + s.h * s.w; ++v) {
      T* const y = out.at(n, block) + v * kBlock8;
      for (std::int64_t c = 0; c < kBlock8; ++c) {
        y[c] = store<T>(c < present ? conv_transpose3d_at(a, n, block * kBlock8 + c, v) : Acc<T>{0});
      }
    }
  });
}

}  // namespace vox
