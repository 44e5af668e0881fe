#include "benchmarks/rivals/onednn/work.h"

namespace vox::onednn {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using dims = memory::dims;
using desc = memory::desc;
using tag = memory::format_tag;

constexpr auto kType = memory::data_type::f32;

/// Makes one layer after the other. Sizes are those of the level that is being made.
class Chain {
 public:
  Chain(Work& work, std::int64_t size, std::int64_t batch) : work_(work), side_(size), batch_(batch) {
    relu_.set_post_ops([] {
      dnnl::post_ops ops;
      ops.append_eltwise(algorithm::eltwise_relu, 0, 0);
      return ops;
    }());
  }

  [[nodiscard]] dims extents(std::int64_t channels) const { return {batch_, channels, side_, side_, side_}; }

  [[nodiscard]] memory convolution(const memory& x, std::int64_t out, std::int64_t k) {
    const std::int64_t in = x.get_desc().get_dims()[1];
    const desc bias({out}, kType, tag::a);
    const dims padding(3, k / 2);
    const dnnl::convolution_forward::primitive_desc pd(
        work_.engine(), prop_kind::forward_inference, algorithm::convolution_auto, desc(extents(in), kType, tag::any),
        desc({out, in, k, k, k}, kType, tag::any), bias, desc(extents(out), kType, tag::any), {1, 1, 1}, padding,
        padding, k > 1 ? relu_ : dnnl::primitive_attr());
    note(pd.impl_info_str());
    const memory source = work_.as(x, pd.src_desc());
    const memory y = work_.make(pd.dst_desc());
    work_.then(dnnl::convolution_forward(pd), {{DNNL_ARG_SRC, source},
                                               {DNNL_ARG_WEIGHTS, work_.make(pd.weights_desc())},
                                               {DNNL_ARG_BIAS, work_.make(bias)},
                                               {DNNL_ARG_DST, y}});
    return y;
  }

  [[nodiscard]] memory pool(const memory& x) {
    side_ /= 2;
    const dims two{2, 2, 2};
    const dims none{0, 0, 0};
    const dnnl::pooling_forward::primitive_desc pd(
        work_.engine(), prop_kind::forward_inference, algorithm::pooling_max, x.get_desc(),
        desc(extents(x.get_desc().get_dims()[1]), kType, tag::any), two, two, none, none, none);
    const memory y = work_.make(pd.dst_desc());
    work_.then(dnnl::pooling_forward(pd), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}});
    return y;
  }

  [[nodiscard]] memory up(const memory& x, std::int64_t out) {
    const std::int64_t in = x.get_desc().get_dims()[1];
    const desc from(extents(in), kType, tag::any);
    side_ *= 2;
    const desc bias({out}, kType, tag::a);
    const dnnl::deconvolution_forward::primitive_desc pd(
        work_.engine(), prop_kind::forward_inference, algorithm::deconvolution_direct, from,
        desc({out, in, 2, 2, 2}, kType, tag::any), bias, desc(extents(out), kType, tag::any), {2, 2, 2}, {0, 0, 0},
        {0, 0, 0});
    const memory source = work_.as(x, pd.src_desc());
    const memory y = work_.make(pd.dst_desc());
    work_.then(dnnl::deconvolution_forward(pd), {{DNNL_ARG_SRC, source},
                                                 {DNNL_ARG_WEIGHTS, work_.make(pd.weights_desc())},
                                                 {DNNL_ARG_BIAS, work_.make(bias)},
                                                 {DNNL_ARG_DST, y}});
    return y;
  }

  /// As if up's result and the skip connection had been written into it.
  [[nodiscard]] memory concatenated(const memory& y) {
    const dims d = y.get_desc().get_dims();
    return work_.make(desc(extents(2 * d[1]), kType, d[1] % 16 == 0 ? tag::nCdhw16c : tag::nCdhw8c));
  }

 private:
  void note(const std::string& implementation) {
    if (work_.way.find(implementation) == std::string::npos) {
      work_.way += (work_.way.empty() ? "" : ", ") + implementation;
    }
  }

  Work& work_;
  std::int64_t side_;
  std::int64_t batch_;
  dnnl::primitive_attr relu_;
};

}  // namespace

void prepare_network(Work& work, std::int64_t size, std::int64_t batch, const std::vector<std::int64_t>& widths) {
  constexpr std::int64_t kChannels = 4;
  constexpr std::int64_t kClasses = 4;
  Chain chain(work, size, batch);
  memory y = work.make(desc(chain.extents(kChannels), kType, tag::ncdhw));
  for (std::size_t l = 0; l < widths.size(); ++l) {
    if (l > 0) { y = chain.pool(y); }
    y = chain.convolution(chain.convolution(y, widths[l], 3), widths[l], 3);
  }
  for (std::size_t l = widths.size() - 1; l > 0; --l) {
    const std::int64_t out = widths[l - 1];
    y = chain.concatenated(chain.up(y, out));
    y = chain.convolution(chain.convolution(y, out, 3), out, 3);
  }
  static_cast<void>(chain.convolution(y, kClasses, 1));
}

}  // namespace vox::onednn
