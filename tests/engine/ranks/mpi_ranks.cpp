// vox_rank_tests MODE: one rank of a job that mpirun starts, for tests/tools/ranks_test.sh. It ends as main.cpp's verbs
// do. Modes that fail say which rank does: the last.
#include <csignal>
#include <cstdio>
#include <exception>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/ranks/job.h"
#include "engine/ranks/other_rank_failed.h"
#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "tests/engine/ranks/contract.h"

namespace {

using std::chrono::milliseconds;
using vox::Communicator;

bool is_last(const Communicator& ranks) { return ranks.rank() == ranks.size() - 1; }

/// What a step of training does, for ever: gathers small things and exchanges large ones, on two threads.
void work(Communicator& ranks, int rounds) {
  const auto size = static_cast<std::size_t>(ranks.size());
  const std::vector<std::size_t> small(size, 8);
  std::vector<std::byte> all(8 * size);
  for (int i = 0; i < rounds; ++i) { ranks.all_gather(std::vector<std::byte>(8), small, all); }
}

/// The others wait in two threads, one of which must be woken as well.
void wait_in_two_threads(Communicator& ranks) {
  const auto other = ranks.duplicate();
  if (is_last(ranks)) {
    std::this_thread::sleep_for(milliseconds(200));
    throw vox::DataError("case 7: no such file", "here");
  }
  bool woken = false;
  std::thread second([&] {
    try {
      other->barrier();
    } catch (const vox::OtherRankFailed&) { woken = true; }
  });
  std::exception_ptr failed;
  try {
    work(ranks, 1 << 30);
  } catch (...) { failed = std::current_exception(); }
  second.join();
  VOX_CHECK(woken, "the second thread was not told");
  std::rethrow_exception(failed);
}

/// More bytes than an int counts, by one pattern that is unlike itself anywhere: 2 ranks want 14 GB of memory, so this
/// is for who asks for it.
void huge(Communicator& ranks) {
  constexpr std::size_t kBytes = (std::size_t{1} << 31U) + 12345;
  const auto n = static_cast<std::size_t>(ranks.size());
  const auto self = static_cast<std::size_t>(ranks.rank());
  const auto pattern = [](std::size_t i, std::size_t rank) {
    return static_cast<std::byte>((i * 2654435761U >> 13U) + rank);
  };
  const auto filled = [&](std::size_t bytes) {
    std::vector<std::byte> values(bytes);
    for (std::size_t i = 0; i < bytes; ++i) { values[i] = pattern(i, self); }
    return values;
  };
  const auto check = [&](const std::byte* values, std::size_t bytes, std::size_t from, const char* call) {
    for (std::size_t i = 0; i < bytes; ++i) {
      VOX_CHECK(values[i] == pattern(i, from), "{}: byte {} of rank {} is another", call, i, from);
    }
  };
  {
    std::vector<std::byte> values = filled(kBytes);
    ranks.broadcast(values, ranks.size() - 1);
    check(values.data(), kBytes, n - 1, "broadcast");
    std::vector<std::size_t> send(n);  // all bytes of rank 0 go to the last one
    std::vector<std::size_t> receive(n);
    values = self == 0 ? filled(kBytes) : std::vector<std::byte>();
    if (self == 0) { send[n - 1] = kBytes; }
    if (self == n - 1) { receive[0] = kBytes; }
    std::vector<std::byte> received(self == n - 1 ? kBytes : 0);
    ranks.all_to_all(values, send, received, receive);
    check(received.data(), received.size(), 0, "all-to-all");
  }
  const std::vector<std::size_t> sizes(n, kBytes / n + 1);
  const std::vector<std::byte> mine = filled(sizes[self]);
  std::vector<std::byte> all(n * sizes[self]);
  ranks.all_gather(mine, sizes, all);
  for (std::size_t r = 0; r < n; ++r) { check(all.data() + r * sizes[r], sizes[r], r, "all-gather"); }
}

/// One fails at any moment, the others are in any call with buffers that are freed as they leave it.
void storm(Communicator& ranks) {
  const auto begin = std::chrono::steady_clock::now();
  const auto until = milliseconds(std::random_device{}() % 200);
  const auto n = static_cast<std::size_t>(ranks.size());
  for (std::size_t round = 0;; ++round) {
    if (is_last(ranks) && std::chrono::steady_clock::now() - begin > until) { throw vox::DataError("gone", "here"); }
    const std::vector<std::size_t> sizes(n, round % 7 * 50'000);
    std::vector<std::byte> send(n * sizes[0]);
    std::vector<std::byte> received(n * sizes[0]);
    ranks.all_to_all(send, sizes, received, sizes);
    ranks.all_gather(std::span(send).first(sizes[0]), sizes, received);
    ranks.broadcast(send, static_cast<int>(round % n));
  }
}

void run(std::string_view mode) {
  Communicator& ranks = vox::world();
  if (mode == "contract") { vox::test::check_contract(ranks, true); }
  if (mode == "huge") { huge(ranks); }
  if (mode == "endless") { work(ranks, 1 << 30); }
  if (mode == "storm") { storm(ranks); }
  if (mode == "fault") { wait_in_two_threads(ranks); }
  if (mode == "two") {  // at once, with different codes
    ranks.barrier();
    if (ranks.rank() > 0) { throw vox::NonFiniteError("loss of rank " + std::to_string(ranks.rank()), "here"); }
    work(ranks, 1 << 30);
  }
  if (mode == "all") { throw vox::MemoryError("batch 64 does not fit", "here"); }
  if (mode == "at-end" && is_last(ranks)) {  // the others have long come to the end
    std::this_thread::sleep_for(milliseconds(500));
    throw std::bad_alloc();
  }
  if (mode == "computing") {  // the others compute when one fails, and learn of it in their next call
    if (is_last(ranks)) { throw vox::DataError("case 7: no such file", "here"); }
    std::this_thread::sleep_for(milliseconds(1000));
    ranks.barrier();
  }
  if (mode == "stopped" || mode == "killed") {
    work(ranks, 100);
    if (is_last(ranks)) { std::raise(mode == "stopped" ? SIGSTOP : SIGKILL); }
    work(ranks, 1 << 30);
  }
  if (mode == "late") {  // two limits long, and it comes: a limit says nothing of ranks that answer
    if (is_last(ranks)) { std::this_thread::sleep_for(milliseconds(100)); }
    ranks.barrier();
  }
  if (mode == "absent") {  // one computes for longer than the limit
    if (is_last(ranks)) { std::this_thread::sleep_for(std::chrono::seconds(60)); }
    ranks.barrier();
  }
  if (mode == "different") {  // one is at the end while the others wait
    if (!is_last(ranks)) { ranks.barrier(); }
  }
}

vox::Ending run_to_end(std::string_view mode) {
  try {
    vox::join_world();
    run(mode);
    return {};
  } catch (const vox::OtherRankFailed& e) { return {2, e.what(), true}; } catch (const vox::RankLost& e) {
    return {vox::kRankLostCode, e.what()};
  } catch (const vox::DataError& e) { return {3, e.what()}; } catch (const vox::MemoryError& e) {
    return {4, e.what()};
  } catch (const vox::NonFiniteError& e) { return {5, e.what()}; } catch (const std::bad_alloc& e) {
    return {4, e.what()};
  } catch (const std::exception& e) { return {2, e.what()}; }
}

}  // namespace

int main(int argc, char** argv) {
  const vox::Ending ending = run_to_end(argc > 1 ? argv[1] : "");
  const int code =
      vox::leave_world(ending, [](const std::string& text) { std::fprintf(stderr, "said: %s\n", text.c_str()); });
  std::fprintf(stderr, "code %d\n", code);
  return code;
}
