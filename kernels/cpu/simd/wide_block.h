#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/base/bf16.h"
#include "kernels/cpu/simd/lanes.h"
#include "kernels/cpu/simd/vector.h"

// Many voxels at once, for volumes of one block: a vector holds one channel of kWide voxels, so that no lane is spent
// on padding channels and nothing is summed across lanes.

namespace vox {
namespace {

template <class A> inline constexpr int kWide = kVectorBytes / static_cast<int>(sizeof(A));
template <class A> using Wide = Vector<A, kWide<A>>;
template <class A> using WideInt = Vector<LaneInt<A>, kWide<A>>;
template <class A, int K> using WideChannels = Registers<A, kWide<A>, K>;

/// to[i] = element Order::at(i) of a followed by b.
template <class Order, class V> VOX_INLINED inline void pick(const V& a, const V& b, V& to) {
  [&]<int... I>(std::integer_sequence<int, I...>) VOX_INLINED { to = __builtin_shufflevector(a, b, Order::at(I)...); }
  (std::make_integer_sequence<int, static_cast<int>(sizeof(V) / sizeof(LaneOf<V>))>{});
}
template <int First> struct EverySecond {
  static constexpr int at(int i) { return 2 * i + First; }
};
/// Of two vectors of N lanes in turns, from lane First of each.
template <int N, int First> struct InTurns {
  static constexpr int at(int i) { return i % 2 * N + First + i / 2; }
};
/// The first four of every eight elements.
struct LowHalves {
  static constexpr int at(int i) { return i / 4 * 8 + i % 4; }
};
/// Four elements of the first vector of N lanes, from lane First, then four of the second, and so on.
template <int N, int First> struct WithFourOfSecond {
  static constexpr int at(int i) { return i % 8 < 4 ? First + i / 8 * 4 + i % 4 : N; }
};

/// K of the channels of kWide voxels, of a block of which the other channels are zero: K is 4 or 8.
template <class T, int K> class WideBlock {
  static constexpr int N = kWide<Acc<T>>;  // NOLINT(readability-identifier-naming): as in the patterns above
  static constexpr int kHalf = K / 2;

 public:
  using V = Wide<Acc<T>>;
  using Channels = WideChannels<Acc<T>, K>;

  VOX_INLINED static void read(const T* from, Channels& channel) {
    unrolled<K>([&](auto i) VOX_INLINED {
      if constexpr (K == 4 && N >= 8) {
        V low;
        V high;
        load_lanes(from + 2 * i * N, low);
        load_lanes(from + (2 * i + 1) * N, high);
        pick<LowHalves>(low, high, channel[i]);
      } else {
        load_lanes(from + place(i * N), channel[i]);
      }
    });
    unrolled<kStages>([&](auto) VOX_INLINED {  // each moves a bit of the channel's number before the voxel's
      Channels was;
      unrolled<K>([&](auto i) VOX_INLINED { was[i] = channel[i]; });
      unrolled<kHalf>([&](auto i) VOX_INLINED {
        pick<EverySecond<0>>(was[2 * i], was[2 * i + 1], channel[i]);
        pick<EverySecond<1>>(was[2 * i], was[2 * i + 1], channel[kHalf + i]);
      });
    });
  }

  VOX_INLINED static void write(const Channels& channel, T* to) {
    Channels out;
    unrolled<K>([&](auto i) VOX_INLINED { out[i] = channel[i]; });
    unrolled<kStages>([&](auto) VOX_INLINED {
      Channels was;
      unrolled<K>([&](auto i) VOX_INLINED { was[i] = out[i]; });
      unrolled<kHalf>([&](auto i) VOX_INLINED {
        pick<InTurns<N, 0>>(was[i], was[kHalf + i], out[2 * i]);
        pick<InTurns<N, N / 2>>(was[i], was[kHalf + i], out[2 * i + 1]);
      });
    });
    unrolled<K>([&](auto i) VOX_INLINED {
      if constexpr (K == 4 && N >= 8) {
        V low;
        V high;
        pick<WithFourOfSecond<N, 0>>(out[i], V{}, low);
        pick<WithFourOfSecond<N, N / 2>>(out[i], V{}, high);
        store_lanes<T>(to + 2 * i * N, low);
        store_lanes<T>(to + (2 * i + 1) * N, high);
      } else {
        store_lanes<T>(to + place(i * N), out[i]);
        if constexpr (K == 4) { store_lanes<T>(to + place(i * N) + 4, V{}); }
      }
    });
  }

 private:
  static constexpr int kStages = K == 4 ? 2 : 3;

  /// Where element i of the first K channels, voxel by voxel, lies in the block.
  static constexpr int place(int i) { return i / K * 8 + i % K; }
};

/// The labels of as many voxels as v has lanes.
template <class V> VOX_INLINED inline void read_labels(const std::uint8_t* labels, V& v) {
  Like<V, std::uint8_t> bytes;
  __builtin_memcpy(&bytes, labels, sizeof bytes);
  const auto shorts = __builtin_convertvector(bytes, Like<V, std::uint16_t>);  // GCC 12 takes one step, but not two
  v = __builtin_convertvector(shorts, V);
}

/// Calls body(constant K) with the least K of WideBlock that the channels of one block fit in.
template <class Body> void on_width(std::int64_t channels, const Body& body) {
  if (channels <= 4) {
    body(std::integral_constant<int, 4>{});
  } else {
    body(std::integral_constant<int, 8>{});
  }
}

}  // namespace
}  // namespace vox
