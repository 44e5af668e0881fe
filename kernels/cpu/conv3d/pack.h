#pragma once

#include <algorithm>

#include "kernels/base/bf16.h"
#include "kernels/base/parallel.h"
#include "kernels/cpu/simd/vector.h"
#include "kernels/plan/tiled.h"

// Weights between PyTorch's order and the tiles': [groups][in blocks][taps][8][group].

namespace vox {
namespace {

/// Where element (o, i, tap) of the weight lies, with o an output and i an input channel of the pass.
struct WeightAxes {
  std::int64_t o_step;
  std::int64_t i_step;
};
[[nodiscard]] inline WeightAxes weight_axes(const Conv3dTiling& t) {
  if (t.pass == Conv3dPass::spread) { return {.o_step = t.taps, .i_step = t.out.c * t.taps}; }
  return {.o_step = t.in.c * t.taps, .i_step = t.taps};
}

/// Eight output channels of one input channel, all taps: to[place[k]*8*group + o] = from[o*o_step + k], eight taps at a
/// time; the last eight overlap those before them.
template <class T>
void pack_channel(const Conv3dTiling& t, const Conv3dTaps& taps, const Acc<T>* from, std::int64_t o_step,
                  std::int64_t outputs, Acc<T>* to) {
  using V = Vector<Acc<T>, 8>;
  const auto row = [&](std::int64_t k) { return to + taps.place[static_cast<std::size_t>(k)] * kBlock8 * t.group; };
  if (outputs < kBlock8 || t.taps < kBlock8) {
    for (std::int64_t k = 0; k < t.taps; ++k) {
      for (std::int64_t o = 0; o < kBlock8; ++o) {
        row(k)[o] = o < outputs ? load(store<T>(from[o * o_step + k])) : Acc<T>{0};
      }
    }
    return;
  }
  for (std::int64_t done = 0; done < t.taps; done += kBlock8) {
    const std::int64_t k = std::min(done, t.taps - kBlock8);
    V square[8];
    unrolled<8>([&](auto o) VOX_INLINED { load_vector(square[o], from + o * o_step + k); });
    transpose8<Acc<T>>(square);
    unrolled<8>([&](auto i) VOX_INLINED {
      Acc<T>* const to_row = row(k + i);
      store_vector(to_row, square[i]);
      if constexpr (!std::is_same_v<T, Acc<T>>) {
        for (std::int64_t o = 0; o < kBlock8; ++o) { to_row[o] = load(store<T>(to_row[o])); }
      }
    });
  }
}

/// The weight rounded to T, and the bias [groups][group] after it; channels that do not exist are zero.
template <class T>
void pack_weight(const IsaQueue& q, const Conv3dTiling& t, const Conv3dTaps& taps, const Acc<T>* weight,
                 const Acc<T>* bias, Acc<T>* packed) {
  const WeightAxes axes = weight_axes(t);
  parallel_for(q, t.groups * t.in.blocks(), [&](std::int64_t task) {
    const std::int64_t first_i = task % t.in.blocks() * kBlock8;
    Acc<T>* const to = packed + task * t.taps * kBlock8 * t.group;
    for (std::int64_t part = 0; part < t.group; part += kBlock8) {
      const std::int64_t first_o = task / t.in.blocks() * t.group + part;
      for (std::int64_t c = 0; c < kBlock8; ++c) {
        const std::int64_t outputs = first_i + c < t.in.c ? std::clamp<std::int64_t>(t.out.c - first_o, 0, kBlock8) : 0;
        const Acc<T>* const from = outputs > 0 ? weight + first_o * axes.o_step + (first_i + c) * axes.i_step : weight;
        pack_channel<T>(t, taps, from, axes.o_step, outputs, to + c * t.group + part);
      }
    }
  });
  Acc<T>* const to = packed + t.groups * t.in.blocks() * t.taps * kBlock8 * t.group;
  for (std::int64_t o = 0; o < t.groups * t.group; ++o) {
    to[o] = bias != nullptr && o < t.out.c ? bias[o] : Acc<T>{0};
  }
}

/// The inverse for a gradient, of eight output channels and one input channel: to[o*o_step + k] = the sum over parts of
/// parts[from + part*part_step + k*8*group + o], in order; 0, and no look at parts, where there is none.
template <class A>
void unpack_channel(const Conv3dTiling& t, const A* parts, std::int64_t from, std::int64_t part_step,
                    std::int64_t outputs, A* to, std::int64_t o_step) {
  using V = Vector<A, 8>;
  const auto total = [&](V& sum, std::int64_t k) VOX_INLINED {
    sum = V{};
    for (std::int64_t part = 0; part < t.parts; ++part) {
      V one;
      load_vector(one, parts + from + part * part_step + k * kBlock8 * t.group);
      sum += one;
    }
  };
  if (outputs < kBlock8 || t.taps < kBlock8) {
    for (std::int64_t k = 0; k < t.taps; ++k) {
      V sum;
      total(sum, k);
      for (std::int64_t o = 0; o < outputs; ++o) { to[o * o_step + k] = sum[o]; }
    }
    return;
  }
  for (std::int64_t done = 0; done < t.taps; done += kBlock8) {
    const std::int64_t k = std::min(done, t.taps - kBlock8);
    V square[8];
    unrolled<8>([&](auto i) VOX_INLINED { total(square[i], k + i); });
    transpose8<A>(square);
    unrolled<8>([&](auto o) VOX_INLINED { store_vector(to + o * o_step + k, square[o]); });
  }
}

/// dweight from its parts, in PyTorch's order.
template <class A> void unpack_weight(const IsaQueue& q, const Conv3dTiling& t, const A* parts, A* dweight) {
  const WeightAxes axes = weight_axes(t);
  const std::int64_t tile = t.taps * kBlock8 * t.group;
  parallel_for(q, t.groups * t.in.blocks(), [&](std::int64_t task) {
    const std::int64_t first_i = task % t.in.blocks() * kBlock8;
    for (std::int64_t part = 0; part < t.group; part += kBlock8) {
      const std::int64_t first_o = task / t.in.blocks() * t.group + part;
      const std::int64_t outputs = std::min(t.out.c - first_o, kBlock8);
      for (std::int64_t c = 0; outputs > 0 && c < t.in.channels_in(task % t.in.blocks()); ++c) {
        unpack_channel(t, parts, task * tile + c * t.group + part, t.groups * t.in.blocks() * tile, outputs,
                       dweight + first_o * axes.o_step + (first_i + c) * axes.i_step, axes.o_step);
      }
    }
  });
}

}  // namespace
}  // namespace vox
