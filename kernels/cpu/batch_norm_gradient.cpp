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
  if (!a.per_case) { return {.dbeta = a.dbeta, .dgamma = a.dgamma}; }
  const auto half = static_cast<std::size_t>(a.groups * a.shape.c);
  return {.dbeta = a.of_groups.first(half), .dgamma = a.of_groups.subspan(half, half)};
}

/// Shares of the cases in dbeta and dgamma: share k of channel c in case n is at [n * of_case + c / 8 * of_block + k *
/// apart + c % 8].
template <class Double> struct CaseShares {
  Double* first;
  std::int64_t of_case;
  std::int64_t of_block;
  std::int64_t apart;

  [[nodiscard]] Double* block(std::int64_t n, std::int64_t b) const { return first + n * of_case + b * of_block; }
};
/// [N,2,C]
template <class Double> CaseShares<Double> shares_in(std::span<Double> rows, std::int64_t channels) {
  return {.first = rows.data(), .of_case = 2 * channels, .of_block = kBlock8, .apart = channels};
}
/// In place of the sums of the first chunk of each block.
CaseShares<double> shares_in_partials(std::span<double> partials, const VolumeShape& s) {
  const std::int64_t row = chunks_of_blocks(s).per_row() * 2 * kBlock8;
  return {.first = partials.data(), .of_case = s.blocks() * row, .of_block = row, .apart = kBlock8};
}

/// From the sums of chunks. Where each case is a group, its gradients too.
template <class T> void add_chunks(const IsaQueue& q, const BatchNormGradArgs<T>& a, const CaseShares<double>& shares) {
  using A = Acc<T>;
  const VolumeShape& s = a.shape;
  const ParameterGradients<A> of = gradients_of_groups(a);
  parallel_for(q, s.n * s.blocks(), [&](std::int64_t i) {
    const std::int64_t n = i / s.blocks();
    const std::int64_t block = i % s.blocks();
    double sum[2 * kBlock8]{};
    over_partials(s, a.partials, block, n, n + 1, [&](const double* partial, std::int64_t) {
      for (std::int64_t c = 0; c < 2 * kBlock8; ++c) { sum[c] += partial[c]; }
    });
    double* const to = shares.block(n, block);
    for (std::int64_t c = 0; c < s.channels_in(block); ++c) {
      to[c] = sum[c];
      to[shares.apart + c] = sum[kBlock8 + c];
      if (!a.per_case) { continue; }
      const auto at = static_cast<std::size_t>(n * s.c + block * kBlock8 + c);
      of.dbeta[at] = static_cast<A>(sum[c]);
      of.dgamma[at] = static_cast<A>(sum[kBlock8 + c]) * inverse_deviation(a.variance[at], a.eps);
      to[c] = static_cast<double>(of.dbeta[at]);
      to[shares.apart + c] = static_cast<double>(of.dgamma[at]);
    }
  });
}

/// dbeta and dgamma, from the shares of so many cases.
template <class T, class Double>
void add_cases(const BatchNormGradArgs<T>& a, const CaseShares<Double>& shares, std::int64_t cases) {
  using A = Acc<T>;
  for (std::int64_t c = 0; c < a.shape.c; ++c) {
    double dbeta = 0;
    double dgamma = 0;
    for (std::int64_t n = 0; n < cases; ++n) {
      const Double* const of = shares.block(n, c / kBlock8) + c % kBlock8;
      dbeta += of[0];
      dgamma += of[shares.apart];
    }
    const auto at = static_cast<std::size_t>(c);
    a.dbeta[at] = static_cast<A>(dbeta);
    a.dgamma[at] = static_cast<A>(dgamma) * (a.per_case ? A{1} : inverse_deviation(a.variance[at], a.eps));
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
  const std::int64_t whole = a.per_case ? cases : a.shape.whole();
  const ParameterGradients<A> of = gradients_of_groups(a);
  const auto per_value =
      static_cast<A>(a.statistics == Statistics::constant ? 0.0 : 1.0 / static_cast<double>(whole * a.shape.voxels()));
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
  assert(a.groups == (a.per_case ? a.shape.n : 1));
  with_kind<Acc<T>>(a.activation, a.passed, [&](const auto& act) {
    if (a.all_sums.empty()) {
      const bool wanted = !a.case_sums.empty();
      const CaseShares<double> shares =
          wanted ? shares_in(a.case_sums, a.shape.c) : shares_in_partials(a.partials, a.shape);
      sums_of_chunks(q, a, act);
      add_chunks(q, a, shares);
      if (wanted) { return; }
      add_cases(a, shares, a.shape.n);
    } else {
      add_cases(a, shares_in(a.all_sums, a.shape.c), a.shape.whole());
    }
    if (!a.dx.empty()) { gradient_of_x(q, a, act); }
  });
}

VOX_INSTANTIATE(IsaQueue, batch_norm_backward, BatchNormGradArgs);

}  // namespace vox
