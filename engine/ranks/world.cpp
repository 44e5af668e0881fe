#include "engine/ranks/world.h"

#include <unistd.h>

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "engine/context.h"
#include "engine/ranks/cores.h"

namespace vox {
namespace {

std::unique_ptr<Communicator>& joined() {
  static std::unique_ptr<Communicator> ranks = alone();
  return ranks;
}

struct Seat {
  int local_rank = 0;
  int local_ranks = 1;
};
Seat seat;

/// What a rank tells of where it runs.
struct Place {
  std::array<char, 256> host{};
  CoreSet cores;
};

void find_seat(Communicator& ranks) {
  Place mine{.host = {}, .cores = cores_of_process()};
  static_cast<void>(gethostname(mine.host.data(), mine.host.size() - 1));
  std::vector<Place> all(static_cast<std::size_t>(ranks.size()));
  ranks.all_gather(std::as_bytes(std::span(&mine, 1)), std::vector(all.size(), sizeof(Place)),
                   std::as_writable_bytes(std::span(all)));
  std::vector<CoreSet> here;
  for (int r = 0; r < ranks.size(); ++r) {
    const Place& p = all[static_cast<std::size_t>(r)];
    if (p.host != mine.host) { continue; }
    if (r == ranks.rank()) { seat.local_rank = static_cast<int>(here.size()); }
    here.push_back(p.cores);
  }
  seat.local_ranks = static_cast<int>(here.size());
  set_hardware_threads(share_of_cores(here, static_cast<std::size_t>(seat.local_rank)));
}

}  // namespace

int local_rank() { return seat.local_rank; }
int local_ranks() { return seat.local_ranks; }

Communicator& world() { return *joined(); }

void set_world(std::unique_ptr<Communicator> ranks) {
  joined() = ranks ? std::move(ranks) : alone();
  seat = {};
  if (world().size() > 1) { find_seat(world()); }
}

}  // namespace vox
