#include "kernels/simt/matrices.h"

#include <bit>
#include <cstring>

#include "kernels/base/check.h"
#include "kernels/simt/runner.h"
#include "kernels/simt/tensor_core.h"

/// Fragment layouts: NVIDIA, "Parallel Thread Execution ISA", mma.m16n8k16, mma.m16n8k8 and ldmatrix.
namespace vox::simt {
namespace {

struct Tile {
  Factors rows[16];
  Factors columns[8];
};

float bf16_half(std::uint32_t pair, unsigned half) {
  return std::bit_cast<float>(half == 0 ? pair << 16U : pair & 0xFFFF0000U);
}

float tf32(std::uint32_t bits) { return std::bit_cast<float>(bits & ~0x1FFFU); }

/// group = lane/4, t = lane%4: A holds rows group and group+8, columns 2t, 2t+1 and 8 more; B columns group.
void gather_bf16(Tile& tile, const Fragments& f, unsigned group, unsigned t) {
  for (unsigned half = 0; half < 2; ++half) {
    const unsigned k = 2 * t + half;
    tile.rows[group].set(k, bf16_half(f.a[0], half));
    tile.rows[group + 8].set(k, bf16_half(f.a[1], half));
    tile.rows[group].set(k + 8, bf16_half(f.a[2], half));
    tile.rows[group + 8].set(k + 8, bf16_half(f.a[3], half));
    tile.columns[group].set(k, bf16_half(f.b[0], half));
    tile.columns[group].set(k + 8, bf16_half(f.b[1], half));
  }
}

void gather_tf32(Tile& tile, const Fragments& f, unsigned group, unsigned t) {
  tile.rows[group].set(t, tf32(f.a[0]));
  tile.rows[group + 8].set(t, tf32(f.a[1]));
  tile.rows[group].set(t + 4, tf32(f.a[2]));
  tile.rows[group + 8].set(t + 4, tf32(f.a[3]));
  tile.columns[group].set(t, tf32(f.b[0]));
  tile.columns[group].set(t + 4, tf32(f.b[1]));
}

void check_rounded(const Lane& lane, const Fragments& f) {
  if (((f.a[0] | f.a[1] | f.a[2] | f.a[3] | f.b[0] | f.b[1]) & 0x1FFFU) == 0) { return; }
  report(Fault::tf32_operand, lane.call.at,
         fmt::format("{} feeds tf32 mma an operand that f32_to_tf32 did not round: the hardware ignores its low bits",
                     place_of(lane)));
}

/// Row `number` of the transposed or plain 8x8 matrix as lane sees it: elements (lane/4, 2*(lane%4)) and the next.
std::uint32_t fragment_of(const std::uint16_t (&m)[8][8], unsigned lane, bool transposed) {
  const unsigned i = lane / 4;
  const unsigned j = 2 * (lane % 4);
  const unsigned low = transposed ? m[j][i] : m[i][j];
  const unsigned high = transposed ? m[j + 1][i] : m[i][j + 1];
  return low | high << 16U;
}

}  // namespace

void multiply_fragments(Runner& r, unsigned first) {
  Tile tile;
  const auto kind = static_cast<Mma>(r.lanes[first].call.number);
  const int depth = kind == Mma::tf32_m16n8k8 ? 8 : 16;
  for (unsigned i = 0; i < kWarp; ++i) {
    const Lane& lane = r.lanes[first + i];
    const auto& f = *static_cast<const Fragments*>(lane.call.in);
    const unsigned group = i / 4;
    const unsigned t = i % 4;
    if (kind == Mma::tf32_m16n8k8) {
      check_rounded(lane, f);
      gather_tf32(tile, f, group, t);
    } else {
      gather_bf16(tile, f, group, t);
    }
  }
  for (unsigned i = 0; i < kWarp; ++i) {
    const WarpCall& call = r.lanes[first + i].call;
    const float* const c = static_cast<const Fragments*>(call.in)->c;
    auto* const d = static_cast<float*>(call.out);
    for (unsigned e = 0; e < 4; ++e) {
      d[e] = add_products(r.options.tensor_core, tile.rows[i / 4 + e / 2 * 8], tile.columns[2 * (i % 4) + e % 2], c[e],
                          depth);
    }
  }
}

void load_fragments(Runner& r, unsigned first) {
  const WarpCall& call = r.lanes[first].call;
  std::uint16_t m[4][8][8] = {};
  for (unsigned i = 0; i < 8 * call.number; ++i) {
    Lane& lane = r.lanes[first + i];
    if (!r.shared.holds(lane.call.in)) {
      stop_block(Fault::wild_address, call.at,
                 [&] { return fmt::format("{}: ldmatrix address is not in shared memory", place_of(lane)); });
    }
    note_access(r, lane, lane.call.in, 16, Access::read, call.at);
    std::memcpy(m[i / 8][i % 8], lane.call.in, 16);
  }
  for (unsigned i = 0; i < kWarp; ++i) {
    auto* out = static_cast<std::uint32_t*>(r.lanes[first + i].call.out);
    for (unsigned k = 0; k < call.number; ++k) { out[k] = fragment_of(m[k], i, call.flag); }
  }
}

}  // namespace vox::simt
