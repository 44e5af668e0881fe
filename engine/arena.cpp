#include "engine/arena.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace vox {
namespace {

constexpr std::size_t kNoLimit = ArenaPlan::kOutside - 1;

struct Gap {
  std::size_t offset = ArenaPlan::kOutside;
  std::size_t bytes = ArenaPlan::kOutside;
};

/// The smallest gap that holds these bytes between `taken`, sorted pairs of offset and end which may overlap, and
/// `limit`. Its offset is kOutside where there is none.
template <class Taken> Gap smallest_gap(const Taken& taken, std::size_t bytes, std::size_t limit) {
  Gap best;
  std::size_t end = 0;
  const auto consider = [&](std::size_t to) {
    if (to >= end && to - end >= bytes && to - end < best.bytes) { best = {end, to - end}; }
  };
  for (const auto& [from, to] : taken) {
    consider(from);
    end = std::max(end, to);
  }
  consider(limit);
  return best;
}

bool meet(const DryBlock& a, const DryBlock& b) { return a.born < b.died && b.born < a.died; }

struct Placing {
  std::vector<std::size_t> offsets;  ///< by block
  std::size_t bytes = 0;             ///< that takes
  std::size_t top = 0;               ///< in the order: the block that ends there
};

/// Places the blocks in this order.
Placing place(std::span<const DryBlock> blocks, const std::vector<std::size_t>& order) {
  Placing p{.offsets = std::vector<std::size_t>(blocks.size(), ArenaPlan::kOutside)};
  std::vector<std::pair<std::size_t, std::size_t>> taken;
  for (std::size_t o = 0; o < order.size(); ++o) {
    const std::size_t i = order[o];
    taken.clear();
    for (std::size_t before = 0; before < o; ++before) {
      const std::size_t j = order[before];
      if (meet(blocks[i], blocks[j])) { taken.emplace_back(p.offsets[j], p.offsets[j] + blocks[j].bytes); }
    }
    std::ranges::sort(taken);
    p.offsets[i] = smallest_gap(taken, blocks[i].bytes, kNoLimit).offset;
    if (p.offsets[i] + blocks[i].bytes > p.bytes) {
      p.bytes = p.offsets[i] + blocks[i].bytes;
      p.top = o;
    }
  }
  return p;
}

/// Places them, then again with the block that stood out on top moved to the front, as often as it may help.
Placing best_placing(std::span<const DryBlock> blocks, std::vector<std::size_t> order, std::size_t live_bytes,
                     std::size_t most_tries) {
  constexpr std::size_t kWork = 30'000'000;  // pairs of blocks: a fraction of a second
  const std::size_t tries = std::clamp<std::size_t>(kWork / (order.size() * order.size() + 1), 1, most_tries);
  Placing best = place(blocks, order);
  std::size_t top = best.top;
  for (std::size_t n = 1; n < tries && best.bytes > live_bytes && top > 0; ++n) {
    std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top),
                order.begin() + static_cast<std::ptrdiff_t>(top) + 1);
    Placing next = place(blocks, order);
    top = next.top;
    if (next.bytes < best.bytes) { best = std::move(next); }
  }
  return best;
}

std::size_t most_live(std::span<const DryBlock> blocks, const std::vector<std::size_t>& inside) {
  std::vector<std::pair<std::size_t, std::size_t>> events;  // time and block
  for (const std::size_t i : inside) {
    events.emplace_back(blocks[i].born, i);
    events.emplace_back(blocks[i].died, i);
  }
  std::ranges::sort(events);
  std::size_t live = 0;
  std::size_t most = 0;
  for (const auto& [time, i] : events) {
    live = time == blocks[i].born ? live + blocks[i].bytes : live - blocks[i].bytes;
    most = std::max(most, live);
  }
  return most;
}

}  // namespace

ArenaPlan plan_arena(std::span<const DryBlock> blocks, Device device, std::size_t from, std::size_t tries) {
  // Blocks of another device take no part: their requests go to another pool.
  std::vector<DryBlock> ours;
  std::ranges::copy_if(blocks, std::back_inserter(ours),
                       [&](const DryBlock& b) { return b.born >= from && b.device == device; });
  ArenaPlan plan;
  std::vector<std::size_t> inside;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    plan.requests.push_back({.bytes = ours[i].bytes});
    if (ours[i].died != kNotReleased) { inside.push_back(i); }
  }
  plan.live_bytes = most_live(ours, inside);
  const auto lifetime = [&](std::size_t i) { return ours[i].died - ours[i].born; };
  std::ranges::stable_sort(inside, [&](std::size_t a, std::size_t b) {
    return ours[a].bytes != ours[b].bytes ? ours[a].bytes > ours[b].bytes : lifetime(a) > lifetime(b);
  });
  const Placing placing = best_placing(ours, inside, plan.live_bytes, tries);
  for (std::size_t i = 0; i < ours.size(); ++i) { plan.requests[i].offset = placing.offsets[i]; }
  plan.bytes = placing.bytes;
  return plan;
}

std::byte* Arena::take_at(std::size_t offset, std::size_t bytes) {
  if (offset > bytes_ || bytes > bytes_ - offset) { return nullptr; }
  const auto after = taken_.lower_bound(offset);
  if (after != taken_.end() && after->first < offset + bytes) { return nullptr; }
  if (after != taken_.begin() && std::prev(after)->second > offset) { return nullptr; }
  taken_.emplace_hint(after, offset, offset + bytes);
  return data_ + offset;
}

std::byte* Arena::take_smallest_gap(std::size_t bytes) {
  const Gap best = smallest_gap(taken_, bytes, bytes_);
  return best.offset == ArenaPlan::kOutside ? nullptr : take_at(best.offset, bytes);
}

void Arena::give_back(const std::byte* p) { taken_.erase(static_cast<std::size_t>(p - data_)); }

}  // namespace vox
