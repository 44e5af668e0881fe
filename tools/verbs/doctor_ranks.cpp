#include "tools/verbs/doctor_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/json_text.h"
#include "engine/ranks/world.h"
#include "engine/tensor.h"
#include "kernels/cuda/runtime.h"

namespace vox {
namespace {

constexpr std::array<std::size_t, 7> kBytes{8, 1024, 16 << 10U, 64 << 10U, 1 << 20U, 22'000'000, 64 << 20U};

/// As even as it gets.
std::vector<std::size_t> shares(std::size_t bytes, int ranks) {
  const auto n = static_cast<std::size_t>(ranks);
  std::vector<std::size_t> sizes(n, bytes / n);
  for (std::size_t r = 0; r < bytes % n; ++r) { ++sizes[r]; }
  return sizes;
}

template <class T> std::vector<T> gathered(Communicator& ranks, const T& mine) {
  std::vector<T> all(static_cast<std::size_t>(ranks.size()));
  const std::vector<std::size_t> sizes(all.size(), sizeof(T));
  ranks.all_gather(std::as_bytes(std::span(&mine, 1)), sizes, std::as_writable_bytes(std::span(all)));
  return all;
}

std::vector<std::string> gathered_texts(Communicator& ranks, const std::string& mine) {
  const std::vector<std::size_t> sizes = gathered(ranks, mine.size());
  std::size_t total = 0;
  for (const std::size_t size : sizes) { total += size; }
  std::string all(total, '\0');
  ranks.all_gather(std::as_bytes(std::span(mine)), sizes, std::as_writable_bytes(std::span(all)));
  std::vector<std::string> texts;
  std::size_t at = 0;
  for (const std::size_t size : sizes) {
    texts.push_back(all.substr(at, size));
    at += size;
  }
  return texts;
}

/// host: the same ranks, for what is no part of the measurement.
template <class Call> double seconds_of(Communicator& host, Device device, std::size_t bytes, const Call& call) {
  using Clock = std::chrono::steady_clock;
  const int rounds = bytes <= 64U << 10U ? 201 : bytes <= 1U << 20U ? 51 : 9;
  const auto call_and_wait = [&] {
    call();
    if (device == Device::cuda) { cuda::wait(cuda_queue().stream); }
  };
  std::vector<double> times;
  call_and_wait();
  host.barrier();
  for (int i = 0; i < rounds; ++i) {
    const auto begin = Clock::now();
    call_and_wait();
    times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  std::ranges::nth_element(times, times.begin() + rounds / 2);
  return std::ranges::max(gathered(host, times[static_cast<std::size_t>(rounds / 2)]));
}

Json row(const char* call, std::size_t bytes, std::size_t coming_in, double seconds) {
  return {{"call", call},
          {"bytes", bytes},
          {"seconds", seconds},
          {"bytes_per_second", static_cast<double>(coming_in) / seconds}};
}

std::span<std::byte> bytes_of(Tensor& tensor) { return std::as_writable_bytes(tensor.mutable_values<std::uint8_t>()); }

Json collectives(Communicator& host, Communicator& ranks) {
  Json rows = Json::array();
  const Device device = ranks.memory();
  const Shape shape{static_cast<std::int64_t>(kBytes.back()) + ranks.size()};  // n shares of the largest size
  Tensor from_there = Tensor::zeros(shape, DType::u8, device);
  Tensor to_there = Tensor::zeros(shape, DType::u8, device);
  const std::span<std::byte> from = bytes_of(from_there);
  const std::span<std::byte> to = bytes_of(to_there);
  const auto self = static_cast<std::size_t>(ranks.rank());
  for (const std::size_t bytes : kBytes) {
    const std::vector<std::size_t> sizes = shares(bytes, ranks.size());
    const auto whole = to.first(bytes);
    const auto mine = from.first(sizes[self]);
    const auto time = [&](const auto& call) { return seconds_of(host, device, bytes, call); };
    const std::size_t others = bytes - sizes.back();
    const double gather = time([&] { ranks.all_gather(mine, sizes, whole); });
    rows.push_back(row("all-gather", bytes, others, gather));
    // Rank r has share r of all buffers in the end, as when gradients are added up.
    const std::vector<std::size_t> received_sizes(sizes.size(), sizes[self]);
    const auto received = to.first(sizes[self] * sizes.size());
    const auto send = from.first(bytes);
    const double exchange = time([&] { ranks.all_to_all(send, sizes, received, received_sizes); });
    rows.push_back(row("all-to-all", bytes, others, exchange));
    const double broadcast = time([&] { ranks.broadcast(whole, 0); });
    rows.push_back(row("broadcast", bytes, bytes, broadcast));
  }
  rows.push_back({{"call", "barrier"}, {"seconds", seconds_of(host, device, 0, [&] { ranks.barrier(); })}});
  return {{"communicator", ranks.name()}, {"rows", rows}};
}

std::string size_text(double bytes) {
  if (bytes < 1024) { return fmt::format("{:g} bytes", bytes); }
  if (bytes == 22e6) { return "22 MB"; }
  return bytes < 1 << 20 ? fmt::format("{:g} KiB", bytes / 1024) : fmt::format("{:g} MiB", bytes / (1 << 20));
}

std::string time_text(double seconds) {
  return seconds < 1e-3 ? fmt::format("{:.1f} us", 1e6 * seconds) : fmt::format("{:.2f} ms", 1e3 * seconds);
}

}  // namespace

Json measure_ranks(Communicator& ranks, const Json& mine) {
  Json all = Json::array();
  for (const std::string& text : gathered_texts(ranks, json_text(mine))) { all.push_back(Json::parse(text)); }
  Json collective = Json::array({collectives(ranks, ranks)});
  const char own_gpu = mine["gpus"].get<int>() > local_rank() ? 1 : 0;
  if (std::ranges::min(gathered(ranks, own_gpu)) == 1) {
    select_device("cuda");
    const auto gpus = ranks.for_device(Device::cuda);
    collective.push_back(collectives(ranks, *gpus));
  }
  return {{"ranks", all}, {"collectives", collective}};
}

void print_ranks(const Json& r) {
  const auto line = [](const std::string& label, const std::string& value) { fmt::print("{:<18} {}\n", label, value); };
  int rank = 0;
  for (const auto& one : r["ranks"]) {
    line(fmt::format("rank {}", rank++),
         fmt::format("{}, {} threads, {}, {} GPUs, self-test {}", one["host"].get<std::string>(),
                     one["threads"].get<int>(), one["instruction_set"].get<std::string>(), one["gpus"].get<int>(),
                     one["passed"].get<bool>() ? "exact" : "WRONG"));
  }
  for (const auto& measured : r["collectives"]) {
    line("communicator", measured["communicator"].get<std::string>());
    for (const auto& one : measured["rows"]) {
      const std::string call = one["call"].get<std::string>();
      const std::string time = time_text(one["seconds"].get<double>());
      line(call, call == "barrier" ? fmt::format("{:>22}", time)
                                   : fmt::format("{:>10}, {:>10}, {:.3g} GB/s", size_text(one["bytes"].get<double>()),
                                                 time, one["bytes_per_second"].get<double>() / 1e9));
    }
  }
}

}  // namespace vox
