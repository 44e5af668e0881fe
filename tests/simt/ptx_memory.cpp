#include <algorithm>

#include "tests/simt/ptx_block.h"

namespace vox::ptx {

void Block::memory(const Instruction& in, unsigned lane) {
  const bool loads = in.op == Op::ld;
  const Operand& where = in.operands[loads ? 1 : 0];
  const Operand& what = in.operands[loads ? 0 : 1];
  const bool vector = what.what == Operand::What::vector;
  const std::size_t count = vector ? what.parts.size() : 1;
  const auto bytes = static_cast<std::size_t>(in.type.bytes());
  std::byte* p = nullptr;
  if (in.has(Mod::param)) {
    if (where.parts[0].parameter) {  // of a function that is called: in a register
      const std::uint64_t v = get(loads ? where.parts[0] : what, lane);
      return put(loads ? what : where.parts[0], lane, v, in.type.bits);
    }
    const std::uint64_t offset = address(where, lane);
    if (offset + count * bytes > parameters_.size()) { refuse(in, "outside of the parameters"); }
    p = parameters_.data() + offset;
  } else {
    p = at(in, lane, address(where, lane), count * bytes);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Operand& o = vector ? what.parts[i] : what;
    std::uint64_t v = 0;
    if (loads) {
      std::memcpy(&v, p + i * bytes, bytes);
      if (in.type.kind == Kind::signed_int) { v = static_cast<std::uint64_t>(sign_extended(v, in.type.bits)); }
      put(o, lane, v, 64);
    } else {
      v = get(o, lane);
      std::memcpy(p + i * bytes, &v, bytes);
    }
  }
}

void Block::atomic(const Instruction& in, unsigned lane) {
  const std::size_t first = in.op == Op::atom ? 1 : 0;
  const auto bytes = static_cast<std::size_t>(in.type.bytes());
  const int bits = in.type.bits;
  std::byte* p = at(in, lane, address(in.operands[first], lane), bytes);
  std::uint64_t old = 0;
  std::memcpy(&old, p, bytes);
  const std::uint64_t v = low_bits(get(in.operands[first + 1], lane), bits);
  const bool is_signed = in.type.kind == Kind::signed_int;
  const bool less = is_signed ? sign_extended(old, bits) < sign_extended(v, bits) : old < v;
  if (in.type.kind == Kind::floating) { refuse(in, "atomics on floating-point numbers are not in fixed order"); }
  std::uint64_t next = 0;
  if (in.has(Mod::add)) {
    next = old + v;
  } else if (in.has(Mod::max)) {
    next = less ? v : old;
  } else if (in.has(Mod::min)) {
    next = less ? old : v;
  } else if (in.has(Mod::exch)) {
    next = v;
  } else if (in.has(Mod::cas)) {
    next = old == v ? get(in.operands[first + 2], lane) : old;
  } else {
    refuse(in, "the interpreter does not know this atomic");
  }
  std::memcpy(p, &next, bytes);
  if (in.op == Op::atom) { put(in.operands[0], lane, old, bits); }
}

/// cp.async: what was asked for arrives when it is waited for.
void Block::copy(const Instruction& in, unsigned lane) {
  LaneState& s = warp_->lanes[lane];
  const auto& o = in.operands;
  if (in.has(Mod::commit_group)) {
    std::size_t open = s.copies.size();
    for (const std::size_t g : s.groups) { open -= g; }
    s.groups.push_back(open);
  } else if (in.has(Mod::wait_group) || in.has(Mod::wait_all)) {
    const std::size_t left = in.has(Mod::wait_all) ? 0 : get(o[0], lane);
    while (s.groups.size() > left) {
      const auto done = static_cast<std::ptrdiff_t>(s.groups.front());
      std::for_each(s.copies.begin(), s.copies.begin() + done, [](const PendingCopy& c) {
        if (c.bytes != 0) { std::memcpy(c.to, c.from, c.bytes); }
        std::memset(c.to + c.bytes, 0, c.zeros);
      });
      s.copies.erase(s.copies.begin(), s.copies.begin() + done);
      s.groups.erase(s.groups.begin());
    }
  } else if (in.has(Mod::bulk)) {
    const std::uint64_t bytes = get(o[2], lane);
    const std::uint64_t to = address(o[0], lane);
    if (bytes == 0 || bytes % 16 != 0) { refuse(in, "the size is not a multiple of 16"); }
    static_cast<void>(at(in, lane, to + bytes - 16, 16));
    std::memcpy(at(in, lane, to, 16), reinterpret_cast<const void*>(address(o[1], lane)), bytes);  // NOLINT
    PhaseBarrier& b = barriers_.at(address(o[3], lane));
    b.bytes -= static_cast<std::int64_t>(bytes);
    flip(b);
  } else {
    const std::uint64_t bytes = get(o[2], lane);
    const std::uint64_t read = o.size() > 3 ? low_bits(get(o[3], lane), 32) : bytes;
    const std::uint64_t from = address(o[1], lane);
    if (read > bytes || (in.has(Mod::cg) && bytes != 16)) { refuse(in, "sizes that cp.async does not have"); }
    if (read != 0 && from % bytes != 0) { refuse(in, "the source is misaligned"); }
    s.copies.push_back({at(in, lane, address(o[0], lane), bytes), reinterpret_cast<const std::byte*>(from),  // NOLINT
                        read, bytes - read});
  }
}

void Block::flip(PhaseBarrier& b) {
  if (b.pending != 0 || b.bytes != 0) { return; }
  b.phase ^= 1U;
  b.pending = b.count;
}

bool Block::phase_barrier(const Instruction& in, unsigned lane) {
  const auto& o = in.operands;
  if (in.has(Mod::init)) {
    const std::uint64_t where = address(o[0], lane);
    static_cast<void>(at(in, lane, where, 8));
    const auto count = static_cast<unsigned>(get(o[1], lane));
    barriers_[where] = {count, count, 0, 0};
    return true;
  }
  const auto found = barriers_.find(address(o[1], lane));
  if (found == barriers_.end()) { refuse(in, "the mbarrier was never initialised"); }
  PhaseBarrier& b = found->second;
  if (in.has(Mod::arrive)) {
    if (in.has(Mod::expect_tx)) { b.bytes += static_cast<std::int64_t>(get(o[2], lane)); }
    if (b.pending == 0) { refuse(in, "more arrivals than the mbarrier counts"); }
    --b.pending;
    flip(b);
    return true;
  }
  if (!in.has(Mod::try_wait) && !in.has(Mod::test_wait)) { refuse(in, "the interpreter cannot execute it"); }
  const bool over = b.phase != (get(o[2], lane) & 1U);
  put(o[0], lane, static_cast<std::uint64_t>(over), 1);
  return over;
}

}  // namespace vox::ptx
