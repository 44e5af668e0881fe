#include <bit>
#include <cfenv>
#include <cmath>

#include "kernels/base/bf16.h"
#include "tests/simt/ptx_block.h"

namespace vox::ptx {

double to_double(std::uint64_t bits, const Type& t) {
  if (t.kind == Kind::bf16) { return to_float(Bf16{static_cast<std::uint16_t>(bits)}); }
  if (t.bits == 64) { return std::bit_cast<double>(bits); }
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
}

std::uint64_t from_double(double v, const Type& t) {
  if (t.kind == Kind::bf16) { return std::isnan(v) ? 0x7FFFU : to_bf16(static_cast<float>(v)).bits; }
  if (t.bits == 64) { return std::bit_cast<std::uint64_t>(v); }
  return std::bit_cast<std::uint32_t>(static_cast<float>(v));
}

namespace {

/// Rounds as the instruction says while it lives. To the nearest is how programs round, and how no kernel is launched
/// otherwise: only other ways cost a change of the processor's mode.
class Rounding {
 public:
  explicit Rounding(const Instruction& in)
      : mode_(in.has(Mod::rm)   ? FE_DOWNWARD
              : in.has(Mod::rp) ? FE_UPWARD
              : in.has(Mod::rz) ? FE_TOWARDZERO
                                : FE_TONEAREST) {
    if (mode_ != FE_TONEAREST) { std::fesetround(mode_); }
  }
  ~Rounding() {
    if (mode_ != FE_TONEAREST) { std::fesetround(FE_TONEAREST); }
  }
  Rounding(const Rounding&) = delete;
  Rounding& operator=(const Rounding&) = delete;

 private:
  int mode_;
};

double minimum(double a, double b) {
  return std::isnan(a) ? b : std::isnan(b) ? a : a < b || (a == b && std::signbit(a)) ? a : b;
}

/// In the precision F of the instruction. volatile: the rounding mode must not be optimised past.
template <class F> F arithmetic(const Instruction& in, F a_in, F b_in, F c_in) {
  const Rounding rounding(in);
  volatile F a = a_in;
  volatile F b = b_in;
  volatile F c = c_in;
  volatile F result = 0;
  switch (in.op) {
    case Op::add:
      result = a + b;
      break;
    case Op::sub:
      result = a - b;
      break;
    case Op::mul:
      result = a * b;
      break;
    case Op::div:
      result = a / b;
      break;
    case Op::mad:
    case Op::fma:
      result = std::fma(F{a}, F{b}, F{c});
      break;
    case Op::min:
      result = static_cast<F>(minimum(a, b));
      break;
    case Op::max:
      result = static_cast<F>(-minimum(-a, -b));
      break;
    case Op::neg:
      result = -a;
      break;
    case Op::abs:
      result = std::fabs(F{a});
      break;
    case Op::copysign:
      result = std::copysign(F{b}, F{a});
      break;
    case Op::sqrt:
      result = std::sqrt(F{a});
      break;
    case Op::rsqrt:
      result = 1 / std::sqrt(F{a});
      break;
    case Op::rcp:
      result = 1 / a;
      break;
    case Op::ex2:
      result = std::exp2(F{a});
      break;
    case Op::lg2:
      result = std::log2(F{a});
      break;
    case Op::sin:
      result = std::sin(F{a});
      break;
    case Op::cos:
      result = std::cos(F{a});
      break;
    default:
      VOX_FAIL("PTX: '{}' is not done on floating-point numbers", in.text);
  }
  return result;
}

double rounded_to_integer(const Instruction& in, double v) {
  if (in.has(Mod::rni)) { return std::nearbyint(v); }
  if (in.has(Mod::rzi)) { return std::trunc(v); }
  if (in.has(Mod::rmi)) { return std::floor(v); }
  return in.has(Mod::rpi) ? std::ceil(v) : v;
}

std::uint64_t saturated(double v, const Type& t) {
  if (std::isnan(v)) { return 0; }
  const bool is_signed = t.kind == Kind::signed_int;
  const double top = std::ldexp(1.0, is_signed ? t.bits - 1 : t.bits);
  const double bottom = is_signed ? -top : 0.0;
  if (v >= top) {
    return low_bits(~std::uint64_t{0} >> static_cast<unsigned>(is_signed), is_signed ? t.bits - 1 : t.bits);
  }
  if (v <= bottom) { return is_signed ? std::uint64_t{1} << static_cast<unsigned>(t.bits - 1) : 0; }
  return is_signed ? static_cast<std::uint64_t>(static_cast<std::int64_t>(v)) : static_cast<std::uint64_t>(v);
}

bool is_floating(const Type& t) { return t.kind == Kind::floating || t.kind == Kind::bf16; }

std::uint32_t to_tf32(std::uint64_t bits) {
  const auto u = static_cast<std::uint32_t>(bits);
  return (u & 0x7F800000U) == 0x7F800000U ? u : (u + 0x1000U) & ~0x1FFFU;
}

}  // namespace

void Block::scalar(const Instruction& in, unsigned lane) {
  switch (in.op) {
    case Op::mov:
      return move(in, lane);
    case Op::ld:
    case Op::st:
      return memory(in, lane);
    case Op::atom:
    case Op::red:
      return atomic(in, lane);
    case Op::cp:
      return copy(in, lane);
    case Op::setp:
      return compare(in, lane);
    case Op::cvt:
      return convert(in, lane);
    case Op::selp:
      return put(in.operands[0], lane, get(in.operands[get(in.operands[3], lane) != 0 ? 1 : 2], lane), in.type.bits);
    case Op::cvta: {
      const std::uint64_t window = in.has(Mod::shared) ? kSharedWindow : in.has(Mod::local) ? kLocalWindow : 0;
      const std::uint64_t v = get(in.operands[1], lane);
      return put(in.operands[0], lane, in.has(Mod::to) ? v - ((v & kWindowMask) == window ? window : 0) : v + window,
                 64);
    }
    case Op::membar:
    case Op::fence:
      return;
    case Op::trap:
      refuse(in, "the kernel gave up: this architecture does not have what it calls");
    case Op::popc:
    case Op::clz:
    case Op::brev:
    case Op::bfe:
    case Op::bfi:
    case Op::prmt:
    case Op::lop3:
    case Op::shf:
      return bit_field(in, lane);
    default:
      return is_floating(in.type) ? floating(in, lane) : integer(in, lane);
  }
}

void Block::floating(const Instruction& in, unsigned lane) {
  double v[3] = {};
  for (std::size_t i = 1; i < in.operands.size() && i < 4; ++i) {
    v[i - 1] = to_double(get(in.operands[i], lane), in.type);
  }
  double result = 0;
  if (in.type.bits == 64) {
    result = arithmetic<double>(in, v[0], v[1], v[2]);
  } else {
    result = arithmetic<float>(in, static_cast<float>(v[0]), static_cast<float>(v[1]), static_cast<float>(v[2]));
  }
  if (in.has(Mod::sat)) { result = result >= 1 ? 1 : result > 0 ? result : 0; }
  put(in.operands[0], lane, from_double(result, in.type), in.type.bits);
}

void Block::compare(const Instruction& in, unsigned lane) {
  const auto a = get(in.operands[1], lane);
  const auto b = get(in.operands[2], lane);
  const auto order = [&](auto x, auto y) {
    const bool unordered = x != x || y != y;  // NOLINT(misc-redundant-expression): NaN
    if (in.has(Mod::nan) || in.has(Mod::num)) { return unordered == in.has(Mod::nan); }
    const bool or_unordered = in.has(Mod::ltu) || in.has(Mod::leu) || in.has(Mod::gtu) || in.has(Mod::geu) ||
                              in.has(Mod::equ) || in.has(Mod::neu);
    if (unordered) { return or_unordered; }
    if (in.has(Mod::lt) || in.has(Mod::ltu) || in.has(Mod::lo)) { return x < y; }
    if (in.has(Mod::le) || in.has(Mod::leu) || in.has(Mod::ls)) { return x <= y; }
    if (in.has(Mod::gt) || in.has(Mod::gtu) || in.has(Mod::hi)) { return x > y; }
    if (in.has(Mod::ge) || in.has(Mod::geu) || in.has(Mod::hs)) { return x >= y; }
    return (x == y) == (in.has(Mod::eq) || in.has(Mod::equ));
  };
  const int bits = in.type.bits;
  bool r = is_floating(in.type)               ? order(to_double(a, in.type), to_double(b, in.type))
           : in.type.kind == Kind::signed_int ? order(sign_extended(a, bits), sign_extended(b, bits))
                                              : order(low_bits(a, bits), low_bits(b, bits));
  if (in.operands.size() > 3) {
    const bool other = get(in.operands[3], lane) != 0;
    r = in.has(Mod::bit_and) ? r && other : in.has(Mod::bit_or) ? r || other : r != other;
  }
  const Operand& to = in.operands[0];
  const bool two = to.what == Operand::What::vector;
  put(two ? to.parts[0] : to, lane, static_cast<std::uint64_t>(r), 1);
  if (two) { put(to.parts[1], lane, static_cast<std::uint64_t>(!r), 1); }
}

void Block::convert(const Instruction& in, unsigned lane) {
  const std::uint64_t v = get(in.operands[1], lane);
  std::uint64_t r = 0;
  if (in.to.kind == Kind::tf32) {
    r = to_tf32(v);
  } else if (in.to.kind == Kind::bf16_pair) {
    const auto half = [&](std::uint64_t operand) {
      const double d = to_double(operand, in.type);
      return from_double(in.has(Mod::relu) && d <= 0 ? 0 : d, Type{Kind::bf16, 16});
    };
    r = half(v) << 16U | half(get(in.operands[2], lane));
  } else if (is_floating(in.type) && is_floating(in.to)) {
    double d = rounded_to_integer(in, to_double(v, in.type));
    if (in.has(Mod::sat)) { d = d >= 1 ? 1 : d > 0 ? d : 0; }
    const Rounding rounding(in);
    r = from_double(d, in.to);
  } else if (is_floating(in.type)) {
    r = saturated(rounded_to_integer(in, to_double(v, in.type)), in.to);
  } else {
    const bool is_signed = in.type.kind == Kind::signed_int;
    const auto s = sign_extended(v, in.type.bits);
    const auto u = low_bits(v, in.type.bits);
    if (!is_floating(in.to)) {
      r = is_signed ? static_cast<std::uint64_t>(s) : u;
    } else if (in.to.bits == 64) {
      r = from_double(is_signed ? static_cast<double>(s) : static_cast<double>(u), in.to);
    } else {  // straight to float: by way of double it would be rounded twice
      r = from_double(is_signed ? static_cast<float>(s) : static_cast<float>(u), in.to);
    }
  }
  put(in.operands[0], lane, r, in.to.bits);
}

void Block::move(const Instruction& in, unsigned lane) {
  const Operand& to = in.operands[0];
  const Operand& from = in.operands[1];
  if (to.what == Operand::What::vector) {
    const int each = in.type.bits / static_cast<int>(to.parts.size());
    const std::uint64_t v = get(from, lane);
    for (std::size_t i = 0; i < to.parts.size(); ++i) {
      put(to.parts[i], lane, v >> (i * static_cast<std::size_t>(each)), each);
    }
  } else if (from.what == Operand::What::vector) {
    const int each = in.type.bits / static_cast<int>(from.parts.size());
    std::uint64_t v = 0;
    for (std::size_t i = 0; i < from.parts.size(); ++i) {
      v |= low_bits(get(from.parts[i], lane), each) << (i * static_cast<std::size_t>(each));
    }
    put(to, lane, v, in.type.bits);
  } else {
    put(to, lane, get(from, lane), in.type.bits);
  }
}

}  // namespace vox::ptx
