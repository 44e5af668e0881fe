#include <bit>
#include <cstring>

#include "kernels/base/check.h"
#include "kernels/simt/matrices.h"
#include "kernels/simt/runner.h"

/// Collectives of a warp: complete when every lane of the mask has come, with the same call.
namespace vox::simt {
namespace {

template <class Body> void for_lanes(Runner& r, unsigned first, unsigned mask, const Body& body) {
  for (unsigned m = mask; m != 0; m &= m - 1) { body(r.lanes[first + static_cast<unsigned>(std::countr_zero(m))]); }
}

void shuffle_values(Runner& r, unsigned first, unsigned mask) {
  for_lanes(r, first, mask, [&](Lane& lane) {
    const unsigned source = lane.call.number;
    if (source < kWarp && (mask >> source & 1U) != 0) {
      std::memcpy(lane.call.out, r.lanes[first + source].call.in, lane.call.bytes);
      return;
    }
    std::memset(lane.call.out, 0xFF, lane.call.bytes);
    report(Fault::bad_lane, lane.call.at,
           fmt::format("{} {} reads lane {}, which is not in the mask or does not exist", place_of(lane),
                       lane.call.name, source));
  });
}

void complete(Runner& r, Lane& last, unsigned mask) {
  const unsigned first = last.warp * kWarp;
  switch (last.call.op) {
    case WarpOp::shuffle:
      shuffle_values(r, first, mask);
      break;
    case WarpOp::ballot: {
      unsigned votes = 0;
      for_lanes(r, first, mask, [&](const Lane& lane) { votes |= static_cast<unsigned>(lane.call.flag) << lane.lane; });
      for_lanes(r, first, mask, [&](Lane& lane) { lane.result = votes; });
      break;
    }
    case WarpOp::sync:
      if constexpr (kChecked) { clocks_at_warp_barrier(r, first, mask); }
      break;
    case WarpOp::load_matrices:
      load_fragments(r, first);
      break;
    case WarpOp::multiply:
      multiply_fragments(r, first);
      break;
  }
  r.warps[last.warp].waiting &= ~mask;
  // The last to come goes on at once; the others queue, so that other warps may run between them.
  const unsigned others = mask & ~(1U << last.lane);
  if (r.options.order == Order::forward) {
    for_lanes(r, first, others, [&](Lane& lane) { make_ready(r, lane); });
  } else {
    for (unsigned behind = kWarp; behind > 0; --behind) {
      const unsigned i = behind - 1;
      if ((others >> i & 1U) != 0) { make_ready(r, r.lanes[first + i]); }
    }
  }
}

/// All lanes of the mask wait: for the same thing?
bool agree(const Runner& r, const Lane& me, unsigned mask) {
  for (unsigned m = mask; m != 0; m &= m - 1) {
    const Lane& other = r.lanes[me.warp * kWarp + static_cast<unsigned>(std::countr_zero(m))];
    const bool elsewhere = other.call.at.line != me.call.at.line || other.call.at.file != me.call.at.file;
    if (other.call.op == me.call.op && other.call.mask == me.call.mask && !(me.call.same_line && elsewhere)) {
      continue;
    }
    if (me.call.same_line || me.call.mask == ~0U) {
      stop_block(Fault::warp_divergence, me.call.at, [&] {
        return fmt::format("{} is at {}, lane {} of the same warp is at {} ({}, mask {:08x})", place_of(me),
                           me.call.name, other.lane, other.call.name, text_of(other.call.at), other.call.mask);
      });
    }
    return false;
  }
  return true;
}

void meet(const WarpCall& call) {
  Runner& r = runner();
  Lane& me = this_lane();
  Warp& w = r.warps[me.warp];
  me.call = call;
  if ((call.mask >> me.lane & 1U) == 0) {
    stop_block(Fault::bad_mask, call.at, [&] {
      return fmt::format("{} calls {} with a mask that does not contain its own lane", place_of(me), call.name);
    });
  }
  const unsigned mask = call.mask & w.exist;
  if ((mask & w.done) != 0) {
    stop_block(Fault::bad_mask, call.at, [&] {
      return fmt::format("{} calls {}: lane {} of the mask has already exited", place_of(me), call.name,
                         std::countr_zero(mask & w.done));
    });
  }
  w.waiting |= 1U << me.lane;
  me.state = State::in_warp_call;
  if ((w.waiting & mask) == mask && agree(r, me, mask)) {
    complete(r, me, mask);
    me.state = State::ready;
    return;
  }
  wait_to_be_ready(r, me);
}

}  // namespace

void sync_warp(unsigned mask, Site at) { meet({.op = WarpOp::sync, .mask = mask, .name = "__syncwarp", .at = at}); }

void shuffle(unsigned mask, const void* in, void* out, std::size_t bytes, unsigned source, const char* name, Site at) {
  meet({.op = WarpOp::shuffle,
        .mask = mask,
        .name = name,
        .at = at,
        .in = in,
        .out = out,
        .bytes = bytes,
        .number = source});
}

unsigned ballot(unsigned mask, bool predicate, Site at) {
  meet({.op = WarpOp::ballot, .mask = mask, .name = "__ballot_sync", .at = at, .flag = predicate});
  return this_lane().result;
}

void load_matrices(int matrices, bool transposed, std::uint32_t* r, const void* row, Site at) {
  meet({.op = WarpOp::load_matrices,
        .same_line = true,
        .mask = ~0U,
        .name = "ldmatrix",
        .at = at,
        .in = row,
        .out = r,
        .number = static_cast<unsigned>(matrices),
        .flag = transposed});
}

void multiply(Mma kind, float* d, const std::uint32_t* a, const std::uint32_t* b, const float* c, Site at) {
  const Lane& me = this_lane();
  if (runner().warps[me.warp].exist != ~0U) {
    stop_block(Fault::bad_mask, at,
               [&] { return fmt::format("{} calls mma in a warp of fewer than 32 threads", place_of(me)); });
  }
  const Fragments fragments{a, b, c};
  meet({.op = WarpOp::multiply,
        .same_line = true,
        .mask = ~0U,
        .name = "mma.sync",
        .at = at,
        .in = &fragments,
        .out = d,
        .number = static_cast<unsigned>(kind)});
}

void thread_left_warp(Runner& r, Lane& me) {
  Warp& w = r.warps[me.warp];
  w.done |= 1U << me.lane;
  for_lanes(r, me.warp * kWarp, w.waiting, [&](const Lane& other) {
    if (other.state != State::in_warp_call || (other.call.mask >> me.lane & 1U) == 0) { return; }
    stop_block(Fault::bad_mask, other.call.at, [&] {
      return fmt::format("{} waits at {} for lane {}, which has exited", place_of(other), other.call.name, me.lane);
    });
  });
}

}  // namespace vox::simt
