#include <algorithm>
#include <bit>

#include "tests/simt/ptx_block.h"

namespace vox::ptx {

void Block::integer(const Instruction& in, unsigned lane) {
  const int bits = in.type.bits;
  const bool is_signed = in.type.kind == Kind::signed_int;
  const auto u = [&](std::size_t i) { return low_bits(get(in.operands[i], lane), bits); };
  const auto s = [&](std::size_t i) { return sign_extended(u(i), bits); };
  const auto shift = [&] { return std::min<std::uint64_t>(low_bits(get(in.operands[2], lane), 32), 64); };
  std::uint64_t r = 0;
  int width = bits;
  switch (in.op) {
    case Op::add:
      r = u(1) + u(2);
      break;
    case Op::sub:
      r = u(1) - u(2);
      break;
    case Op::mul:
    case Op::mad: {
      __extension__ using Wide = unsigned __int128;
      __extension__ using SignedWide = __int128;
      Wide product = is_signed ? static_cast<Wide>(SignedWide{s(1)} * s(2)) : Wide{u(1)} * u(2);
      if (in.has(Mod::wide)) { width = 2 * bits; }
      if (in.has(Mod::hi)) { product >>= static_cast<unsigned>(bits); }
      r = static_cast<std::uint64_t>(product) + (in.op == Op::mad ? get(in.operands[3], lane) : 0);
      break;
    }
    case Op::div:
      if (u(2) == 0) { refuse(in, "division by zero"); }
      r = is_signed ? static_cast<std::uint64_t>(s(1) / s(2)) : u(1) / u(2);
      break;
    case Op::rem:
      if (u(2) == 0) { refuse(in, "division by zero"); }
      r = is_signed ? static_cast<std::uint64_t>(s(1) % s(2)) : u(1) % u(2);
      break;
    case Op::min:
      r = is_signed ? static_cast<std::uint64_t>(std::min(s(1), s(2))) : std::min(u(1), u(2));
      break;
    case Op::max:
      r = is_signed ? static_cast<std::uint64_t>(std::max(s(1), s(2))) : std::max(u(1), u(2));
      break;
    case Op::neg:
      r = 0 - u(1);
      break;
    case Op::abs:
      r = s(1) < 0 ? 0 - u(1) : u(1);
      break;
    case Op::bit_and:
      r = u(1) & u(2);
      break;
    case Op::bit_or:
      r = u(1) | u(2);
      break;
    case Op::bit_xor:
      r = u(1) ^ u(2);
      break;
    case Op::bit_not:
      r = ~u(1);
      break;
    case Op::shl:
      r = shift() >= 64 ? 0 : u(1) << shift();
      break;
    case Op::shr:
      r = is_signed       ? static_cast<std::uint64_t>(s(1) >> std::min<std::uint64_t>(shift(), 63))
          : shift() >= 64 ? 0
                          : u(1) >> shift();
      break;
    default:
      refuse(in, "the interpreter cannot execute it");
  }
  put(in.operands[0], lane, r, width);
}

void Block::bit_field(const Instruction& in, unsigned lane) {
  const int bits = in.type.bits;
  const auto u = [&](std::size_t i) { return get(in.operands[i], lane); };
  const auto byte = [&](std::size_t i) { return static_cast<int>(u(i) & 0xFFU); };
  std::uint64_t r = 0;
  int width = bits;
  switch (in.op) {
    case Op::popc:
      r = static_cast<std::uint64_t>(std::popcount(low_bits(u(1), bits)));
      width = 32;
      break;
    case Op::clz:
      r = static_cast<std::uint64_t>(std::countl_zero(low_bits(u(1), bits)) - (64 - bits));
      width = 32;
      break;
    case Op::brev:
      for (int i = 0; i < bits; ++i) { r |= (u(1) >> i & 1U) << (bits - 1 - i); }
      break;
    case Op::bfe: {
      const int length = std::min(byte(3), std::max(bits - byte(2), 0));
      r = length == 0 ? 0 : low_bits(low_bits(u(1), bits) >> byte(2), length);
      if (in.type.kind == Kind::signed_int && length > 0) { r = static_cast<std::uint64_t>(sign_extended(r, length)); }
      break;
    }
    case Op::bfi: {
      const std::uint64_t field = byte(3) >= bits ? 0 : low_bits(~std::uint64_t{0}, byte(4)) << byte(3);
      r = (u(2) & ~field) | (byte(3) >= bits ? 0 : (u(1) << byte(3)) & field);
      break;
    }
    case Op::prmt: {
      const std::uint64_t both = low_bits(u(1), 32) | u(2) << 32U;
      for (unsigned i = 0; i < 4; ++i) {
        const auto pick = static_cast<unsigned>(u(3) >> (4 * i) & 0xFU);
        std::uint64_t b = both >> (8 * (pick & 7U)) & 0xFFU;
        if ((pick & 8U) != 0) { b = (b & 0x80U) != 0 ? 0xFF : 0; }
        r |= b << (8 * i);
      }
      break;
    }
    case Op::lop3:
      for (unsigned i = 0; i < 8; ++i) {
        if ((u(4) >> i & 1U) == 0) { continue; }
        r |= ((i & 4U) != 0 ? u(1) : ~u(1)) & ((i & 2U) != 0 ? u(2) : ~u(2)) & ((i & 1U) != 0 ? u(3) : ~u(3));
      }
      break;
    default: {  // shf: a funnel of two words
      const std::uint64_t both = low_bits(u(1), 32) | u(2) << 32U;
      const std::uint64_t by = in.has(Mod::clamp) ? std::min<std::uint64_t>(low_bits(u(3), 32), 32) : u(3) & 31U;
      r = in.has(Mod::l) ? (both << by) >> 32U : both >> by;
    }
  }
  put(in.operands[0], lane, r, width);
}

}  // namespace vox::ptx
