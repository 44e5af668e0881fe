#include "kernels/base/large_vector.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>

#include "kernels/base/sanitizer.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

constexpr bool kKeeps = !kAddressSanitizer;

std::uintptr_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

TEST_CASE("Large vectors are vectors, cleared and aligned, of any size", "[large-vector]") {
  for (const std::size_t n : {std::size_t{1}, std::size_t{15}, kHugePage / 4 - 1, kHugePage / 4, kHugePage + 3}) {
    LargeVector<std::uint32_t> v(n);
    CHECK(address(v.data()) % (n * 4 >= kHugePage ? kHugePage : kCacheLine) == 0);
    CHECK(std::ranges::count(v, 0U) == std::ssize(v));
    v.push_back(7);
    const LargeVector<std::uint32_t> copy = v;
    CHECK((copy == v && copy.back() == 7 && copy.size() == n + 1));
  }
  LargeVector<std::uint32_t> written(kHugePage, uncleared);
  std::ranges::fill(written, 3U);
  LargeVector<std::uint32_t> cleared(kHugePage + 9);
  CHECK(std::ranges::count(cleared, 0U) == std::ssize(cleared));  // though another's pages may be handed on
  cleared = written;
  CHECK(cleared == written);
  CHECK(LargeVector<float>().empty());
  CHECK_THROWS_AS(LargeAllocator<double>().allocate(std::numeric_limits<std::size_t>::max() / 4),
                  std::bad_array_new_length);
}

TEST_CASE("Large vectors move without a copy, and what holds them is as safe to move", "[large-vector]") {
  static_assert(std::is_nothrow_move_constructible_v<LargeVector<float>>);
  static_assert(std::is_nothrow_move_assignable_v<LargeVector<float>>);
  LargeVector<float> from(kHugePage, uncleared);
  LargeVector<float> to(3);
  const float* const at = from.data();
  to = std::move(from);
  CHECK(to.data() == at);
}

TEST_CASE("Large bytes move, and an empty one is empty", "[large-vector]") {
  LargeBytes a(kHugePage + 1);
  CHECK(a.all().size() == kHugePage + 1);
  a.all().back() = std::byte{5};
  const LargeBytes b = std::move(a);
  CHECK(b.all().back() == std::byte{5});
  CHECK((LargeBytes().data() == nullptr && LargeBytes().all().empty()));
}

TEST_CASE("Released blocks are kept only while they are asked for, and only so many bytes", "[large-vector]") {
  const auto release = [](std::size_t bytes) { return address(LargeBytes(bytes).data()); };
  {
    const KeptBlocks keep(8 * kHugePage);
    const std::uintptr_t first = release(3 * kHugePage - 5);
    const LargeBytes same(3 * kHugePage);  // of the same pages
    CHECK((address(same.data()) == first) == kKeeps);
    const LargeBytes other(3 * kHugePage);
    CHECK(address(other.data()) != first);
    // A vector that is made of a kept block is cleared all the same.
    { LargeVector<std::uint8_t> full(4 * kHugePage, 9); }
    CHECK(std::ranges::count(LargeVector<std::uint8_t>(4 * kHugePage), std::uint8_t{0}) ==
          std::ptrdiff_t{4 * kHugePage});
    static_cast<void>(release(9 * kHugePage));  // more than may be kept
  }
  // Two may end in any order, and nothing is kept behind the last. Blocks above 32 MiB come cleared from the system.
  const auto was_there = [] {
    const LargeBytes block(17 * kHugePage);
    return std::exchange(block.data()[0], std::byte{5}) == std::byte{5};
  };
  auto first = std::make_unique<KeptBlocks>(17 * kHugePage);
  auto second = std::make_unique<KeptBlocks>(17 * kHugePage);
  CHECK_FALSE(was_there());
  CHECK(was_there() == kKeeps);
  first.reset();
  CHECK(was_there() == kKeeps);
  second.reset();
  CHECK_FALSE(was_there());
  CHECK_FALSE(was_there());
}

TEST_CASE("Threads may take and release large blocks at a time", "[large-vector][threads]") {
  const KeptBlocks keep(16 * kHugePage);
  const auto work = [](std::uint8_t mark) {
    for (int i = 0; i < 20; ++i) {
      const LargeVector<std::uint8_t> v(kHugePage + 1, mark);
      if (std::ranges::count(v, mark) != std::ssize(v)) { return false; }
    }
    return true;
  };
  bool other = false;
  std::thread thread([&] { other = work(2); });
  const bool here = work(1);
  thread.join();
  CHECK((here && other));
}

}  // namespace
}  // namespace vox::test
