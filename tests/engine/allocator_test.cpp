#include "engine/allocator.h"

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include "engine/tensor.h"
#include "kernels/base/check.h"
#include "kernels/base/sanitizer.h"
#include "tests/support/catch.h"

#ifdef VOX_ADDRESS_SANITIZER
/// AddressSanitizer ends the program at a request it finds too large; ours has to reach the allocator's own answer.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }  // NOLINT: its name for it
#endif

namespace vox::test {
namespace {

constexpr std::size_t kOdd = 100'003;  // bytes: no round size

/// Bytes that are given back when it dies.
struct Block {
  explicit Block(std::size_t size) : bytes(size), data(allocate(size, Device::cpu)) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { release(data, bytes, Device::cpu); }
  std::size_t bytes;
  std::byte* data;
};

MemoryReport now() { return memory_report(Device::cpu); }

}  // namespace

TEST_CASE("memory is aligned to a cache line, and large blocks to a huge page", "[allocator]") {
  const Block small(3);
  const Block large(5UL << 20U);
  CHECK(reinterpret_cast<std::uintptr_t>(small.data) % 64 == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(large.data) % (2UL << 20U) == 0);
}

TEST_CASE("a released block is reused by a request of about its size", "[allocator]") {
  release_unused(Device::cpu);
  [[maybe_unused]] const std::byte* first = nullptr;  // AddressSanitizer: no block is reused
  {
    const Block b(kOdd);
    first = b.data;
  }
  [[maybe_unused]] const std::size_t reserved = now().reserved_bytes;
  const Block again(kOdd - 500);
#ifndef VOX_ADDRESS_SANITIZER
  CHECK(again.data == first);
  CHECK(now().reserved_bytes == reserved);
#endif
  const Block other(2 * kOdd);
  CHECK(other.data != again.data);
}

TEST_CASE("the report follows what is in use, its peak, and what is kept", "[allocator]") {
  release_unused(Device::cpu);
  reset_peak(Device::cpu);
  const MemoryReport before = now();
  CHECK(before.peak_bytes == before.in_use_bytes);
  CHECK(before.reserved_bytes >= before.in_use_bytes);
  {
    const Block a(kOdd);
    const Block b(kOdd);
    CHECK(now().in_use_bytes >= before.in_use_bytes + 2 * kOdd);
    CHECK(now().in_use_bytes < before.in_use_bytes + 2 * (kOdd + 64));
    CHECK(now().reserved_bytes <= before.reserved_bytes + 2 * kOdd + kOdd / 4);  // rounding up costs an eighth at most
  }
  CHECK(now().in_use_bytes == before.in_use_bytes);
  CHECK(now().peak_bytes >= before.in_use_bytes + 2 * kOdd);
#ifndef VOX_ADDRESS_SANITIZER
  CHECK(now().reserved_bytes >= before.reserved_bytes + 2 * kOdd);
#endif
  reset_peak(Device::cpu);
  CHECK(now().peak_bytes == before.in_use_bytes);
  release_unused(Device::cpu);
  CHECK(now().reserved_bytes == before.reserved_bytes);
}

TEST_CASE("what does not fit is refused with what was asked for and what is in use", "[allocator]") {
  const Block held(3UL << 20U);
  const std::size_t in_use = now().in_use_bytes;
  CHECK_THROWS_AS(allocate(1UL << 60U, Device::cpu), MemoryError);
  CHECK_THROWS_WITH(allocate(1UL << 60U, Device::cpu),
                    Catch::Matchers::StartsWith("out of memory on cpu: asked for 1099511627776.0 MiB with ") &&
                        Catch::Matchers::EndsWith(" MiB in use"));
  CHECK(now().in_use_bytes == in_use);
}

TEST_CASE("no bytes are no block", "[allocator]") {
  const MemoryReport before = now();
  const Tensor empty({0}, DType::f32);
  CHECK(empty.stored_count() == 0);
  CHECK(empty.values<float>().empty());
  CHECK(now().in_use_bytes == before.in_use_bytes);
}

TEST_CASE("fresh memory can be made NaN, reused blocks included", "[allocator]") {
  { const Tensor t = Tensor::zeros({1000}, DType::f32); }
  set_fresh_memory(FreshMemory::nan);
  const Tensor fresh({1000}, DType::f32);
  set_fresh_memory(FreshMemory::as_found);
  CHECK(std::ranges::all_of(fresh.values<float>(), [](float v) { return v != v; }));
}

TEST_CASE("VOXGRAD_EXACT_MEMORY takes blocks of their very size from the system, and none is kept", "[exact_memory]") {
  CHECK(blocks_of(nullptr) == Blocks::pooled);
  CHECK(blocks_of("") == Blocks::pooled);
  CHECK(blocks_of("nan") == Blocks::exact_nan);
  CHECK(blocks_of("unwritten") == Blocks::exact_unwritten);
  CHECK_THROWS_WITH(blocks_of("1"), ContainsSubstring("VOXGRAD_EXACT_MEMORY is '1', wants nan or unwritten"));
  const bool exact = blocks() != Blocks::pooled;  // ctest runs this with each value
  CHECK((pool_bytes(kOdd, Device::cuda) == kOdd) == exact);
  release_unused(Device::cpu);
  const std::size_t before = now().reserved_bytes;
  reserve_arena(Device::cpu, 4UL << 20U);
  [[maybe_unused]] const bool arena = now().reserved_bytes != before;
  release_unused(Device::cpu);
  {
    const Block b(kOdd);
    CHECK((now().reserved_bytes == before + kOdd) == exact);
    set_fresh_memory(FreshMemory::nan);  // exact_unwritten does not listen
    const Block asked(kOdd);
    set_fresh_memory(FreshMemory::as_found);
    const auto filled = [](const Block& block) {
      return std::all_of(block.data, block.data + block.bytes, [](std::byte x) { return x == std::byte{0xFF}; });
    };
    if (blocks() != Blocks::exact_unwritten) { CHECK(filled(asked)); }
    if (blocks() == Blocks::exact_nan) { CHECK(filled(b)); }
  }
#ifndef VOX_ADDRESS_SANITIZER
  CHECK(arena != exact);
  CHECK((now().reserved_bytes == before) == exact);
#endif
}

TEST_CASE("threads allocate and release at the same time", "[allocator]") {
  const std::size_t before = now().in_use_bytes;
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (unsigned i = 0; i < 200; ++i) {
          const Block b(64U + 1000U * ((i + t) % 7U));
          b.data[0] = std::byte{1};
        }
      });
    }
  }
  CHECK(now().in_use_bytes == before);
}

}  // namespace vox::test
