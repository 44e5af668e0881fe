#include "tests/engine/ranks/contract.h"

#include <exception>
#include <numeric>
#include <thread>
#include <vector>

#include "kernels/base/check.h"

namespace vox::test {
namespace {

using Sizes = std::vector<std::size_t>;

std::size_t sum(const Sizes& sizes) { return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}); }

/// The i-th byte that `from` sends to `to` in round `round`; all ranks know it.
std::byte expected(int round, std::size_t from, std::size_t to, std::size_t i) {
  return static_cast<std::byte>((static_cast<std::size_t>(round) * 89 + from * 31 + to * 7 + i * 13 + i / 251) % 256);
}

/// Uneven, some of them 0, another list in each round, `unit` bytes at most 5 times.
std::size_t ragged(int round, std::size_t from, std::size_t to, std::size_t unit) {
  const std::size_t turn = static_cast<std::size_t>(round) + 3 * from + 2 * to;
  return turn % 4 == 0 ? 0 : turn % 5 * unit + turn % 3;
}

std::vector<std::byte> piece(int round, std::size_t from, std::size_t to, std::size_t bytes) {
  std::vector<std::byte> values(bytes);
  for (std::size_t i = 0; i < bytes; ++i) { values[i] = expected(round, from, to, i); }
  return values;
}

void append(std::vector<std::byte>& all, const std::vector<std::byte>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

struct Checker {
  Communicator& ranks;
  std::size_t size = static_cast<std::size_t>(ranks.size());
  std::size_t self = static_cast<std::size_t>(ranks.rank());

  void gather(int round, std::size_t unit) const {
    Sizes sizes(size);
    std::vector<std::byte> want;
    for (std::size_t r = 0; r < size; ++r) {
      sizes[r] = ragged(round, r, 0, unit);
      append(want, piece(round, r, 0, sizes[r]));
    }
    std::vector<std::byte> all(want.size());
    ranks.all_gather(piece(round, self, 0, sizes[self]), sizes, all);
    VOX_CHECK(all == want, "all_gather: rank {} of {} has other bytes, round {}, unit {}", self, size, round, unit);
  }

  void exchange(int round, std::size_t unit) const {
    Sizes send_sizes(size);
    Sizes received_sizes(size);
    std::vector<std::byte> send;
    std::vector<std::byte> want;
    for (std::size_t r = 0; r < size; ++r) {
      send_sizes[r] = ragged(round, self, r, unit);
      received_sizes[r] = ragged(round, r, self, unit);
      append(send, piece(round, self, r, send_sizes[r]));
      append(want, piece(round, r, self, received_sizes[r]));
    }
    std::vector<std::byte> received(sum(received_sizes));
    ranks.all_to_all(send, send_sizes, received, received_sizes);
    VOX_CHECK(received == want, "all_to_all: rank {} of {} has other bytes, round {}, unit {}", self, size, round,
              unit);
  }

  /// Small integers, whose sums are exact in any order.
  template <class T> void reduce(std::size_t count) const {
    std::vector<T> values(count);
    for (std::size_t i = 0; i < count; ++i) { values[i] = static_cast<T>(i % 100 + self); }
    ranks.all_reduce_fast(values);
    for (std::size_t i = 0; i < count; ++i) {
      const T want = static_cast<T>(size * (i % 100) + size * (size - 1) / 2);
      VOX_CHECK(values[i] == want, "all_reduce_fast: [{}] is {}, wants {}", i, values[i], want);
    }
  }

  void broadcast(int root, std::size_t bytes) const {
    const auto from = static_cast<std::size_t>(root);
    auto values = piece(static_cast<int>(self == from), self, 0, bytes);
    ranks.broadcast(values, root);
    VOX_CHECK(values == piece(1, from, 0, bytes), "broadcast: rank {} has other bytes than rank {}", self, root);
  }

  void all_calls(std::size_t unit) const {
    for (int round = 0; round < 4; ++round) {
      gather(round, unit);
      exchange(round, unit);
    }
    reduce<float>(unit);
    reduce<double>(unit + 3);
    for (int root = 0; root < ranks.size(); ++root) { broadcast(root, 2 * unit + 1); }
    broadcast(0, 0);
    ranks.barrier();
  }
};

/// Two threads of each rank, each with a communicator of its own, at the same time.
void check_threads(Communicator& ranks) {
  const auto other = ranks.duplicate();
  VOX_CHECK(other->rank() == ranks.rank() && other->size() == ranks.size(), "duplicate: other ranks");
  std::exception_ptr failed;
  std::thread thread([&] {
    try {
      for (std::size_t unit = 1; unit < 20; ++unit) { Checker{*other}.all_calls(unit); }
    } catch (...) { failed = std::current_exception(); }
  });
  std::exception_ptr own;
  try {
    for (std::size_t unit = 300; unit < 310; ++unit) { Checker{ranks}.all_calls(unit); }
  } catch (...) { own = std::current_exception(); }
  thread.join();
  for (const std::exception_ptr& e : {own, failed}) {
    if (e) { std::rethrow_exception(e); }
  }
}

}  // namespace

void check_contract(Communicator& ranks, bool large) {
  VOX_CHECK(ranks.size() >= 1 && ranks.rank() >= 0 && ranks.rank() < ranks.size(), "rank {} of {}", ranks.rank(),
            ranks.size());
  VOX_CHECK(!ranks.name().empty(), "a communicator without a name");
  for (const std::size_t unit : {0U, 1U, 7U, 1000U}) { Checker{ranks}.all_calls(unit); }
  if (large) { Checker{ranks}.all_calls(700'001); }
  check_threads(ranks);
  const auto host = ranks.for_device(Device::simt);  // its memory is the host's
  VOX_CHECK(host->memory() == Device::cpu && host->size() == ranks.size(), "for_device: other memory or ranks");
  Checker{*host}.all_calls(5);
}

}  // namespace vox::test
