#include <numeric>

#include "benchmarks/rivals/onednn/work.h"
#include "kernels/base/check.h"

namespace vox::onednn {
namespace {

using bench::KernelSpec;
using bench::Pass;
using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using dims = memory::dims;
using desc = memory::desc;
using tag = memory::format_tag;

/// Layouts of one operator's operands, in the words of oneDNN.
struct Layouts {
  Layouts(const KernelSpec& s, memory::data_type data_type) : spec(s), type(data_type) {}

  [[nodiscard]] dims extents(std::int64_t channels, std::int64_t scale_up = 1, std::int64_t scale_down = 1) const {
    dims d{spec.batch, channels};
    for (const std::int64_t e : spec.shape.extent) { d.push_back(e * scale_up / scale_down); }
    return d;
  }
  [[nodiscard]] desc any(const dims& d) const { return {d, type, tag::any}; }
  /// What its convolutions leave behind on this machine: sixteen channels together.
  [[nodiscard]] desc blocked(const dims& d) const { return {d, type, d[1] < 16 ? tag::nCdhw8c : tag::nCdhw16c}; }
  [[nodiscard]] std::int64_t channels() const {
    return std::accumulate(spec.shape.in.begin(), spec.shape.in.end(), std::int64_t{0});
  }

  const KernelSpec& spec;
  memory::data_type type;
};

/// Convolutions and transposed ones have the same five arguments.
template <class Forward, class Data, class Weights>
void convolve(Work& w, const Layouts& l, algorithm how, const dims& x, const dims& weight, const dims& y,
              const dims& strides, const dims& padding) {
  const auto& e = w.engine();
  const auto forward = [&](prop_kind kind) {
    return typename Forward::primitive_desc(e, kind, how, l.any(x), l.any(weight), l.any(y), strides, padding, padding);
  };
  const auto hint = forward(prop_kind::forward_training);
  if (l.spec.pass == Pass::forward) {
    w.way = hint.impl_info_str();
    w.then(Forward(hint), {{DNNL_ARG_SRC, w.make(hint.src_desc())},
                           {DNNL_ARG_WEIGHTS, w.make(hint.weights_desc())},
                           {DNNL_ARG_DST, w.make(hint.dst_desc())}});
  } else if (l.spec.pass == Pass::grad_input) {
    const typename Data::primitive_desc pd(e, how, l.any(x), l.any(weight), l.any(y), strides, padding, padding, hint);
    w.way = pd.impl_info_str();
    w.then(Data(pd), {{DNNL_ARG_DIFF_SRC, w.make(pd.diff_src_desc())},
                      {DNNL_ARG_WEIGHTS, w.make(pd.weights_desc())},
                      {DNNL_ARG_DIFF_DST, w.make(pd.diff_dst_desc())}});
  } else {
    const typename Weights::primitive_desc pd(e, how, l.any(x), l.any(weight), l.any(y), strides, padding, padding,
                                              hint);
    w.way = pd.impl_info_str();
    w.then(Weights(pd), {{DNNL_ARG_SRC, w.make(pd.src_desc())},
                         {DNNL_ARG_DIFF_WEIGHTS, w.make(pd.diff_weights_desc())},
                         {DNNL_ARG_DIFF_DST, w.make(pd.diff_dst_desc())}});
  }
}

void convolution(Work& w, const Layouts& l) {
  const std::int64_t k = l.spec.shape.kernel > 0 ? l.spec.shape.kernel : 3;
  const std::int64_t out = l.spec.shape.out;
  const std::int64_t stride = std::max<std::int64_t>(l.spec.shape.stride, 1);
  dims y = l.extents(out);
  for (std::size_t axis = 2; axis < y.size(); ++axis) { y[axis] = (y[axis] + k / 2 * 2 - k) / stride + 1; }
  convolve<dnnl::convolution_forward, dnnl::convolution_backward_data, dnnl::convolution_backward_weights>(
      w, l, algorithm::convolution_auto, l.extents(l.channels()), {out, l.channels(), k, k, k}, y,
      {stride, stride, stride}, {k / 2, k / 2, k / 2});
}

void transposed_convolution(Work& w, const Layouts& l) {
  const std::int64_t k = l.spec.shape.kernel > 0 ? l.spec.shape.kernel : 2;
  const std::int64_t out = l.spec.shape.out;
  dims y = l.extents(out);
  for (std::size_t axis = 2; axis < y.size(); ++axis) { y[axis] = (y[axis] - 1) * 2 + k; }
  convolve<dnnl::deconvolution_forward, dnnl::deconvolution_backward_data, dnnl::deconvolution_backward_weights>(
      w, l, algorithm::deconvolution_direct, l.extents(l.channels()), {out, l.channels(), k, k, k}, y, {2, 2, 2},
      {0, 0, 0});
}

void pooling(Work& w, const Layouts& l) {
  const desc x = l.blocked(l.extents(l.channels()));
  const desc y = l.any(l.extents(l.channels(), 1, 2));
  const dims two{2, 2, 2};
  const dims none{0, 0, 0};
  const dnnl::pooling_forward::primitive_desc hint(w.engine(), prop_kind::forward_training, algorithm::pooling_max, x,
                                                   y, two, two, none, none, none);
  const memory places = w.make(hint.workspace_desc());
  w.way = hint.impl_info_str();
  if (l.spec.pass == Pass::forward) {
    w.then(dnnl::pooling_forward(hint), {{DNNL_ARG_SRC, w.make(hint.src_desc())},
                                         {DNNL_ARG_DST, w.make(hint.dst_desc())},
                                         {DNNL_ARG_WORKSPACE, places}});
    return;
  }
  const dnnl::pooling_backward::primitive_desc pd(w.engine(), algorithm::pooling_max, x, hint.dst_desc(), two, two,
                                                  none, none, none, hint);
  w.then(dnnl::pooling_backward(pd), {{DNNL_ARG_DIFF_SRC, w.make(pd.diff_src_desc())},
                                      {DNNL_ARG_DIFF_DST, w.make(pd.diff_dst_desc())},
                                      {DNNL_ARG_WORKSPACE, places}});
}

void batch_norm(Work& w, const Layouts& l, dnnl::normalization_flags relu) {
  const desc x = l.blocked(l.extents(l.channels()));
  const desc vector({l.channels()}, memory::data_type::f32, tag::a);
  const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift | relu;
  const dnnl::batch_normalization_forward::primitive_desc hint(w.engine(), prop_kind::forward_training, x, x, 1e-5F,
                                                               flags);
  Work::Arguments a{{DNNL_ARG_SRC, w.make(x)},
                    {DNNL_ARG_DST, w.make(x)},
                    {DNNL_ARG_MEAN, w.make(vector)},
                    {DNNL_ARG_VARIANCE, w.make(vector)},
                    {DNNL_ARG_SCALE, w.make(vector)},
                    {DNNL_ARG_SHIFT, w.make(vector)},
                    {DNNL_ARG_WORKSPACE, w.make(hint.workspace_desc())}};
  w.way = hint.impl_info_str();
  if (l.spec.pass == Pass::forward) { return w.then(dnnl::batch_normalization_forward(hint), a); }
  const dnnl::batch_normalization_backward::primitive_desc pd(w.engine(), prop_kind::backward, x, x, x, 1e-5F, flags,
                                                              hint);
  a.erase(DNNL_ARG_DST);
  for (const int vectors : {DNNL_ARG_DIFF_SCALE, DNNL_ARG_DIFF_SHIFT}) { a.emplace(vectors, w.make(vector)); }
  for (const int volumes : {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST}) { a.emplace(volumes, w.make(x)); }
  w.then(dnnl::batch_normalization_backward(pd), a);
}

void eltwise(Work& w, const Layouts& l, float slope) {
  const desc x = l.blocked(l.extents(l.channels()));
  const dnnl::eltwise_forward::primitive_desc hint(w.engine(), prop_kind::forward_training, algorithm::eltwise_relu, x,
                                                   x, slope);
  w.way = hint.impl_info_str();
  if (l.spec.pass == Pass::forward) {
    return w.then(dnnl::eltwise_forward(hint), {{DNNL_ARG_SRC, w.make(x)}, {DNNL_ARG_DST, w.make(x)}});
  }
  const dnnl::eltwise_backward::primitive_desc pd(w.engine(), algorithm::eltwise_relu, x, x, x, slope, hint);
  w.then(dnnl::eltwise_backward(pd),
         {{DNNL_ARG_SRC, w.make(x)}, {DNNL_ARG_DIFF_SRC, w.make(x)}, {DNNL_ARG_DIFF_DST, w.make(x)}});
}

void softmax(Work& w, const Layouts& l) {
  const desc x = l.blocked(l.extents(l.channels()));
  const dnnl::softmax_forward::primitive_desc hint(w.engine(), prop_kind::forward_training, algorithm::softmax_accurate,
                                                   x, x, 1);
  w.way = hint.impl_info_str();
  if (l.spec.pass == Pass::forward) {
    return w.then(dnnl::softmax_forward(hint), {{DNNL_ARG_SRC, w.make(x)}, {DNNL_ARG_DST, w.make(x)}});
  }
  const dnnl::softmax_backward::primitive_desc pd(w.engine(), algorithm::softmax_accurate, x, x, x, 1, hint);
  w.then(dnnl::softmax_backward(pd),
         {{DNNL_ARG_DST, w.make(x)}, {DNNL_ARG_DIFF_SRC, w.make(x)}, {DNNL_ARG_DIFF_DST, w.make(x)}});
}

void binary(Work& w, const Layouts& l, algorithm how) {
  const desc x = l.blocked(l.extents(l.spec.shape.in[0]));
  const dnnl::binary::primitive_desc pd(w.engine(), how, x, x, x);
  w.way = pd.impl_info_str();
  w.then(dnnl::binary(pd), {{DNNL_ARG_SRC_0, w.make(x)}, {DNNL_ARG_SRC_1, w.make(x)}, {DNNL_ARG_DST, w.make(x)}});
}

}  // namespace

bool prepare_kernel(Work& w, const KernelSpec& spec) {
  if (spec.dtype == DType::f64) { return false; }
  const Layouts l(spec, spec.dtype == DType::bf16 ? memory::data_type::bf16 : memory::data_type::f32);
  switch (spec.op) {
    case Op::conv3d:
    case Op::conv3d_concat:
      convolution(w, l);
      return true;
    case Op::conv_transpose3d:
      transposed_convolution(w, l);
      return true;
    case Op::max_pool3d:
      pooling(w, l);
      return true;
    case Op::batch_norm:
      batch_norm(w, l, dnnl::normalization_flags::none);
      return true;
    case Op::batch_norm_relu:
      batch_norm(w, l, dnnl::normalization_flags::fuse_norm_relu);
      return true;
    case Op::relu:
      eltwise(w, l, 0);
      return true;
    case Op::leaky_relu:
      eltwise(w, l, 0.01F);
      return true;
    case Op::softmax:
      softmax(w, l);
      return true;
    case Op::add:
    case Op::mul:
      if (spec.pass != Pass::forward) { return false; }
      binary(w, l, spec.op == Op::add ? algorithm::binary_add : algorithm::binary_mul);
      return true;
    default:
      return false;
  }
}

}  // namespace vox::onednn
