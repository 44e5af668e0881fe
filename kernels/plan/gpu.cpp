#include <limits>
#include <type_traits>

#include "kernels/conv_transpose3d.h"
#include "kernels/plan/gpu.h"

namespace vox {
namespace {

constexpr std::int64_t kMinDepth = 2;   // slices of a part: two more are read
constexpr std::int64_t kMaxDepth = 32;  // a thread block that starts last then runs briefly while the GPU is idle else
constexpr std::int64_t kMinGradDepth = 4;
constexpr std::int64_t kDirectThreads = 1LL << 18;
constexpr std::int64_t kMaxGrid = std::numeric_limits<std::int32_t>::max();  // thread blocks of a launch

bool is_march(const Conv3dGeometry& g, Conv3dPass pass) {
  return g.kernel == 3 && g.stride == 1 && g.padding == 1 && g.x.h * g.x.w <= kMaxSlice &&
         conv3d_march(g, pass, kBlock8 / 2).blocks() <= kMaxGrid;
}

/// The march's tiles read pairs of channel blocks: of the phases there are always such.
bool is_phases(const Conv3dGeometry& g, Conv3dPass pass) {
  const auto halves = [](std::int64_t fine, std::int64_t coarse) { return ceil_div(fine, 2) == coarse; };
  return g.kernel == 3 && g.stride == 2 && g.padding == 1 && halves(g.x.d, g.y.d) && halves(g.x.h, g.y.h) &&
         halves(g.x.w, g.y.w) && (pass != Conv3dPass::spread || g.y.blocks() % 2 == 0) && g.y.h * g.y.w <= kMaxSlice &&
         g.x.n * g.x.blocks() * 4 * g.y.voxels() <= kMaxGrid &&
         conv3d_march(conv3d_phases(g), pass, kBlock8).blocks() <= kMaxGrid;
}

bool is_gemm(const Conv3dGeometry& g) {
  if (g.split != 0) { return false; }  // 2^3 windows and the head have one input
  const auto fills = [&](std::int64_t fine, std::int64_t coarse) { return fine == coarse * g.kernel; };
  return g.kernel <= 2 && g.stride == g.kernel && g.padding == 0 && fills(g.x.d, g.y.d) && fills(g.x.h, g.y.h) &&
         fills(g.x.w, g.y.w) && g.x.voxels() <= kMaxSlice &&
         g.y.n * ceil_div(g.y.voxels(), 256) + kWantedBlocks <= kMaxGrid;
}

/// Boxes of what a march writes: what a thread block has, of the march itself or of adding shares.
std::int64_t boxes_of(const Conv3dMarch& m) {
  return m.shares == 1 ? m.columns() : m.out.n * ceil_div(m.out.voxels(), kSharedBoxVoxels);
}

std::int64_t scratch_elements(const Conv3dGeometry& g, Conv3dPass pass, Conv3dAlgorithm algorithm) {
  if (algorithm == Conv3dAlgorithm::direct) { return 0; }
  if (algorithm == Conv3dAlgorithm::gemm) { return conv3d_gemm(g, pass).packed_elements(); }
  if (g.stride == 2) {
    const Conv3dGeometry phases = conv3d_phases(g);
    return phase_scratch(conv3d_march(phases, pass, kBlock8), phases, pass).end;
  }
  // The type is not known here. f64, whose threads hold half as many rows, may share where the others do not.
  const Conv3dMarch m = conv3d_march(g, pass, kBlock8);
  return m.packed_elements() + std::max(m.partial_elements(), conv3d_march(g, pass, kBlock8 / 2).partial_elements());
}

}  // namespace

template <class T> bool fits(const DeviceQueue&, Conv3dAlgorithm algorithm, Conv3dPass pass, const Conv3dGeometry& g) {
  switch (algorithm) {
    case Conv3dAlgorithm::direct:
      return true;
    case Conv3dAlgorithm::tiled:
      return is_march(g, pass);
    case Conv3dAlgorithm::tensor_core:
      return std::is_same_v<T, Bf16> && (is_march(g, pass) || is_phases(g, pass));
    case Conv3dAlgorithm::gemm:
      return is_gemm(g);
    case Conv3dAlgorithm::winograd:
    case Conv3dAlgorithm::amx:
    case Conv3dAlgorithm::count_:
      break;
  }
  return false;
}
template bool fits<float>(const DeviceQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);
template bool fits<double>(const DeviceQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);
template bool fits<Bf16>(const DeviceQueue&, Conv3dAlgorithm, Conv3dPass, const Conv3dGeometry&);

Conv3dMarch conv3d_march(const Conv3dGeometry& g, Conv3dPass pass, std::int64_t rows_per_thread) {
  const bool spread = pass == Conv3dPass::spread;
  Conv3dMarch m;
  m.in = spread ? g.y : g.x;
  m.out = spread ? g.x : g.y;
  m.wide = m.out.w > 8 || m.out.h > 8;
  m.tile_w = m.wide ? 16 : 8;
  m.tile_h = m.wide ? 2 * rows_per_thread : rows_per_thread;
  m.tiles_w = ceil_div(m.out.w, m.tile_w);
  m.tiles_h = ceil_div(m.out.h, m.tile_h);
  m.warps_n = m.wide || pass == Conv3dPass::grad_weight ? 1 : 2;
  m.groups = ceil_div(m.out.c, m.warps_n * kGroup);
  const bool grad = pass == Conv3dPass::grad_weight;
  const std::int64_t whole = std::max<std::int64_t>(1, m.out.whole() * m.tiles_h * m.tiles_w * m.groups);
  const std::int64_t marches = m.wide ? kWantedMarches : 2 * kWantedMarches;  // of as many warps
  const std::int64_t wanted =
      std::max((grad ? kWantedBlocks : marches) / whole, grad ? 1 : ceil_div(m.out.d, kMaxDepth));
  const std::int64_t parts = std::clamp<std::int64_t>(wanted, 1, ceil_div(m.out.d, grad ? kMinGradDepth : kMinDepth));
  m.depth = ceil_div(m.out.d, parts);
  m.parts = ceil_div(m.out.d, m.depth);
  m.share_steps = std::max<std::int64_t>(1, ceil_div(m.in.c, kGroup));
  const std::int64_t blocks = std::max<std::int64_t>(1, m.out.whole() * m.columns_of_case() * m.groups);
  if (!grad && blocks < marches / 2) {
    const std::int64_t steps = m.share_steps;
    m.share_steps = ceil_div(steps, std::min(steps, marches / blocks));
    m.shares = ceil_div(steps, m.share_steps);
  }
  return m;
}

Conv3dGeometry conv3d_phases(const Conv3dGeometry& g) {
  Conv3dGeometry phases{.x = g.y, .y = g.y, .kernel = 3, .stride = 1, .padding = 1};
  phases.x.c = kPhaseTaps * g.x.blocks() * kBlock8;
  return phases;
}

PhaseScratch phase_scratch(const Conv3dMarch& m, const Conv3dGeometry& phases, Conv3dPass pass) {
  const std::int64_t chunk = kGroup * kGroup * kPhaseTaps / 2;  // bf16
  PhaseScratch s;
  s.partial = m.groups * m.warps_n * ceil_div(m.in.blocks(), 2) * chunk;
  s.phases = s.partial + m.partial_elements();
  s.bias = s.phases + phases.x.padded_count() / 2;
  s.end = s.bias + (pass == Conv3dPass::spread ? phases.x.c : 0);
  return s;
}

Conv3dGradMarch conv3d_grad_march(const Conv3dGeometry& g, std::int64_t input_group, std::int64_t taps) {
  Conv3dGradMarch m;
  m.taps = taps;
  m.march = conv3d_march(g, Conv3dPass::grad_weight, input_group / 2);
  m.input_group = input_group;
  m.input_groups = ceil_div(g.x.c, input_group);
  const std::int64_t wanted = std::max<std::int64_t>(1, kWantedGrads / (m.march.groups * m.input_groups));
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  const std::int64_t most = std::min(wanted, ceil_div(m.march.out.d, kMinGradDepth));
  for (std::int64_t parts = 1; parts <= std::max<std::int64_t>(1, most); ++parts) {
    Conv3dMarch cut = m.march;
    cut.depth = ceil_div(cut.out.d, parts);
    cut.parts = ceil_div(cut.out.d, cut.depth);
    const std::int64_t columns = std::max<std::int64_t>(1, cut.columns_of_case());
    const std::int64_t cases = std::max<std::int64_t>(1, cut.out.whole());
    const std::int64_t of_share = std::min(columns, ceil_div(cases * columns, wanted));
    const std::int64_t shares = ceil_div(columns, of_share);
    const std::int64_t turns = ceil_div(cases * shares, wanted);
    const std::int64_t slices = turns * of_share * (cut.depth + 1);  // what the last thread block waits for
    if (slices >= least) { continue; }
    least = slices;
    m.march = cut;
    m.shares_of_case = shares;
  }
  return m;
}

Conv3dGemm conv3d_gemm(const Conv3dGeometry& g, Conv3dPass pass) {
  const bool spread = pass == Conv3dPass::spread;
  Conv3dGemm m;
  m.in = spread ? g.y : g.x;
  m.out = spread ? g.x : g.y;
  m.taps = g.kernel * g.kernel * g.kernel;
  m.chunks = m.in.blocks() * (spread ? 1 : m.taps);
  m.tiles = m.out.blocks() * (spread ? m.taps : 1);
  return m;
}

Conv3dGradGemm conv3d_grad_gemm(const Conv3dGeometry& g) {
  Conv3dGradGemm m;
  m.taps = g.kernel * g.kernel * g.kernel;
  m.groups = ceil_div(g.y.c, Conv3dGradGemm::kOut);
  m.input_groups = ceil_div(g.x.c, Conv3dGradGemm::kIn);
  const std::int64_t wanted = std::max<std::int64_t>(1, kWantedGrads / (m.groups * m.input_groups));
  m.cases = g.y.n;
  m.shares_of_case = std::clamp<std::int64_t>(ceil_div(g.y.voxels(), Conv3dGradGemm::kVoxels), 1,
                                              ceil_div(wanted, std::max<std::int64_t>(1, g.y.whole())));
  return m;
}

std::int64_t conv3d_direct_shares(const Conv3dGeometry& g) {
  const std::int64_t most = ceil_div(g.y.voxels(), 256);
  const std::int64_t wanted = kDirectThreads / (weight_elements(g) * std::max<std::int64_t>(1, g.y.whole()));
  return std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, most));
}

template <class T> std::int64_t conv3d_boxes(const DeviceQueue&, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  const bool takes =
      algorithm == Conv3dAlgorithm::tensor_core || (algorithm == Conv3dAlgorithm::tiled && std::is_same_v<T, float>);
  return takes ? boxes_of(conv3d_march(march_geometry(g), Conv3dPass::correlate, kBlock8)) : 0;
}
template std::int64_t conv3d_boxes<float>(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
template std::int64_t conv3d_boxes<double>(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
template std::int64_t conv3d_boxes<Bf16>(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm);

std::int64_t conv_transpose3d_boxes(const DeviceQueue&, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  if (algorithm != Conv3dAlgorithm::tensor_core || g.split != 0 || g.stride != 1) { return 0; }
  const Conv3dMarch m = conv3d_march(g, Conv3dPass::spread, kBlock8);
  const bool pairs = m.in.blocks() % 2 == 0;  // as in every layer of the network; other marches have no kernel for it
  return m.shares > 1 || pairs ? boxes_of(m) : 0;
}
bool conv3d_grad_weight_sums(const DeviceQueue&, const Conv3dGeometry&, Conv3dAlgorithm) { return false; }
std::int64_t conv3d_forward_scratch(const DeviceQueue&, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  return scratch_elements(g, Conv3dPass::correlate, algorithm);
}
std::int64_t conv_transpose3d_scratch(const DeviceQueue&, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  return scratch_elements(g, Conv3dPass::spread, algorithm);
}
std::int64_t conv3d_grad_weight_scratch(const DeviceQueue&, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  switch (algorithm) {
    case Conv3dAlgorithm::tensor_core: {
      if (g.stride == 1) { return conv3d_grad_march(g, 2 * kBlock8).partial_elements(); }
      const Conv3dGeometry phases = conv3d_phases(g);
      return phases.x.padded_count() / 2 + conv3d_grad_march(phases, 2 * kBlock8, kPhaseTaps).partial_elements();
    }
    case Conv3dAlgorithm::tiled:
      return conv3d_grad_march(g, kBlock8).partial_elements();
    case Conv3dAlgorithm::gemm:
      return conv3d_grad_gemm(g).partial_elements();
    case Conv3dAlgorithm::winograd:
    case Conv3dAlgorithm::amx:
    case Conv3dAlgorithm::direct:
    case Conv3dAlgorithm::count_:
      break;
  }
  return g.y.n * conv3d_direct_shares(g) * weight_elements(g);
}
std::int64_t conv3d_grad_bias_scratch(const DeviceQueue&, const VolumeShape& dy) {
  return dy.n * dy.blocks() * ceil_div(dy.voxels(), kGradBiasVoxels) * kBlock8;
}

}  // namespace vox
