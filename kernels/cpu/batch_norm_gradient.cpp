#include <cassert>

#include "kernels/cpu/batch_norm_activation.h"

namespace vox {
namespace {

/// Sum over a chunk of the gradient behind the activation, and of its product with x - mean.
template <class T, class Act>
void gradient_sums(const T* x, const T* dy, std::int64_t first, std::int64_t count, const Normalisation<Acc<T>>& norm,
                   const Act& act, double* partials) {
  Acc<T> sum[kLanes]{};
  Acc<T> product[kLanes]{};
  over_pieces(act, first, count, [&](std::int64_t i, auto size, const Piece& piece) {
    for (std::int64_t j = 0; j < size; ++j) {
      const Acc<T> centred = load(x[i + j]) - norm.mean[j];
      const Acc<T> dn = act(centred * norm.slope[j] + norm.beta[j], load(dy[i + j]), piece, j);
      sum[j] += dn;
      product[j] += dn * centred;
    }
  });
  double totals[2][kBlock8];
  fold(sum, totals[0]);
  fold(product, totals[1]);
  std::copy_n(totals[0], kBlock8, partials);
  std::copy_n(totals[1], kBlock8, partials + kBlock8);
}

/// dbeta and dgamma of each group, [groups,C].
template <class A> struct ParameterGradients {
  std::span<A> dbeta;
  std::span<A> dgamma;
};
template <class T> ParameterGradients<Acc<T>> gradients_of_groups(const BatchNormGradArgs<T>& a) {
  if (a.groups == 1) { return {.dbeta = a.dbeta, .dgamma = a.dgamma}; }
  const auto half = static_cast<std::size_t>(a.groups * a.shape.c);
  return {.dbeta = a.of_groups.first(half), .dgamma = a.of_groups.subspan(half, half)};
}

/// Those of the groups, and of all groups, from the sums of chunks.
template <class T> void add_chunks(const IsaQueue& q, const BatchNormGradArgs<T>& a) {
  using A = Acc<T>;
  const VolumeShape& s = a.shape;
  const std::int64_t cases = s.n / a.groups;
  const ParameterGradients<A> of = gradients_of_groups(a);
  parallel_for(q, a.groups * s.blocks(), [&](std::int64_t i) {
    const std::int64_t group = i / s.blocks();
    const std::int64_t block = i % s.blocks();
    double sum[2 * kBlock8]{};
    over_partials(s, a.partials, block, group * cases, (group + 1) * cases, [&](const double* partial, std::int64_t) {
      for (std::int64_t c = 0; c < 2 * kBlock8; ++c) { sum[c] += partial[c]; }
    });
    for (std::int64_t c = 0; c < s.channels_in(block); ++c) {
      const auto at = static_cast<std::size_t>(group * s.c + block * kBlock8 + c);
      of.dbeta[at] = static_cast<A>(sum[c]);
      of.dgamma[at] = static_cast<A>(sum[kBlock8 + c]) * inverse_deviation(a.variance[at], a.eps);
    }
  });
  if (a.groups == 1) { return; }
  for (std::int64_t c = 0; c < s.c; ++c) {
    double dbeta = 0;
    double dgamma = 0;
    for (std::int64_t group = 0; group < a.groups; ++group) {
      dbeta += static_cast<double>(of_group(of.dbeta, group, s)[static_cast<std::size_t>(c)]);
      dgamma += static_cast<double>(of_group(of.dgamma, group, s)[static_cast<std::size_t>(c)]);
    }
    a.dbeta[static_cast<std::size_t>(c)] = static_cast<A>(dbeta);
    a.dgamma[static_cast<std::size_t>(c)] = static_cast<A>(dgamma);
  }
}

template <class T, class Act> void sums_of_chunks(const IsaQueue& q, const BatchNormGradArgs<T>& a, const Act& act) {
  assert(std::ssize(a.partials) == batch_norm_partials(a.shape));
  for_chunks(q, a.shape, [&](const Chunk& c) {
    gradient_sums(a.x.data() + c.first, a.dy.data() + c.first, c.first, c.count,
                  normalisation<Acc<T>>(a, c.block, c.n * a.groups / a.shape.n), act,
                  a.partials.data() + c.number * 2 * kBlock8);
  });
}

/// dx, from the sums of the groups.
template <class T, class Act> void gradient_of_x(const IsaQueue& q, const BatchNormGradArgs<T>& a, const Act& act) {
  using A = Acc<T>;
  const std::int64_t cases = a.shape.n / a.groups;
  const ParameterGradients<A> of = gradients_of_groups(a);
  const auto per_value =
      static_cast<A>(a.statistics == Statistics::constant ? 0.0 : 1.0 / static_cast<double>(cases * a.shape.voxels()));
  for_chunks(q, a.shape, [&](const Chunk& c) {
    const std::int64_t group = c.n / cases;
    const auto norm = normalisation<A>(a, c.block, group);
    const auto lanes = [&](std::span<const A> values) { return lanes_of(of_group(values, group, a.shape), c.block); };
    const Lanes<A> dbeta = lanes(of.dbeta);
    const Lanes<A> dgamma = lanes(of.dgamma);
    const Lanes<A> variance = lanes(a.variance);
    A offset[kLanes];
    A pull[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) {
      offset[i] = dbeta[i % kBlock8] * per_value;
      pull[i] = dgamma[i % kBlock8] * (per_value * inverse_deviation(variance[i % kBlock8], a.eps));
    }
    const T* const x = a.x.data() + c.first;
    const T* const dy = a.dy.data() + c.first;
    T* const dx = a.dx.data() + c.first;
    over_pieces(act, c.first, c.count, [&](std::int64_t i, auto size, const Piece& piece) {
      for (std::int64_t j = 0; j < size; ++j) {
        const A centred = load(x[i + j]) - norm.mean[j];
        const A dn = act(centred * norm.slope[j] + norm.beta[j], load(dy[i + j]), piece, j);
        dx[i + j] = store<T>(norm.slope[j] * (dn - offset[j] - centred * pull[j]));
      }
    });
  });
}

}  // namespace

template <class T> void batch_norm_backward(IsaQueue& q, const BatchNormGradArgs<T>& a) {
  with_kind<Acc<T>>(a.activation, a.passed, [&](const auto& act) {
    sums_of_chunks(q, a, act);
    add_chunks(q, a);
    if (!a.dx.empty()) { gradient_of_x(q, a, act); }
  });
}

VOX_INSTANTIATE(IsaQueue, batch_norm_backward, BatchNormGradArgs);

}  // namespace vox
