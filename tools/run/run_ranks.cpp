#include "tools/run/run_ranks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "engine/context.h"
#include "engine/json_text.h"
#include "engine/ranks/deal.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

struct Claim {
  RunRank rank;
  std::string program;
  std::string options;
};

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : "unknown";
}

/// What shapes the run, as one JSON object.
std::string shaping(TrainOptions o) {
  o.threads = o.loader_threads = 0;
  o.loader_memory_mib = 0;
  o.device = std::string(name(device_kind(o.device)));
  return to_json(o);
}

/// "batch is 3, 2 on rank 0; seed is ..."
std::string difference(const std::string& theirs, const std::string& first) {
  const Json a = Json::parse(theirs);
  const Json b = Json::parse(first);
  std::vector<std::string> found;
  for (const auto& [key, value] : a.items()) {
    if (json_text(value) != json_text(b.at(key))) {
      found.push_back(fmt::format("{} is {}, on rank 0 {}", key, json_text(value), json_text(b.at(key))));
    }
  }
  return fmt::format("{}", fmt::join(found, "; "));
}

std::vector<Claim> claims_of(Communicator& ranks, const Claim& mine) {
  MessageWriter own;
  const auto exchange = [](auto& message, auto& c) {
    fields(message, c.rank.host, c.rank.device, c.rank.isa, c.rank.threads, c.program, c.options);
  };
  exchange(own, mine);
  std::vector<Claim> all;
  for (const std::string& bytes : gather(ranks, own.bytes())) {
    MessageReader theirs(bytes);
    exchange(theirs, all.emplace_back());
  }
  return all;
}

/// Ranks whose claim is another than rank 0's.
template <class What> std::vector<std::size_t> others(const std::vector<Claim>& all, const What& what) {
  std::vector<std::size_t> found;
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (what(all[r]) != what(all[0])) { found.push_back(r); }
  }
  return found;
}

std::string named(const std::vector<std::size_t>& ranks) {
  return fmt::format("{} {}", ranks.size() == 1 ? "rank" : "ranks", fmt::join(ranks, ", "));
}

void check_claims(const std::vector<Claim>& all, const TrainOptions& o) {
  if (const auto found = others(all, [](const Claim& c) { return c.program; }); !found.empty()) {
    VOX_FAIL("{}: another program than on rank 0: {}, not {}", named(found), all[found.front()].program,
             all[0].program);
  }
  if (const auto found = others(all, [](const Claim& c) { return c.options; }); !found.empty()) {
    VOX_FAIL("{}: other options than on rank 0: {}", named(found),
             difference(all[found.front()].options, all[0].options));
  }
  const auto found = others(all, [](const Claim& c) { return c.rank.isa; });
  VOX_CHECK(found.empty() || o.reduce == "fast",
            "{}: the instruction set {} on {}, rank 0 has {} on {}: their sums differ in the last bits; start with "
            "machines of one kind, or give --reduce fast",
            named(found), all[found.front()].rank.isa, all[found.front()].rank.host, all[0].rank.isa, all[0].rank.host);
  VOX_CHECK(o.batch >= std::ssize(all), "--batch is {}, and there are {} ranks: each wants a case of a batch at least",
            o.batch, all.size());
}

}  // namespace

std::vector<RunRank> meet_ranks(Communicator& ranks, const TrainOptions& o, const std::string& program) {
  const Device device = device_kind(o.device);
  const Claim mine{.rank = {.host = host_name(),
                            .device = describe(device),
                            .isa = name(cpu_queue().isa),
                            .threads = cpu_queue().threads},
                   .program = program,
                   .options = shaping(o)};
  if (ranks.size() == 1) { return {mine.rank}; }
  const std::vector<Claim> all = claims_of(ranks, mine);
  check_claims(all, o);
  std::vector<RunRank> met;
  for (const Claim& c : all) { met.push_back(c.rank); }
  return met;
}

std::string ranks_text(const std::vector<RunRank>& ranks, const std::string& communicator) {
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> by_place;
  for (std::size_t r = 0; r < ranks.size(); ++r) { by_place[{ranks[r].host, ranks[r].device}].push_back(r); }
  std::vector<std::string> places;
  for (const auto& [place, there] : by_place) {
    places.push_back(fmt::format("{} on {} ({})", named(there), place.first, place.second));
  }
  return fmt::format("{} ranks ({}): {}", ranks.size(), communicator, fmt::join(places, "; "));
}

Json to_json(const std::vector<RunRank>& ranks) {
  Json all = Json::array();
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    all.push_back({{"rank", r},
                   {"host", ranks[r].host},
                   {"device", ranks[r].device},
                   {"isa", ranks[r].isa},
                   {"threads", ranks[r].threads}});
  }
  return all;
}

}  // namespace vox
