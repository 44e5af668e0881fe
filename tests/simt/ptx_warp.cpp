#include <bit>

#include "kernels/base/bf16.h"
#include "kernels/simt/tensor_core.h"
#include "tests/simt/ptx_block.h"

/// Instructions that the lanes of a warp execute together. Fragments are placed element by element, as the tables of
/// the PTX manual number them: on purpose not the way kernels/simt/matrices.cpp does it.
namespace vox::ptx {
namespace {

template <class Body> void for_lanes(unsigned lanes, const Body& body) {
  for (unsigned m = lanes; m != 0; m &= m - 1) { body(static_cast<unsigned>(std::countr_zero(m))); }
}

float bf16_at(std::uint64_t word, unsigned half) {
  return to_float(Bf16{static_cast<std::uint16_t>(word >> (16 * half))});
}

float tf32_of(std::uint64_t word) { return std::bit_cast<float>(static_cast<std::uint32_t>(word) & ~0x1FFFU); }

}  // namespace

void Block::shuffle(const Instruction& in, unsigned lanes) {
  const Operand& to = in.operands[0];
  const bool two = to.what == Operand::What::vector;
  std::uint64_t before[kLanes] = {};
  for_lanes(lanes, [&](unsigned l) { before[l] = get(in.operands[1], l); });
  for_lanes(lanes, [&](unsigned l) {
    const auto b = static_cast<unsigned>(get(in.operands[2], l)) & 31U;
    const auto c = static_cast<unsigned>(get(in.operands[3], l));
    const unsigned segment = c >> 8U & 31U;
    const unsigned last = (l & segment) | (c & 31U & ~segment);
    unsigned from = (l & segment) | (b & ~segment);
    bool valid = from <= last;
    if (in.has(Mod::up)) {
      from = l - b;
      valid = static_cast<int>(l) - static_cast<int>(b) >= static_cast<int>(last);
    } else if (in.has(Mod::down)) {
      from = l + b;
      valid = from <= last;
    } else if (in.has(Mod::bfly)) {
      from = l ^ b;
      valid = from <= last;
    }
    if (!valid) { from = l; }
    if ((lanes >> from & 1U) == 0) { refuse(in, "it reads a lane that does not take part"); }
    put(two ? to.parts[0] : to, l, before[from], 32);
    if (two) { put(to.parts[1], l, static_cast<std::uint64_t>(valid), 1); }
  });
}

void Block::vote(const Instruction& in, unsigned lanes) {
  unsigned votes = 0;
  for_lanes(lanes, [&](unsigned l) { votes |= static_cast<unsigned>(get(in.operands[1], l) != 0) << l; });
  const std::uint64_t result = in.has(Mod::ballot) ? votes
                               : in.has(Mod::any)  ? static_cast<std::uint64_t>(votes != 0)
                                                   : static_cast<std::uint64_t>(votes == lanes);
  for_lanes(lanes, [&](unsigned l) { put(in.operands[0], l, result, 32); });
}

void Block::load_matrices(const Instruction& in) {
  const auto& to = in.operands[0].parts;
  std::uint16_t m[4][8][8] = {};
  for (unsigned l = 0; l < 8 * to.size(); ++l) {
    std::memcpy(m[l / 8][l % 8], at(in, l, address(in.operands[1], l), 16), 16);
  }
  for (unsigned l = 0; l < kLanes; ++l) {
    for (std::size_t k = 0; k < to.size(); ++k) {
      std::uint64_t word = 0;
      for (unsigned half = 0; half < 2; ++half) {
        const unsigned row = l / 4;
        const unsigned column = 2 * (l % 4) + half;
        word |= std::uint64_t{in.has(Mod::trans) ? m[k][column][row] : m[k][row][column]} << (16 * half);
      }
      put(to[k], l, word, 32);
    }
  }
}

void Block::multiply(const Instruction& in) {
  const bool bf16 = in.has(Mod::m16n8k16);
  if (warp_->exist != ~0U || warp_->done != 0) { refuse(in, "the warp is not whole"); }
  if (!bf16 && !in.has(Mod::m16n8k8)) { refuse(in, "the interpreter does not know this shape"); }
  simt::Factors rows[16];
  simt::Factors columns[8];
  for (unsigned l = 0; l < kLanes; ++l) {
    const auto word = [&](std::size_t operand, unsigned i) { return get(in.operands[operand].parts[i], l); };
    for (unsigned i = 0; i < (bf16 ? 8U : 4U); ++i) {
      const bool upper = bf16 ? i < 2 || (i >= 4 && i < 6) : i == 0 || i == 2;
      const unsigned row = l / 4 + (upper ? 0 : 8);
      if (bf16) {
        rows[row].set(l % 4 * 2 + i % 2 + (i >= 4 ? 8 : 0), bf16_at(word(1, i / 2), i % 2));
      } else {
        rows[row].set(l % 4 + (i >= 2 ? 4 : 0), tf32_of(word(1, i)));
      }
    }
    for (unsigned i = 0; i < (bf16 ? 4U : 2U); ++i) {
      if (bf16) {
        columns[l / 4].set(l % 4 * 2 + i % 2 + (i >= 2 ? 8 : 0), bf16_at(word(2, i / 2), i % 2));
      } else {
        columns[l / 4].set(l % 4 + 4 * i, tf32_of(word(2, i)));
      }
    }
  }
  for (unsigned l = 0; l < kLanes; ++l) {
    float d[4];
    for (unsigned i = 0; i < 4; ++i) {
      const auto c = std::bit_cast<float>(static_cast<std::uint32_t>(get(in.operands[3].parts[i], l)));
      d[i] = simt::add_products(simt::options().tensor_core, rows[l / 4 + (i >= 2 ? 8 : 0)], columns[l % 4 * 2 + i % 2],
                                c, bf16 ? 16 : 8);
    }
    for (unsigned i = 0; i < 4; ++i) { put(in.operands[0].parts[i], l, std::bit_cast<std::uint32_t>(d[i]), 32); }
  }
}

}  // namespace vox::ptx
