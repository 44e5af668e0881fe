#pragma once

#include "kernels/cpu/simd/vector.h"

// The one-dimensional transforms of Winograd's minimal filtering F(m,3), m = 2 or 4: m outputs of a kernel of three
// taps from m+2 inputs by m+2 multiplications. With d [m+2] inputs, g [3] taps, y [m] outputs:
//   y = A^T ((G g) * (B^T d))
// and its adjoints, for the gradient of the taps:  dg = G^T ((A dy) * (B^T d)).
// In three dimensions each is applied along D, H and W in turn.
//
// The m+2 points are 0, 1, -1 and infinity for m = 2; 0, +-sqrt(1/2), +-sqrt(2) and infinity for m = 4. Textbooks take
// 0, +-1, +-2: whole numbers, but up to ten times the error (Lavin and Gray 2015, arXiv:1509.09308; Barabasz et al.
// 2020, arXiv:1803.10986, on points). With the inverse pair, B and A hold no number above 2.83.

namespace vox {
namespace {

/// N values, one for each input or point of an axis; V is a vector, or a number.
template <class V, int N> using Several = V[static_cast<std::size_t>(N)];

/// Lanes of the accumulator type A that a vector of this instruction set has.
template <class A> constexpr int kLanesOf = kVectorBytes / static_cast<int>(sizeof(A));

template <class A> constexpr A kHalfRoot = static_cast<A>(0.70710678118654752440);    // sqrt(1/2)
template <class A> constexpr A kRoot = static_cast<A>(1.41421356237309504880);        // sqrt(2)
template <class A> constexpr A kRootEighth = static_cast<A>(0.35355339059327376220);  // sqrt(1/8) = sqrt(1/2)^3
template <class A> constexpr A kRootEight = static_cast<A>(2.82842712474619009760);   // sqrt(8) = sqrt(2)^3

/// B^T: kIn neighbours of x become kOut points. Tiles are kStep voxels apart.
template <int M> struct InputAxis {
  static_assert(M == 2 || M == 4);
  static constexpr int kIn = M + 2;
  static constexpr int kOut = M + 2;
  static constexpr int kStep = M;
  template <class A, class V> VOX_INLINED static void apply(const Several<V, kIn>& d, Several<V, kOut>& v) {
    if constexpr (M == 2) {
      v[0] = d[0] - d[2];
      v[1] = d[1] + d[2];
      v[2] = d[2] - d[1];
      v[3] = d[1] - d[3];
    } else {
      const V even1 = d[4] - A{2} * d[2];
      const V odd1 = d[3] - A{2} * d[1];
      const V even2 = d[4] - A{0.5} * d[2];
      const V odd2 = d[3] - A{0.5} * d[1];
      v[0] = (d[0] + d[4]) - A{2.5} * d[2];
      v[1] = even1 + kHalfRoot<A> * odd1;
      v[2] = even1 - kHalfRoot<A> * odd1;
      v[3] = even2 + kRoot<A> * odd2;
      v[4] = even2 - kRoot<A> * odd2;
      v[5] = (d[1] + d[5]) - A{2.5} * d[3];
    }
  }
};

/// A: kIn neighbours of dy become kOut points. The adjoint of OutputAxis.
template <int M> struct GradientAxis {
  static constexpr int kIn = M;
  static constexpr int kOut = M + 2;
  static constexpr int kStep = M;
  template <class A, class V> VOX_INLINED static void apply(const Several<V, kIn>& y, Several<V, kOut>& p) {
    p[0] = y[0];
    if constexpr (M == 2) {
      p[1] = y[0] + y[1];
      p[2] = y[0] - y[1];
      p[3] = -y[1];
    } else {
      const V even1 = y[0] + A{0.5} * y[2];
      const V odd1 = y[1] + A{0.5} * y[3];
      const V even2 = y[0] + A{2} * y[2];
      const V odd2 = y[1] + A{2} * y[3];
      p[1] = even1 + kHalfRoot<A> * odd1;
      p[2] = even1 - kHalfRoot<A> * odd1;
      p[3] = even2 + kRoot<A> * odd2;
      p[4] = even2 - kRoot<A> * odd2;
      p[5] = y[3];
    }
  }
};

/// A^T: kIn points become kOut neighbours of y.
template <int M> struct OutputAxis {
  static constexpr int kIn = M + 2;
  static constexpr int kOut = M;
  template <class A, class V> VOX_INLINED static void apply(const Several<V, kIn>& m, Several<V, kOut>& y) {
    const V sum1 = m[1] + m[2];
    const V difference1 = m[1] - m[2];
    if constexpr (M == 2) {
      y[0] = m[0] + sum1;
      y[1] = difference1 - m[3];
    } else {
      const V sum2 = m[3] + m[4];
      const V difference2 = m[3] - m[4];
      y[0] = (m[0] + sum1) + sum2;
      y[1] = kHalfRoot<A> * difference1 + kRoot<A> * difference2;
      y[2] = A{0.5} * sum1 + A{2} * sum2;
      y[3] = (m[5] + kRootEighth<A> * difference1) + kRootEight<A> * difference2;
    }
  }
};

/// G: three taps become kOut points.
template <int M> struct FilterAxis {
  static constexpr int kIn = 3;
  static constexpr int kOut = M + 2;
  template <class A, class V> VOX_INLINED static void apply(const Several<V, kIn>& g, Several<V, kOut>& u) {
    u[0] = g[0];
    if constexpr (M == 2) {
      u[1] = A{0.5} * (g[0] + g[2]) + A{0.5} * g[1];
      u[2] = A{0.5} * (g[0] + g[2]) - A{0.5} * g[1];
      u[3] = g[2];
    } else {
      const V even1 = g[0] + A{0.5} * g[2];
      const V even2 = g[0] + A{2} * g[2];
      u[1] = (even1 + kHalfRoot<A> * g[1]) * (A{-2} / A{3});
      u[2] = (even1 - kHalfRoot<A> * g[1]) * (A{-2} / A{3});
      u[3] = (even2 + kRoot<A> * g[1]) * (A{1} / A{6});
      u[4] = (even2 - kRoot<A> * g[1]) * (A{1} / A{6});
      u[5] = g[2];
    }
  }
};

/// G^T: kIn points become the gradient of three taps. The adjoint of FilterAxis.
template <int M> struct FilterGradientAxis {
  static constexpr int kIn = M + 2;
  static constexpr int kOut = 3;
  template <class A, class V> VOX_INLINED static void apply(const Several<V, kIn>& u, Several<V, kOut>& g) {
    if constexpr (M == 2) {
      g[0] = u[0] + A{0.5} * (u[1] + u[2]);
      g[1] = A{0.5} * (u[1] - u[2]);
      g[2] = u[3] + A{0.5} * (u[1] + u[2]);
    } else {
      const V sum1 = (u[1] + u[2]) * (A{-2} / A{3});
      const V difference1 = (u[1] - u[2]) * (A{-2} / A{3});
      const V sum2 = (u[3] + u[4]) * (A{1} / A{6});
      const V difference2 = (u[3] - u[4]) * (A{1} / A{6});
      g[0] = (u[0] + sum1) + sum2;
      g[1] = kHalfRoot<A> * difference1 + kRoot<A> * difference2;
      g[2] = (u[5] + A{0.5} * sum1) + A{2} * sum2;
    }
  }
};

}  // namespace
}  // namespace vox
