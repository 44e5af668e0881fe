#include "tests/simt/ptx_block.h"

#include <algorithm>
#include <bit>

#include "kernels/simt/options.h"

namespace vox::ptx {
namespace {
constexpr int kMostFailedWaits = 100000;
}

Block::Block(const Module& m, const Function& f, const simt::Launch& l, Counts* counts)
    : m_(m), f_(f), launch_(l), counts_(counts) {
  VOX_CHECK(f.parameters.size() == l.arguments.size(), "PTX: {} takes {} parameters, the launch has {}", f.name,
            f.parameters.size(), l.arguments.size());
  parameters_.resize(f.parameter_bytes);
  for (std::size_t i = 0; i < f.parameters.size(); ++i) {
    VOX_CHECK(f.parameters[i].bytes == l.arguments[i].bytes, "PTX: parameter {} of {} has {} bytes, g++ makes it {}", i,
              f.name, f.parameters[i].bytes, l.arguments[i].bytes);
    std::memcpy(parameters_.data() + f.parameters[i].offset, l.arguments[i].data, l.arguments[i].bytes);
  }
  // What the kernel calls may have arrays, too: with those of the file it is at least this.
  const std::string excess = simt::shared_excess(f.shared_bytes, l.shared_bytes, simt::options().shared_limit_bytes);
  VOX_CHECK(excess.empty(), "PTX: {}: {}", l.name, excess);
  dynamic_at_ = (kFileShared + f.shared_bytes + 1023) / 1024 * 1024;
  const auto threads = static_cast<unsigned>(l.block.count());
  warps_.resize((threads + kLanes - 1) / kLanes);
  for (unsigned w = 0; w < warps_.size(); ++w) {
    const unsigned lanes = std::min(kLanes, threads - w * kLanes);
    warps_[w].first_thread = w * kLanes;
    warps_[w].exist = lanes == kLanes ? ~0U : (1U << lanes) - 1;
    warps_[w].registers.resize(static_cast<std::size_t>(m.registers) * kLanes);
  }
}

void Block::run(const uint3& index) {
  index_ = index;
  shared_.assign(dynamic_at_ + launch_.shared_bytes, std::byte{0xFF});
  barriers_.clear();
  failed_waits_ = 0;
  for (WarpState& w : warps_) {
    w.done = w.at_barrier = 0;
    for (LaneState& lane : w.lanes) {
      lane = {};
      lane.pc = f_.entry;
      lane.local.assign(m_.local_bytes, std::byte{0xFF});
    }
  }
  for (;;) {
    bool moved = false;
    bool live = false;
    bool all_wait = true;
    for (WarpState& w : warps_) {
      warp_ = &w;
      while (step(w)) { moved = true; }
      live |= w.done != w.exist;
      all_wait &= (w.done | w.at_barrier) == w.exist;
    }
    if (!live) { return; }
    if (all_wait) {
      for (WarpState& w : warps_) { w.at_barrier = 0; }
    } else if (!moved) {
      VOX_FAIL("PTX: {} deadlocks in block ({},{},{})", f_.name, index.x, index.y, index.z);
    }
  }
}

bool Block::step(WarpState& w) {
  const auto meets = [](Op op) { return op == Op::shfl || op == Op::vote || op == Op::mma || op == Op::ldmatrix; };
  unsigned able = w.exist & ~w.done & ~w.at_barrier;
  while (able != 0) {
    int pc = -1;
    unsigned lanes = 0;
    for (unsigned m = able; m != 0; m &= m - 1) {
      const auto lane = static_cast<unsigned>(std::countr_zero(m));
      const int at = w.lanes[lane].pc;
      if (pc == -1 || at < pc) {
        pc = at;
        lanes = 0;
      }
      if (at == pc) { lanes |= 1U << lane; }
    }
    const Instruction& in = m_.code[static_cast<std::size_t>(pc)];
    if (meets(in.op)) {
      unsigned wanted = w.exist & ~w.done;
      if (in.op == Op::shfl || in.op == Op::vote) {
        wanted &= static_cast<unsigned>(get(in.operands.back(), static_cast<unsigned>(std::countr_zero(lanes))));
      }
      if ((lanes & wanted) != wanted) {  // the others are elsewhere: they go on first
        able &= ~lanes;
        continue;
      }
    }
    unsigned active = lanes;
    for (unsigned m = lanes; m != 0; m &= m - 1) {
      const auto lane = static_cast<unsigned>(std::countr_zero(m));
      w.lanes[lane].pc = pc + 1;
      if (in.guard < 0) { continue; }
      const bool holds = w.registers[static_cast<std::size_t>(in.guard) * kLanes + lane] != 0;
      if (holds == in.guard_negated) { active &= ~(1U << lane); }
    }
    if (counts_ != nullptr) { count(in, active); }
    if (active == 0) { return true; }
    if (in.op == Op::mbarrier) {
      unsigned waits = 0;
      for (unsigned m = active; m != 0; m &= m - 1) {
        const auto lane = static_cast<unsigned>(std::countr_zero(m));
        if (!phase_barrier(in, lane)) { waits |= 1U << lane; }
      }
      // Others must run before asking again makes sense. nvcc's loop asks for ever; here it ends.
      if (waits != active) { return true; }
      if (++failed_waits_ > kMostFailedWaits) { refuse(in, "what it waits for does not come"); }
      return false;
    }
    execute(in, active);
    return true;
  }
  return false;
}

void Block::execute(const Instruction& in, unsigned lanes) {
  switch (in.op) {
    case Op::bra:
    case Op::call:
    case Op::ret:
    case Op::bar:
      return flow(in, lanes);
    case Op::shfl:
      return shuffle(in, lanes);
    case Op::vote:
      return vote(in, lanes);
    case Op::ldmatrix:
      return load_matrices(in);
    case Op::mma:
      return multiply(in);
    default:
      for (unsigned m = lanes; m != 0; m &= m - 1) { scalar(in, static_cast<unsigned>(std::countr_zero(m))); }
  }
}

void Block::flow(const Instruction& in, unsigned lanes) {
  for (unsigned m = lanes; m != 0; m &= m - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(m));
    LaneState& state = warp_->lanes[lane];
    if (in.op == Op::bra) {
      state.pc = in.target;
    } else if (in.op == Op::bar) {
      if (!in.has(Mod::warp)) { warp_->at_barrier |= 1U << lane; }
    } else if (in.op == Op::call) {
      const Function& callee = m_.functions.at(in.callee);
      auto& r = warp_->registers;
      for (std::size_t i = 1; i < in.operands.size(); ++i) {
        r[static_cast<std::size_t>(callee.parameter_registers.at(i - 1)) * kLanes + lane] = get(in.operands[i], lane);
      }
      state.frames.push_back({state.pc, in.operands[0].reg, callee.result_register});
      state.pc = in.target;
    } else if (state.frames.empty()) {
      warp_->done |= 1U << lane;
    } else {
      const Frame frame = state.frames.back();
      state.frames.pop_back();
      state.pc = frame.return_to;
      auto& r = warp_->registers;
      if (frame.result >= 0) {
        r[static_cast<std::size_t>(frame.result) * kLanes + lane] =
            r[static_cast<std::size_t>(frame.callee_result) * kLanes + lane];
      }
    }
  }
}

std::uint64_t Block::get(const Operand& o, unsigned lane) const {
  switch (o.what) {
    case Operand::What::reg: {
      const std::uint64_t v = warp_->registers[static_cast<std::size_t>(o.reg) * kLanes + lane];
      return o.negated ? static_cast<std::uint64_t>(v == 0) : v;
    }
    case Operand::What::immediate:
      return o.value == kDynamicShared ? dynamic_at_ : o.value;
    case Operand::What::special:
      return special(o, lane);
    default:
      VOX_FAIL("PTX: '{}' is no value", o.text);
  }
}

void Block::put(const Operand& o, unsigned lane, std::uint64_t value, int bits) {
  if (o.what == Operand::What::ignored) { return; }
  VOX_CHECK(o.what == Operand::What::reg, "PTX: '{}' is no register", o.text);
  warp_->registers[static_cast<std::size_t>(o.reg) * kLanes + lane] = low_bits(value, bits);
}

std::uint64_t Block::special(const Operand& o, unsigned lane) const {
  const unsigned thread = warp_->first_thread + lane;
  const dim3& b = launch_.block;
  const auto axis = [&](unsigned x, unsigned y, unsigned z) {
    return o.text.back() == 'x' ? x : o.text.back() == 'y' ? y : z;
  };
  if (o.text.starts_with("%tid.")) { return axis(thread % b.x, thread / b.x % b.y, thread / b.x / b.y); }
  if (o.text.starts_with("%ntid.")) { return axis(b.x, b.y, b.z); }
  if (o.text.starts_with("%ctaid.")) { return axis(index_.x, index_.y, index_.z); }
  if (o.text.starts_with("%nctaid.")) { return axis(launch_.grid.x, launch_.grid.y, launch_.grid.z); }
  if (o.text == "%laneid") { return lane; }
  VOX_FAIL("PTX: the interpreter does not know the register '{}'", o.text);
}

std::uint64_t Block::address(const Operand& o, unsigned lane) const {
  return get(o.parts[0], lane) + static_cast<std::uint64_t>(o.offset);
}

std::byte* Block::at(const Instruction& in, unsigned lane, std::uint64_t address, std::size_t bytes) {
  if (address % bytes != 0) { refuse(in, "the address is misaligned"); }
  const auto inside = [&](std::vector<std::byte>& memory, std::uint64_t offset) {
    if (offset + bytes > memory.size()) { refuse(in, "the address is outside of shared or local memory"); }
    return memory.data() + offset;
  };
  const std::uint64_t window = address & kWindowMask;
  if (window == kSharedWindow) { return inside(shared_, address - kSharedWindow); }
  if (window == kLocalWindow) { return inside(warp_->lanes[lane].local, address - kLocalWindow); }
  if (in.has(Mod::shared)) { return inside(shared_, address); }
  if (in.has(Mod::local)) { return inside(warp_->lanes[lane].local, address); }
  return reinterpret_cast<std::byte*>(address);  // NOLINT: device memory of simt is host memory
}

void Block::refuse(const Instruction& in, const char* why) const {
  VOX_FAIL("PTX: '{}' in {}: {}", in.text, f_.name, why);
}

}  // namespace vox::ptx
