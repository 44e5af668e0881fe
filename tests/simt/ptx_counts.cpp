#include "tests/simt/ptx_counts.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <regex>

#include "tests/simt/ptx_block.h"

namespace vox::ptx {
namespace {

void add(Requests& to, const Pieces& p) {
  if (p.least == 0) { return; }
  ++to.count;
  to.pieces += p.asked;
  to.least += p.least;
}

Class class_of_value(const Type& t) {
  if (t.kind == Kind::floating) { return t.bits == 64 ? Class::f64 : Class::f32; }
  return t.kind == Kind::bf16 || t.kind == Kind::bf16_pair ? Class::f32 : Class::integer;
}

}  // namespace

std::uint64_t Counts::all() const {
  return std::accumulate(instructions.begin(), instructions.end(), std::uint64_t{0});
}

Watch& watch() {
  static Watch w;
  return w;
}

Class class_of(const Instruction& in) {
  const bool doubles = in.type.kind == Kind::floating && in.type.bits == 64;
  switch (in.op) {
    case Op::ld:
      return in.has(Mod::param) ? Class::parameter : in.has(Mod::shared) ? Class::shared_load : Class::global_load;
    case Op::st:
      return in.has(Mod::param) ? Class::parameter : in.has(Mod::shared) ? Class::shared_store : Class::global_store;
    case Op::mov:
    case Op::selp:
    case Op::cvta:
      return Class::move;
    case Op::setp:
      return doubles ? Class::f64 : Class::move;
    case Op::cvt:
      return Class::conversion;
    case Op::bra:
    case Op::call:
    case Op::ret:
    case Op::trap:
      return Class::branch;
    case Op::div:
    case Op::rem:
    case Op::sqrt:
    case Op::rsqrt:
    case Op::rcp:
    case Op::ex2:
    case Op::lg2:
    case Op::sin:
    case Op::cos:
      return Class::special;
    case Op::ldmatrix:
      return Class::matrix_load;
    case Op::mma:
      return Class::product;
    case Op::cp:
      return in.has(Mod::commit_group) || in.has(Mod::wait_group) || in.has(Mod::wait_all) ? Class::barrier
                                                                                           : Class::copy;
    case Op::bar:
    case Op::mbarrier:
      return Class::barrier;
    case Op::shfl:
    case Op::vote:
    case Op::atom:
    case Op::red:
    case Op::membar:
    case Op::fence:
      return Class::together;
    default:
      return in.type.kind == Kind::predicate ? Class::move : class_of_value(in.type);
  }
}

void Block::count(const Instruction& in, unsigned lanes) {
  Counts& c = *counts_;
  Class is = class_of(in);
  const auto addresses = [&](std::size_t operand) {
    Addresses a{};
    for (unsigned m = lanes; m != 0; m &= m - 1) {
      const auto l = static_cast<unsigned>(std::countr_zero(m));
      a[l] = address(in.operands[operand], l);
    }
    return a;
  };
  if (is == Class::matrix_load) {
    const std::size_t rows = 8 * in.operands[0].parts.size();
    lanes &= rows == kLanes ? ~0U : (1U << rows) - 1;
    add(c.matrix_loads, wavefronts(addresses(1), lanes, 16));
  } else if (is == Class::copy && !in.has(Mod::bulk) && lanes != 0) {
    const auto bytes = static_cast<unsigned>(get(in.operands[2], static_cast<unsigned>(std::countr_zero(lanes))));
    add(c.copied, wavefronts(addresses(0), lanes, bytes));
    const bool names_size = in.operands.size() > 3;
    for (unsigned m = lanes; names_size && m != 0; m &= m - 1) {  // zeros need no memory
      const auto l = static_cast<unsigned>(std::countr_zero(m));
      if (low_bits(get(in.operands[3], l), 32) == 0) { lanes &= ~(1U << l); }
    }
    add(c.copies, sectors(addresses(1), lanes, bytes));
  } else if ((in.op == Op::ld || in.op == Op::st) && is != Class::parameter) {
    const bool loads = in.op == Op::ld;
    const Operand& what = in.operands[loads ? 0 : 1];
    const std::size_t values = what.what == Operand::What::vector ? what.parts.size() : 1;
    const auto bytes = static_cast<unsigned>(values) * static_cast<unsigned>(in.type.bytes());
    const Addresses a = addresses(loads ? 1 : 0);
    const std::uint64_t window = lanes == 0 ? 0 : a[static_cast<unsigned>(std::countr_zero(lanes))] & kWindowMask;
    if (window == kSharedWindow) { is = loads ? Class::shared_load : Class::shared_store; }  // a generic address
    if (is == Class::shared_load || is == Class::shared_store) {
      add(loads ? c.shared_loads : c.shared_stores, wavefronts(a, lanes, bytes));
    } else if (window != kLocalWindow && !in.has(Mod::local)) {
      add(loads ? c.loads : c.stores, sectors(a, lanes, bytes));
    }
  }
  ++c.of(is);
}

std::string short_name(std::string_view demangled) {
  std::string name = std::regex_replace(std::string(demangled), std::regex(R"(\([A-Za-z_:]+\))"), "");  // of a value
  name.resize(std::min(name.find('('), name.size()));
  return std::regex_replace(name, std::regex("^void |[A-Za-z_]+::| "), "");
}

}  // namespace vox::ptx
